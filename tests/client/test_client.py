"""The client over real bytes: verbs, answers and statuses, typed values, stats and explain, life and sharing."""

from __future__ import annotations

import asyncio
import code

import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi import Client, ConfigError, NotFound, RateLimit, RateLimited, Retry, ServerError
from asyncapi.testing import FakeClock, MockTransport, reply, run
from servers import application, echo, scripted


class User(BaseModel):
    id: int
    name: str


async def user(request: web.Request) -> web.Response:
    return web.json_response({"id": int(request.match_info["id"]), "name": "Ada"})


@pytest.mark.lanes
@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "options"])
async def test_each_verb_is_sent(verb):
    async with application(web.route("*", "/x", echo)) as url, Client(url) as api:
        assert (await getattr(api, verb)("/x")).json()["method"] == verb.upper()
        assert (await api.request(verb, "/x")).json()["method"] == verb.upper()


@pytest.mark.lanes
async def test_head_has_no_body_and_all_headers():
    async with application(web.get("/x", echo)) as url, Client(url) as api:
        answer = await api.head("/x")
    assert (answer.status, answer.content) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 0


@pytest.mark.lanes
async def test_a_model_makes_a_value():
    async with application(web.get("/users/{id}", user)) as url, Client(url) as api:
        assert await api.get("/users/7", model=User) == User(id=7, name="Ada")
        assert (await api.get("/users/7")).parse(User).id == 7
        assert await api.gather([f"/users/{i}" for i in range(50)], model=User) == [
            User(id=i, name="Ada") for i in range(50)
        ]


@pytest.mark.lanes
async def test_what_is_sent_is_what_arrives():
    ours = {"headers": {"X-A": "client", "X-B": "client"}, "params": {"k": 1}}
    async with application(web.post("/v1/x", echo)) as url, Client(f"{url}/v1", **ours) as api:
        got = (await api.post("/x", params={"q": ["a b", "ü"]}, headers={"x-a": "call"}, json={"n": 1})).json()
    assert got["path"] == "/v1/x?k=1&q=a+b&q=%C3%BC"
    assert (got["headers"]["x-a"], got["headers"]["x-b"]) == ("call", "client")
    assert got["body"] == '{"n":1}'


# Statuses


def answering(*statuses: int, **headers):
    left = list(statuses)
    return MockTransport(lambda _: reply(left.pop(0) if len(left) > 1 else left[0], json={"e": 1}, headers=headers))


async def test_4xx_and_5xx_raise_with_the_whole_answer():
    async with Client("https://h", transport=answering(404, **{"X-Request-Id": "r1"})) as api:
        with pytest.raises(NotFound, match=r"^GET https://h/u/1: 404 Not Found: \{\"e\":1\}$") as caught:
            await api.get("/u/1", model=User)
    error = caught.value
    assert (error.status, error.request_id, error.body) == (404, "r1", b'{"e":1}')
    assert error.response.json() == {"e": 1}
    assert len(error.attempts) == 1


@pytest.mark.parametrize(
    ("client", "call", "raises"), [(True, None, True), (False, None, False), (True, False, False), (False, True, True)]
)
async def test_raising_is_a_choice_of_the_client_and_of_the_call(client, call, raises):
    async with Client("https://h", transport=answering(404), raise_for_status=client) as api:
        if raises:
            with pytest.raises(NotFound):
                await api.get("/", raise_for_status=call)
        else:
            answer = await api.get("/", raise_for_status=call)
            assert (answer.status, answer.ok) == (404, False)
            with pytest.raises(NotFound):
                answer.raise_for_status()


def test_a_status_worth_it_is_retried_and_the_last_is_raised():
    clock = FakeClock()

    async def scenario():
        transport = answering(503, 500, 200)
        async with Client("https://h", transport=transport, clock=clock) as api:
            answer = await api.get("/")
            assert [one.status for one in answer.attempts] == [503, 500, 200]
            assert answer.elapsed == pytest.approx(clock.now())
        async with Client("https://h", transport=answering(503), clock=clock, retry=Retry(3)) as api:
            with pytest.raises(ServerError, match=r"503 Service Unavailable.* \(after 3 attempts\)$"):
                await api.get("/")
            return api.stats

    stats = run(scenario())
    assert (stats.calls, stats.ok, stats.failed, stats.attempts, stats.retries) == (1, 0, 1, 3, 2)
    assert stats.by_status == {503: 1}


async def test_retry_after_is_on_the_error():
    async with Client("https://h", transport=answering(429, **{"Retry-After": "120"})) as api:
        with pytest.raises(RateLimited) as caught:
            await api.get("/")
    assert caught.value.retry_after == 120


# What can be seen of it


@pytest.mark.lanes
async def test_stats_count_calls_answers_and_errors():
    async def script(peer):
        while (seen := await peer.request()) is not None:
            await peer.answer(status="404 Not Found" if seen.path == "/no" else "200 OK")

    async with scripted(script) as server, Client(server.url, raise_for_status=False) as api:
        await api.gather(["/"] * 3 + ["/no"])
        stats = api.stats
    assert (stats.calls, stats.ok, stats.failed) == (4, 3, 1)
    assert stats.by_status == {200: 3, 404: 1}
    assert stats.in_flight == stats.queued == 0
    assert 0 < stats.p50 <= stats.p95 <= stats.p99 < 30


