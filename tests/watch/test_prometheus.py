"""Prometheus, seen through prometheus-client's own registry."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from asyncapi import Client, ConfigError, ConnectError, Fallback, RequestTimeout
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.watch import Prometheus


def client(handler, registry, **settings) -> Client:
    clock = FakeClock()
    watcher = settings.pop("watch", None) or Prometheus(registry)
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, watch=watcher, **settings)


def test_calls_and_attempts_are_counted_by_route_and_status():
    registry = CollectorRegistry()
    answers = iter([reply(429, headers={"Retry-After": "2"}), reply(200), reply(404), ConnectError("refused")])

    def handler(request):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def scenario():
        api = client(handler, registry, raise_for_status=False)
        await api.get("/users/7", route="/users/{id}")
        await api.get("/users/8")
        with pytest.raises(ConnectError):
            await api.post("/users", retry=None)

    run(scenario())
    known = {"method": "GET", "host": "h", "route": "/users/{id}"}
    other = {"method": "GET", "host": "h", "route": "other"}
    post = {**other, "method": "POST"}
    value = registry.get_sample_value
    assert value("asyncapi_call_duration_seconds_count", {**known, "status": "200"}) == 1
    assert value("asyncapi_call_duration_seconds_sum", {**known, "status": "200"}) == pytest.approx(2, rel=0.2)
    assert value("asyncapi_call_duration_seconds_count", {**other, "status": "404"}) == 1
    assert value("asyncapi_call_duration_seconds_count", {**post, "status": "ConnectError"}) == 1
    assert value("asyncapi_attempts_total", {**known, "status": "429", "why": "first"}) == 1
    assert value("asyncapi_attempts_total", {**known, "status": "200", "why": "retry"}) == 1
    assert value("asyncapi_queue_seconds_count", known) == 2
    assert value("asyncapi_calls_in_flight", known) == 0
    text = generate_latest(registry).decode()
    assert "/users/7" not in text
    assert "/users/8" not in text


def test_an_attempt_that_was_late_is_counted_as_late():
    registry = CollectorRegistry()

    async def handler(request):
        await asyncio.sleep(5)

    with pytest.raises(RequestTimeout):
        run(client(handler, registry, retry=None).get("/", timeout=1))
    labels = {"method": "GET", "host": "h", "route": "other", "status": "RequestTimeout"}
    assert registry.get_sample_value("asyncapi_attempts_total", {**labels, "why": "first"}) == 1


def test_calls_under_way_are_seen():
    registry = CollectorRegistry()

    async def scenario():
        labels = {"method": "GET", "host": "h", "route": "other"}
        seen = []

        def handler(request):
            seen.append(registry.get_sample_value("asyncapi_calls_in_flight", labels))
            return reply(200)

        await client(handler, registry).get("/")
        assert seen == [1]

    run(scenario())


def test_somebody_who_puts_ids_into_routes_does_not_flood_the_registry():
    registry = CollectorRegistry()

    async def scenario():
        api = client(lambda r: reply(200), registry)
        await api.gather([f"https://h{number}/x" for number in range(300)])
        for number in range(300):
            await api.get("/x", route=f"/users/{number}")

    run(scenario())
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert len({sample.labels["route"] for sample in samples}) <= 201
    assert len({sample.labels["host"] for sample in samples}) <= 201


def test_hosts_routes_and_statuses_together_make_a_bounded_number_of_series():
    registry = CollectorRegistry()
    statuses = [200, 404, 429, 500, 502, 503]
    turn = iter(range(10**9))

    async def scenario():
        api = client(
            lambda r: reply(statuses[next(turn) % 6]), registry, raise_for_status=False, retry=None, pace=False
        )
        for host in range(60):
            for route in range(60):
                await api.get(f"https://h{host}/x", route=f"/r{route}")
        for _ in range(12):
            await api.get("https://h0/x", route="/r0")

    run(scenario())
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    counts = [one for one in samples if one.name == "asyncapi_attempts_total"]
    assert sum(one.value for one in counts) == 60 * 60 + 12
    assert {one.labels["status"] for one in counts} == {str(status) for status in statuses}
    assert len({(one.labels["host"], one.labels["route"]) for one in samples}) <= 201
    assert {one.labels["status"] for one in counts if one.labels["route"] == "/r0"} == {str(one) for one in statuses}
    assert len(samples) < 15_000  # 100,000 without the bound


def test_more_series_can_be_asked_for():
    registry = CollectorRegistry()

    async def scenario():
        api = client(lambda r: reply(200), registry, watch=Prometheus(registry, most=1000))
        for route in range(600):
            await api.get("/x", route=f"/r{route}")

    run(scenario())
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert len({sample.labels["route"] for sample in samples}) == 600
    with pytest.raises(ConfigError, match="1 or more"):
        Prometheus(CollectorRegistry(), most=0)


def test_a_server_that_answers_any_status_does_not_flood_the_registry():
    registry = CollectorRegistry()
    statuses = iter(range(200, 600))

    async def scenario():
        api = client(lambda r: reply(next(statuses)), registry, raise_for_status=False, retry=None, redirects=0)
        for _ in range(400):
            await api.get("/x", route="/x")

    run(scenario())
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert len({sample.labels.get("status", "") for sample in samples}) <= 14
    assert registry.get_sample_value(
        "asyncapi_call_duration_seconds_count", {"method": "GET", "host": "h", "route": "/x", "status": "other"}
    ) == 400 - 12  # fmt: skip


def test_one_registry_takes_one_watcher_which_several_clients_share():
    registry = CollectorRegistry()
    shared = Prometheus(registry)
    with pytest.raises(ConfigError, match="share one"):
        Prometheus(registry)

    async def scenario():
        for _ in range(2):
            await client(lambda r: reply(200), registry, watch=shared).get("/")

    run(scenario())
    labels = {"method": "GET", "host": "h", "route": "other", "status": "200"}
    assert registry.get_sample_value("asyncapi_call_duration_seconds_count", labels) == 2


async def test_no_canary_gets_into_the_metrics():
    registry = CollectorRegistry()
    api = Client(
        "https://user:canary-password@h",
        transport=MockTransport(lambda r: reply(200, headers={"Set-Cookie": "sid=canary-answer"})),
        headers={"Authorization": "Bearer canary-token"},
        params={"api_key": "canary-key"},
        watch=Prometheus(registry),
    )
    await api.post("/x", json={"card": "canary-card"}, idempotency_key=True)
    text = generate_latest(registry).decode()
    assert "asyncapi_attempts_total" in text
    assert "canary" not in text


def test_the_place_that_a_fallback_asks_is_no_label():
    registry, clock = CollectorRegistry(), FakeClock()

    def handler(request):
        return reply(503 if request.url.host == "h" else 200)

    async def scenario():
        api = Client(
            "https://h", transport=MockTransport(handler, clock=clock), clock=clock, retry=None,
            watch=Prometheus(registry), fallback=Fallback(to="https://eu.example"),
        )  # fmt: skip
        await api.get("/x")

    run(scenario())
    samples = [one for metric in registry.collect() for one in metric.samples if one.name == "asyncapi_attempts_total"]
    assert {(one.labels["why"], one.labels["status"]) for one in samples} == {("first", "503"), ("fallback", "200")}
