"""OpenTelemetry, seen through its own SDK: spans, metrics, trace headers, and no secret in any of them."""

from __future__ import annotations

import asyncio

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import url_attributes as url_incubating
from opentelemetry.semconv._incubating.metrics.http_metrics import create_http_client_active_requests
from opentelemetry.semconv.attributes import (
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    url_attributes,
)
from opentelemetry.semconv.metrics import http_metrics
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from asyncapi import Client, ConnectError, Hedge, NotFound, ProtocolError, RequestTimeout, Retry
from asyncapi.serve import FaultServer
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.watch import OpenTelemetry


class Collected:
    """A watcher with exporters in memory."""

    def __init__(self, **settings) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meters = MeterProvider([self.reader])
        self.watcher = OpenTelemetry(tracer_provider=self.tracers, meter_provider=self.meters, **settings)

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


# --- held to the conventions as they are published, not as somebody remembers them ---------------------------------

STABLE = {
    value
    for module in (http_attributes, network_attributes, server_attributes, url_attributes, error_attributes)
    for name, value in vars(module).items()
    if name.isupper()
}
OURS = {"asyncapi.attempt.why"}
# "HTTP client span": required, or required under a condition that holds here
REQUIRED = {
    http_attributes.HTTP_REQUEST_METHOD, server_attributes.SERVER_ADDRESS, server_attributes.SERVER_PORT,
    url_attributes.URL_FULL,
}  # fmt: skip


async def everything(collected):
    """Calls of many endings over a real server: (what ends, its spans' names are checked by the caller)."""
    async with FaultServer() as server:
        settings = {"watch": collected.watcher, "retry": Retry(2, base=0), "raise_for_status": False}
        async with Client(server.url, **settings) as api:
            await api.get("/items/1", route="/items/{id}")
            await api.get("/status/404")
            await api.post("/status/503", json={}, idempotency_key=True)
            await api.get("/redirect/1", route="/redirect/{n}")
            await api.request("PURGE", "/items/1")
            with pytest.raises(ProtocolError):
                await api.get("/drop")
    return server


@pytest.mark.lanes
async def test_every_attribute_is_one_of_the_stable_conventions_or_ours():
    collected = Collected()
    await everything(collected)
    for span in collected.spans:
        extra = {url_incubating.URL_TEMPLATE} if "{" in span.name else set()
        assert set(span.attributes) <= STABLE | OURS | extra
        assert set(span.attributes) >= REQUIRED
        assert span.kind is SpanKind.CLIENT
        assert ("{" in span.name) == (url_incubating.URL_TEMPLATE in span.attributes)
        assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    for name, point in collected.points:
        assert set(point.attributes) <= STABLE | {url_incubating.URL_TEMPLATE}, name
        assert url_attributes.URL_FULL not in point.attributes