def test_stats_tell_the_latencies_of_each_route_apart():
    clock = FakeClock()

    async def handler(request):
        await clock.sleep(2.0 if request.url.path.startswith("/reports") else 0.1)
        return reply()

    async def scenario():
        async with Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock) as api:
            for number in range(10):
                await api.get(f"/users/{number}", route="/users/{id}")
            await api.post("/reports", route="/reports")
            await api.get("/")
            return api.stats.routes

    routes = run(scenario())
    assert list(routes) == ["GET /users/{id}", "POST /reports", "GET h"]
    users, reports, _ = routes.values()
    assert (users.count, reports.count) == (10, 1)
    assert (users.mean, users.p99) == (pytest.approx(0.1), pytest.approx(0.1, rel=0.05))
    assert reports.p50 == pytest.approx(2.0, rel=0.05)


def test_explain_prints_the_chain_with_its_settings(capsys):
    api = Client("https://user:canary@h/v1", rate=RateLimit(50), concurrency=7, retry=None)
    told = api.explain()
    assert capsys.readouterr().out.strip() == told.strip()
    assert "https://***@h/v1" in told
    assert "7 attempts at a time" in told
    assert "50 per 1 s" in told
    assert "canary" not in told
    assert "for a kept connection that proves closed" in told


def test_an_interactive_session_shows_the_explanation_once(capsys):
    interpreter = code.InteractiveInterpreter({"api": Client("https://h")})
    interpreter.runsource("api.explain()")
    shown = capsys.readouterr().out
    assert shown.count("outermost first") == 1
    assert shown.splitlines()[-1] == f"<Explanation, {len(shown.splitlines()) - 1} lines>"


async def test_the_repr_of_a_client_says_its_base_url_and_its_state():
    def of(base):
        return Client(base, transport=MockTransport(lambda _: reply()))

    assert repr(of("")) == "<Client without a base URL (not opened yet)>"
    api = of("https://user:canary@h/v1")
    assert repr(api) == "<Client https://***@h/v1 (not opened yet)>"
    await api.get("/")
    assert repr(api) == "<Client https://***@h/v1 (open)>"
    await api.aclose()
    assert repr(api) == "<Client https://***@h/v1 (closed)>"


@pytest.mark.lanes
async def test_hooks_get_a_record_of_every_attempt_and_may_fail(caplog):
    records = []

    def broken(record):
        records.append(record)
        raise RuntimeError("mine")

    async with application(web.get("/x", echo)) as url, Client(url, hooks=[broken, records.append]) as api:
        assert (await api.get("/x")).status == 200
    assert len(records) == 2
    assert records[0] is records[1]
    assert (records[0].status, records[0].method, records[0].url) == (200, "GET", f"{url}/x")
    assert "a hook failed" in caplog.text


# Life


@pytest.mark.lanes
async def test_a_client_needs_no_block_and_opens_nothing_before_the_first_call():
    async with application(web.get("/x", echo)) as url:
        api = Client(url)
        assert (await api.get("/x")).status == 200
        await api.aclose()
        await api.aclose()


def test_a_client_may_be_made_outside_of_a_loop():
    api = Client("https://h", transport=MockTransport(lambda _: reply()))

    async def use():
        async with api:
            return (await api.get("/")).status

    assert asyncio.run(use()) == 200


@pytest.mark.lanes
async def test_nothing_is_left_behind_by_a_closed_client():
    before = asyncio.all_tasks()
    async with application(web.post("/x", echo)) as url, Client(url) as api:
        await api.gather([])
        await asyncio.gather(*(api.post("/x", content=[b"a", b"b"]) for _ in range(20)))
        await api.aclose()
        left = {
            task for task in asyncio.all_tasks() - before if "asyncapi" in repr(task) or "write_bytes" in repr(task)
        }
        assert not left


@pytest.mark.parametrize("one", [RateLimit(5), [RateLimit(5)], (RateLimit(5),)])
def test_one_setting_or_several_of_its_kind_become_a_tuple(one):
    assert Client(rate=one, transport=MockTransport(reply))._state.settings.rate == (RateLimit(5),)


def test_none_of_several_is_no_setting():
    settings = Client(rate=None, fallback=None, transport=MockTransport(reply))._state.settings
    assert (settings.rate, settings.fallback) == ((), ())


def test_a_rate_may_be_text():
    def rates(rate):
        return Client(rate=rate, transport=MockTransport(reply))._state.settings.rate

    assert rates("100/m") == (RateLimit(100, per=60, burst=100 / 60),)
    assert rates(["50", RateLimit(5000, per=3600)]) == (RateLimit(50, burst=50), RateLimit(5000, per=3600))
    with pytest.raises(ConfigError, match="write 50"):
        rates("fast")


def test_a_single_wrong_setting_of_several_is_named_as_the_clients():
    with pytest.raises(ConfigError, match=r"^Client\(rate"):
        Client(rate=5)
