"""Prometheus: count and time a client's calls and attempts by method, host, route and status (or class of error).

`route` is the caller's `route=` (`/users/{id}`), or "other" where there is none: never a URL. The number of series is
bounded, whatever calls are made: `asyncapi/sansio/measures/series.py` decides which combinations have their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from asyncapi.errors import ConfigError
from asyncapi.layers.watch import ending
from asyncapi.sansio.failures.resend import METHODS
from asyncapi.sansio.measures.series import OTHER, Series, bounded

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.layers.watch import Finished
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request

_NAMES = ("method", "host", "route")
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_WAITS = (0.005, 0.05, 0.25, 1.0, 5.0, 30.0)  # seconds
_ENDINGS = 12  # statuses and errors of one combination of method, host and route


class _Place:
    """The series of one combination of method, host and route.

    Attributes:
        labels: The combination.
        in_flight: The gauge of calls in flight.
        queued: The histogram of waits in queues.
        calls: The histograms of durations, by how calls ended.
        attempts: The counters of attempts, by how they ended and why they were made.
        endings: The endings that have series of their own.
    """

    __slots__ = ("attempts", "calls", "endings", "in_flight", "labels", "queued")

    def __init__(self, labels: tuple[str, str, str], in_flight: Gauge, queued: Histogram) -> None:
        self.labels: tuple[str, str, str] = labels
        self.in_flight: Gauge = in_flight
        self.queued: Histogram = queued
        self.calls: dict[str, Histogram] = {}
        self.attempts: dict[tuple[str, str], Counter] = {}
        self.endings: set[str] = set()

    def ending(self, record: Attempt | Finished) -> str:
        """Return how a record ended, as a label."""
        return bounded(ending(record), self.endings, _ENDINGS)


class Prometheus:
    """Metrics of one client or several; `Client(watch=[Prometheus()])`.

        asyncapi_call_duration_seconds      histogram   method host route status: whole calls, waits included
        asyncapi_attempts_total             counter     method host route status why (first, retry, redirect, hedge ...)
        asyncapi_queue_seconds              histogram   method host route: the time of attempts in our own queues
        asyncapi_calls_in_flight            gauge       method host route

    Args:
        registry: Where the metrics are registered; by default prometheus-client's registry.
        most: How many combinations of method, host and route have series of their own; the others are "other".

    Raises:
        ConfigError: The registry has these metrics already (share one `Prometheus` between clients), or `most` is not a
            number.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY, *, most: int = 200) -> None:
        if type(most) is not int or most < 1:
            raise ConfigError(f"Prometheus(most={most!r}): give the number of series, 1 or more")
        ends = (*_NAMES, "status")
        try:
            self._calls = Histogram(
                "asyncapi_call_duration_seconds", "Calls, waits included", ends, registry=registry, buckets=_BOUNDS
            )
            self._attempts = Counter("asyncapi_attempts", "Attempts", (*ends, "why"), registry=registry)
            self._queued = Histogram(
                "asyncapi_queue_seconds", "Waits in our queues", _NAMES, registry=registry, buckets=_WAITS
            )
            self._in_flight = Gauge("asyncapi_calls_in_flight", "Calls under way", _NAMES, registry=registry)
        except ValueError as error:
            raise ConfigError(
                f"Prometheus: share one between your clients, or give each a registry ({error})"
            ) from None
        self._series = Series(most)
        self._places: dict[tuple[str, str, str], _Place] = {}

    def call_started(self, request: Request) -> _Place:
        """Count a call that begins."""
        method = request.method if request.method in METHODS else OTHER
        labels = self._series.of(method, request.call.host, request.route)
        place = self._places.get(labels)
        if place is None:
            place = _Place(labels, self._in_flight.labels(*labels), self._queued.labels(*labels))
            self._places[labels] = place
        place.in_flight.inc()
        return place

    def attempt_started(self, token: _Place, request: Request, headers: CIMultiDict[str]) -> _Place:  # noqa: ARG002
        """Use the labels of the call."""
        return token

    def attempt_ended(self, token: _Place, record: Attempt) -> None:
        """Count it."""
        why = record.why.partition(":")[0].partition(" ")[0]  # "fallback to eu.example: 503" is a fallback
        key = (token.ending(record), why)
        counter = token.attempts.get(key)
        if counter is None:
            counter = token.attempts[key] = self._attempts.labels(*token.labels, *key)
        counter.inc()
        token.queued.observe(record.queued)

    def call_ended(self, token: _Place, record: Finished) -> None:
        """Count a call that has ended."""
        token.in_flight.dec()
        key = token.ending(record)
        durations = token.calls.get(key)
        if durations is None:
            durations = token.calls[key] = self._calls.labels(*token.labels, key)
        durations.observe(record.elapsed)
