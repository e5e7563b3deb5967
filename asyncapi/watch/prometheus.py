"""Prometheus: what a client's calls and attempts come to, by method, host, route and status (or class of error).

`route` is the caller's `route=` (`/users/{id}`), or "other" where there is none: never a URL, so that the number of
series stays small. A host or route beyond the first 200 counts as "other" too, in case somebody puts an id into one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from asyncapi.errors import ConfigError
from asyncapi.layers.watch import ending
from asyncapi.sansio.resend import METHODS

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.layers.watch import Finished
    from asyncapi.types import Attempt, Request

    Labels = tuple[str, str, str]

_NAMES = ("method", "host", "route")
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)  # seconds
_MOST = 200
_OTHER = "other"


class Prometheus:
    """Metrics of one client or several; `Client(watch=[Prometheus()])`.

        asyncapi_call_duration_seconds      histogram   method host route status: whole calls, waits included
        asyncapi_attempts_total             counter     method host route status why (first, retry, redirect, hedge ...)
        asyncapi_queue_seconds              histogram   method host route: what attempts waited in our own lines
        asyncapi_calls_in_flight            gauge       method host route

    Args:
        registry: Where they are registered; prometheus-client's default one.

    Raises:
        ConfigError: The registry has them already: share one `Prometheus` between clients.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        ends = (*_NAMES, "status")
        try:
            self._calls = Histogram(
                "asyncapi_call_duration_seconds", "Calls, waits included", ends, registry=registry, buckets=_BOUNDS
            )
            self._attempts = Counter("asyncapi_attempts", "Attempts", (*ends, "why"), registry=registry)
            self._queued = Histogram(
                "asyncapi_queue_seconds", "Waits in our lines", _NAMES, registry=registry, buckets=_BOUNDS
            )
            self._in_flight = Gauge("asyncapi_calls_in_flight", "Calls under way", _NAMES, registry=registry)
        except ValueError as error:
            raise ConfigError(
                f"Prometheus: share one between your clients, or give each a registry ({error})"
            ) from None
        self._known: tuple[set[str], set[str]] = (set(), set())

    def call_started(self, request: Request) -> Labels:
        """One more under way."""
        method = request.method if request.method in METHODS else _OTHER
        hosts, routes = self._known
        labels = (method, _bounded(request.call.host, hosts), _bounded(request.route or _OTHER, routes))
        self._in_flight.labels(*labels).inc()
        return labels

    def attempt_started(self, token: Labels, request: Request, headers: CIMultiDict[str]) -> Labels:  # noqa: ARG002
        """An attempt goes by its call's labels."""
        return token

    def attempt_ended(self, token: Labels, record: Attempt) -> None:
        """Count it."""
        why = record.why.partition(":")[0].partition(" ")[0]  # "fallback to eu.example: 503" is a fallback
        self._attempts.labels(*token, ending(record), why).inc()
        self._queued.labels(*token).observe(record.queued)

    def call_ended(self, token: Labels, record: Finished) -> None:
        """One less under way."""
        self._in_flight.labels(*token).dec()
        self._calls.labels(*token, ending(record)).observe(record.elapsed)


def _bounded(name: str, known: set[str]) -> str:
    """The name itself, if it is one of the first."""
    if name not in known:
        if len(known) >= _MOST:
            return _OTHER
        known.add(name)
    return name