@pytest.mark.lanes
async def test_metrics_have_the_names_units_and_words_of_the_conventions():
    collected = Collected()
    await everything(collected)
    [scope] = collected.reader.get_metrics_data().resource_metrics[0].scope_metrics
    known = {metric.name: metric for metric in scope.metrics}
    told = collected.meters.get_meter("reference")
    create_http_client_active_requests(told).add(1)
    duration = known[http_metrics.HTTP_CLIENT_REQUEST_DURATION]
    assert (duration.unit, duration.description) == ("s", "Duration of HTTP client requests.")
    *_, other = collected.reader.get_metrics_data().resource_metrics[0].scope_metrics
    active, reference = known["http.client.active_requests"], other.metrics[0]
    assert (active.name, active.unit, active.description) == (reference.name, reference.unit, reference.description)
    [point, *_] = duration.data.data_points
    assert point.explicit_bounds == (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
    assert {type(value) for value in point.attributes.values()} <= {str, int}


@pytest.mark.lanes
async def test_what_a_real_server_answers_is_told_as_the_conventions_say():
    collected = Collected()
    server = await everything(collected)
    port = int(server.url.rpartition(":")[2])
    spans = collected.spans
    assert {(span.attributes["server.address"], span.attributes["server.port"]) for span in spans} == {
        ("127.0.0.1", port)
    }
    one, call = spans[:2]
    assert one.parent.span_id == call.context.span_id
    for span in (one, call):
        assert (span.name, span.status.status_code) == ("GET /items/{id}", StatusCode.UNSET)
        assert span.attributes["network.protocol.version"] == "1.1"
        assert span.attributes["http.response.status_code"] == 200
        assert "error.type" not in span.attributes
    missing = [span for span in spans if span.attributes.get("http.response.status_code") == 404]
    assert [(span.attributes["error.type"], span.status.description) for span in missing] == [("404", None)] * 2
    posts = [span for span in spans if span.name == "POST"]
    assert [span.attributes.get("http.request.resend_count") for span in posts] == [None, 1, None]
    cut = [span for span in spans if "/drop" in span.attributes["url.full"]]
    assert {span.attributes["error.type"] for span in cut} == {"ProtocolError"}
    assert all("http.response.status_code" not in span.attributes for span in cut)
    assert all("network.protocol.version" not in span.attributes for span in cut)


async def test_a_redirects_second_hop_is_not_taken_for_the_route():
    collected = Collected()
    api = Client(
        "https://h",
        transport=MockTransport(
            lambda r: reply(302, headers={"Location": "/b"}) if r.url.path == "/a/7" else reply(200)
        ),
        watch=collected.watcher,
    )
    await api.get("/a/7", route="/a/{id}")
    assert [span.name for span in collected.spans] == ["GET /a/{id}", "GET", "GET /a/{id}"]
    assert collected.spans[1].attributes["http.request.resend_count"] == 1


def test_further_known_methods_are_named_in_the_conventions_own_variable(monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "GET,PURGE")
    collected = Collected()
    for method in ("PURGE", "POST"):
        run(client(lambda r: reply(200), collected).request(method, "/"))
    assert [span.name for span in collected.spans] == ["PURGE", "PURGE", "HTTP", "HTTP"]
    assert collected.spans[-1].attributes["http.request.method_original"] == "POST"


def test_a_hedged_copy_is_a_resend_and_the_loser_is_told_as_cancelled():
    collected, asked = Collected(), []

    async def handler(request):
        asked.append(request)
        await asyncio.sleep(5 if len(asked) == 1 else 0.01)
        return reply(200)

    run(client(handler, collected, hedge=Hedge(after=0.1, budget=1.0)).get("/x"))
    won, lost, call = collected.spans
    assert (won.attributes["http.request.resend_count"], "http.request.resend_count" in lost.attributes) == (1, False)
    assert lost.attributes["error.type"] == "CancelledError"
    assert call.attributes["http.response.status_code"] == 200
    assert {span.parent.span_id for span in (won, lost)} == {call.context.span_id}


def test_an_attempt_that_was_late_is_told_as_late_in_its_span_too():
    collected = Collected()

    async def handler(request):
        await asyncio.sleep(5)

    with pytest.raises(RequestTimeout):
        run(client(handler, collected, retry=None).get("/x", timeout=1))
    assert [span.attributes["error.type"] for span in collected.spans] == ["RequestTimeout"] * 2


def test_servers_and_routes_together_make_a_bounded_number_of_series():
    """Spans name them all."""
    collected = Collected()

    async def scenario():
        api = client(lambda r: reply(200), collected)
        for host in range(80):
            for route in range(10):
                await api.get(f"https://h{host}/x", route=f"/r{route}")

    run(scenario())
    for name in ("http.client.request.duration", "asyncapi.client.call.duration", "http.client.active_requests"):
        points = collected.points_of(name)
        assert len(points) <= 201
        assert {"_OTHER"} < {point.attributes["server.address"] for point in points}
        assert {"_OTHER"} < {point.attributes["url.template"] for point in points}
    assert sum(point.count for point in collected.points_of("asyncapi.client.call.duration")) == 800
    assert len({span.attributes["url.full"] for span in collected.spans}) == 80
    assert len({span.attributes["url.template"] for span in collected.spans}) == 10
