"""OpenTelemetry: spans, metrics and trace headers, named by the stable HTTP semantic conventions (1.44).

A call is a client span (waits and retries included), with a client span for each attempt inside it, whose number is in
`http.request.resend_count`. `http.client.request.duration` measures attempts, as the conventions say; the whole call is
in `asyncapi.client.call.duration`. Routes go into `url.template`; metrics never see a URL, and
of methods, servers and routes only so many combinations (`asyncapi/sansio/measures/series.py`); spans have them all.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, propagate, trace

from asyncapi.layers.watch import ending, failed
from asyncapi.redact import redact_url
from asyncapi.sansio.measures.series import Series
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from multidict import CIMultiDict
    from opentelemetry.context import Context

    from asyncapi.layers.watch import Finished
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request

    Started = tuple[trace.Span, Context, dict[str, Any]]

_SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
_KNOWN = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"  # the conventions' own variable: instead of these
_OTHER = "_OTHER"  # the conventions' own word
_METHODS = "CONNECT,DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT,QUERY,TRACE"
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)  # seconds: the conventions'


class OpenTelemetry:
    """Spans and metrics of a client's calls; `Client(watch=[OpenTelemetry()])`.

    Args:
        tracer_provider: Used instead of the global one.
        meter_provider: Used instead of the global one.
        propagate: Whether attempts carry the trace and the baggage in their headers, as the global propagator writes
            them (`traceparent`, `baggage`); False for an API of strangers, who should not learn what you put in there.
    """

    def __init__(
        self,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        propagate: bool = True,
    ) -> None:
        self._tracer = trace.get_tracer("asyncapi", VERSION, tracer_provider, _SCHEMA)
        meter = metrics.get_meter("asyncapi", VERSION, meter_provider, _SCHEMA)
        advice: dict[str, Any] = {"explicit_bucket_boundaries_advisory": _BOUNDS}
        seconds = meter.create_histogram
        self._attempts = seconds("http.client.request.duration", "s", "Duration of HTTP client requests.", **advice)
        self._calls = seconds("asyncapi.client.call.duration", "s", "Duration of calls, waits included.", **advice)
        self._active = meter.create_up_down_counter(
            "http.client.active_requests", "{request}", "Number of active HTTP requests."
        )
        self._methods = frozenset(os.environ.get(_KNOWN, _METHODS).split(","))
        self._propagate = propagate
        self._series = Series()

    def call_started(self, request: Request) -> Started:
        """Begin the call's span, inside whatever span is current."""
        return self._start(request, None, 0)

    def attempt_started(self, token: Started, request: Request, headers: CIMultiDict[str]) -> Started:
        """Begin the attempt's span, and write it into the headers."""
        started = self._start(request, token[1], len(request.call.attempts))
        if self._propagate:
            propagate.inject(headers, started[1])
        self._active.add(1, started[2])
        return started

    def attempt_ended(self, token: Started, record: Attempt) -> None:
        """End the attempt's span."""
        self._active.add(-1, token[2])
        token[0].set_attribute("asyncapi.attempt.why", record.why)
        self._attempts.record(record.elapsed, self._end(token, record, record), token[1])

    def call_ended(self, token: Started, record: Finished) -> None:
        """End the call's span."""
        last = record.attempts[-1] if record.attempts else None
        self._calls.record(record.elapsed, self._end(token, record, last), token[1])

    def _start(self, request: Request, within: Context | None, resends: int) -> Started:
        url, method, route = request.url, request.method, request.route
        if resends and request.call.why.startswith("redirect"):
            route = None  # a redirect leads to another route
        known: dict[str, Any] = {"http.request.method": method if method in self._methods else _OTHER}
        known |= {"url.scheme": url.scheme, "server.address": url.host or "", "server.port": url.port or 0}
        name, shown = method, {**known, "url.full": redact_url(url)}
        if known["http.request.method"] != method:
            name, shown["http.request.method_original"] = "HTTP", method
        if route is not None:
            name, known["url.template"], shown["url.template"] = f"{name} {route}", route, route
        if resends:
            shown["http.request.resend_count"] = resends
        span = self._tracer.start_span(name, within, trace.SpanKind.CLIENT, shown)
        return span, trace.set_span_in_context(span, within), self._bounded(known)

    def _bounded(self, known: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes for metrics, with "_OTHER" in place of too many combinations."""
        route = known.get("url.template")
        server = f"{known['url.scheme']}://{known['server.address']}:{known['server.port']}"
        _, counted, counted_route = self._series.of(known["http.request.method"], server, route)
        if route is not None and counted_route != route:
            known["url.template"] = _OTHER
        if counted != server:
            known["server.address"] = _OTHER
            del known["server.port"]
        return known

    @staticmethod
    def _end(token: Started, record: Attempt | Finished, last: Attempt | None) -> dict[str, Any]:
        """End a span; return its labels for metrics."""
        span, _, known = token
        result: dict[str, Any] = {} if record.status is None else {"http.response.status_code": record.status}
        if last is not None and last.http_version:
            result["network.protocol.version"] = last.http_version
        if record.error is not None or failed(record):
            result["error.type"] = ending(record)
            span.set_status(trace.StatusCode.ERROR, record.error)
        span.set_attributes(result)
        span.end()
        return {**known, **result}
