"""OpenTelemetry, seen through its own SDK: spans, metrics, trace headers, and no secret in any of them."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from asyncapi import Client, ConnectError, NotFound
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.watch import OpenTelemetry


class Collected:
    """A watcher with exporters in memory."""

    def __init__(self, **settings) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        meters = MeterProvider([self.reader])
        self.watcher = OpenTelemetry(tracer_provider=self.tracers, meter_provider=meters, **settings)

    @property
    def spans(self):
        return self.exporter.get_finished_spans()

    @property
    def points(self):
        """(name, data point) of all metrics."""
        data = self.reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return [(metric.name, point) for metric in metrics for point in metric.data.data_points]

    def points_of(self, name):
        return [point for known, point in self.points if known == name]


def client(handler, collected, **settings) -> Client:
    clock = FakeClock()
    transport = MockTransport(handler, clock=clock)
    return Client("https://h:444", transport=transport, clock=clock, watch=[collected.watcher], **settings)


def test_a_call_is_a_client_span_with_a_child_per_attempt():
    answers = iter([reply(503, headers={"Retry-After": "1"}), ConnectError("refused"), reply(200)])
    collected = Collected()

    def handler(request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scenario():
        with collected.tracers.get_tracer("app").start_as_current_span("app"):
            await client(handler, collected).get("/users/7?token=canary", route="/users/{id}")

    run(scenario())
    one, two, three, call, app = collected.spans
    assert [span.name for span in (one, two, three, call)] == ["GET /users/{id}"] * 4
    assert {span.kind for span in (one, two, three, call)} == {SpanKind.CLIENT}
    assert call.parent.span_id == app.context.span_id
    assert {span.parent.span_id for span in (one, two, three)} == {call.context.span_id}
    assert dict(one.attributes) == {
        "http.request.method": "GET",
        "url.scheme": "https",
        "url.full": "https://h:444/users/7?token=***",
        "url.template": "/users/{id}",
        "server.address": "h",
        "server.port": 444,
        "http.response.status_code": 503,
        "error.type": "503",
        "asyncapi.attempt.why": "first",
    }
    assert [span.attributes.get("http.request.resend_count") for span in (one, two, three)] == [None, 1, 2]
    assert [span.attributes.get("error.type") for span in (one, two, three)] == ["503", "ConnectError", None]
    assert two.status.description == "ConnectError: refused"
    assert [span.status.status_code for span in (one, two)] == [StatusCode.ERROR] * 2
    assert three.status.status_code == call.status.status_code == StatusCode.UNSET
    assert call.attributes["http.response.status_code"] == 200
    assert "http.request.resend_count" not in call.attributes


def test_a_4xx_is_an_error_of_the_client_span():
    collected = Collected()

    async def scenario():
        with pytest.raises(NotFound):
            await client(lambda r: reply(404), collected).get("/")

    run(scenario())
    assert [(span.name, span.attributes["error.type"]) for span in collected.spans] == [("GET", "404")] * 2


def test_an_unknown_method_is_shown_but_never_a_name_or_a_label():
    collected = Collected()
    run(client(lambda r: reply(200), collected).request("PURGE", "/"))
    span = collected.spans[0]
    assert (span.name, span.attributes["http.request.method"]) == ("HTTP", "_OTHER")
    assert span.attributes["http.request.method_original"] == "PURGE"
    [point] = collected.points_of("http.client.request.duration")
    assert point.attributes["http.request.method"] == "_OTHER"


def test_each_attempt_carries_its_own_traceparent_and_the_callers_baggage():
    answers, sent = iter([reply(503), reply(200)]), []
    collected = Collected()

    def handler(request):
        sent.append(request.headers)
        return next(answers)

    async def scenario():
        token = context.attach(baggage.set_baggage("tenant", "blue"))
        try:
            await client(handler, collected).get("/")
        finally:
            context.detach(token)

    run(scenario())
    parents = [trace.get_current_span(TraceContextTextMapPropagator().extract(headers)) for headers in sent]
    assert [parent.get_span_context().span_id for parent in parents] == [
        span.context.span_id for span in collected.spans[:2]
    ]
    assert [headers["baggage"] for headers in sent] == ["tenant=blue"] * 2


def test_strangers_learn_nothing_when_propagation_is_off():
    collected, sent = Collected(propagate=False), []
    run(client(lambda r: sent.append(r.headers) or reply(200), collected).get("/"))
    assert not {"traceparent", "baggage"} & set(sent[0])


def test_durations_are_measured_per_attempt_and_per_call_without_urls():
    answers = iter([reply(503, headers={"Retry-After": "2"}), reply(200)])
    collected = Collected()
    run(client(lambda r: next(answers), collected).get("/users/7", route="/users/{id}"))
    attempts = collected.points_of("http.client.request.duration")
    assert {point.attributes["http.response.status_code"]: point.count for point in attempts} == {503: 1, 200: 1}
    assert {point.attributes.get("error.type") for point in attempts} == {"503", None}
    assert {point.attributes["url.template"] for point in attempts} == {"/users/{id}"}
    assert attempts[0].explicit_bounds[:3] == (0.005, 0.01, 0.025)
    [call] = collected.points_of("asyncapi.client.call.duration")
    assert call.sum == pytest.approx(2, rel=0.2)
    assert {point.value for point in collected.points_of("http.client.active_requests")} == {0}
    assert all("/users/7" not in str(point.attributes) for _, point in collected.points)


async def test_no_canary_gets_into_spans_or_metrics():
    collected = Collected()

    def handler(request):
        return reply(200, json={"s": "canary-body"}, headers={"Set-Cookie": "sid=canary-answer"})

    api = Client(
        "https://user:canary-password@h",
        transport=MockTransport(handler),
        headers={"Authorization": "Bearer canary-token", "Cookie": "canary-cookie"},
        params={"api_key": "canary-key"},
        watch=[collected.watcher],
    )
    await api.post("/x", json={"card": "canary-card"}, idempotency_key=True)
    said = "".join(span.to_json() for span in collected.spans) + repr(collected.reader.get_metrics_data())
    assert "http.request.method" in said
    assert "canary" not in said
