"""A mock stands in for every API, whoever makes the client, and whatever protocol it speaks; all layers do their work."""

import asyncio
import contextlib
import io
import re
import threading
from contextlib import suppress
from dataclasses import replace

import pytest

from asyncapi import (
    API,
    Breaker,
    Client,
    ConfigError,
    Fallback,
    GraphQL,
    OAuth2ClientCredentials,
    RateLimited,
    RequestTimeout,
    Retry,
    ServerError,
    Timeout,
    blocking,
    get,
)
from asyncapi.bulk import Job
from asyncapi.bulk import run as run_job
from asyncapi.serve import FaultServer
from asyncapi.testing import APIMock, FakeClock, MockTransport, UnmatchedCall, matching, reply, run

H = "https://api.example.com"
LANES = ["aiohttp", "native"]


async def program(path="/users/1", **settings):
    """Code under test: it makes its client itself."""
    async with Client(H, **settings) as api:
        return (await api.get(path)).json()


@pytest.mark.parametrize(
    "settings",
    [
        {"transport": "aiohttp"}, {"transport": "native"}, {"http2": True}, {"proxy": "http://127.0.0.1:9"},
        {"unix_socket": "/nowhere", "transport": "native"}, {"cookies": True}, {"trust_env": True}, {"egress": "public"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_client_that_the_program_makes_reaches_the_mock(api_mock, settings):
    user = api_mock.get("/users/{id}").reply(json={"id": 1})
    assert await program(**settings) == {"id": 1}
    user.assert_called_once()
    assert user.calls.last.path_params == {"id": "1"}
    assert str(user.calls.last.url) == f"{H}/users/1"


async def test_a_client_that_was_made_before_and_lives_on_is_mocked_meanwhile():
    api = Client(H, retry=None)
    with APIMock() as mock:
        mock.get("/a").reply(json=1)
        assert (await api.get("/a")).json() == 1
    with APIMock() as mock:
        mock.get("/a").reply(json=2)
        assert (await api.get("/a")).json() == 2
    await api.aclose()


async def test_a_transport_of_its_own_is_left_alone(api_mock):
    async with Client(H, transport=MockTransport(lambda _: reply(json="own"))) as api:
        assert (await api.get("/")).json() == "own"
    assert not api_mock.calls


async def test_a_client_may_be_given_the_transport_of_a_mock():
    mock = APIMock()
    route = mock.get("/a").reply(json=1)
    async with Client(H, transport=mock.transport) as api:
        assert (await api.get("/a")).json() == 1
    route.assert_called_once()
    mock.check()


async def test_of_nested_mocks_the_inner_one_decides(api_mock):
    outer = api_mock.get("/a", required=False).reply(json="outer")
    with APIMock() as inner:
        inner.get("/a").reply(json="inner")
        assert await program("/a") == "inner"
    assert await program("/a") == "outer"
    outer.assert_called_once()


def test_a_blocking_client_in_threads_is_mocked(api_mock):
    route = api_mock.get("/n/{n}").reply(lambda request, n: {"n": int(n)})
    found = []

    def work(number):
        with blocking.Client(H) as api:
            found.append(api.get(f"/n/{number}").json()["n"])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 1, 2]
    route.assert_called(3)


class Users(API):
    @get("/users/{id}")
    async def user(self, id: int) -> dict[str, int]: ...  # noqa: A002 - the path's


async def test_a_declared_api_is_mocked(api_mock):
    api_mock.get(f"{H}/users/7").reply(json={"id": 7})
    async with Users(H) as api:
        assert await api.user(7) == {"id": 7}


async def test_a_bulk_job_is_mocked(api_mock, tmp_path):
    rows = tmp_path / "in.txt"
    rows.write_text("".join(f"{H}/n/{number}\n" for number in range(5)))
    route = api_mock.get("/n/{n}").reply(lambda request, n: {"n": n})
    await run_job(Job(rows, tmp_path / "out.jsonl"))
    assert (tmp_path / "out.jsonl").read_text().count('"ok":true') == 5
    route.assert_called(5)


async def test_a_map_is_mocked(api_mock):
    api_mock.get("/n/{n}").reply(lambda request, n: {"n": int(n)})
    async with Client(H) as api:
        assert [one["n"] for one in await api.gather([f"/n/{n}" for n in range(20)], model=dict)] == list(range(20))


async def test_the_token_endpoint_of_oauth_is_mocked(api_mock):
    token = api_mock.post("https://id.example.com/token", data={"grant_type": "client_credentials"})
    token.reply(json={"access_token": "t0k", "token_type": "bearer", "expires_in": 60})
    things = api_mock.get("/things", headers={"Authorization": "Bearer t0k"}).reply(json=[])
    auth = OAuth2ClientCredentials("https://id.example.com/token", "me", "secret")
    assert await program("/things", auth=auth) == []
    token.assert_called_once()
    things.assert_called_once()


@pytest.mark.parametrize("lane", LANES)
async def test_cookies_that_a_mock_sets_are_kept(api_mock, lane):
    api_mock.post("/login").reply(headers={"Set-Cookie": "sid=1; Path=/"})
    me = api_mock.get("/me").reply(json={})
    async with Client(H, cookies=True, transport=lane) as api:
        await api.post("/login")
        await api.get("/me")
    assert me.calls.last.headers["Cookie"] == "sid=1"


async def test_user_info_of_a_url_becomes_a_header_as_on_the_wire(api_mock):
    route = api_mock.get("https://api.example.com/a").reply(json=1)
    async with Client() as api:
        await api.get("https://me:pw@api.example.com/a")
    assert route.calls.last.headers["Authorization"] == "Basic bWU6cHc="


# --- layers ---------------------------------------------------------------------------------------------------


def test_retries_backoff_and_deadlines_work_in_virtual_time(api_mock):
    users = api_mock.get("/users/1").reply(429, retry_after=20).then.reply(503).then.reply(json={"id": 1})

    async def scenario():
        clock = FakeClock()
        async with Client(H, clock=clock, timeout=60) as api:
            response = await api.get("/users/1")
        return response.json(), clock.now()

    found, now = run(scenario())
    assert found == {"id": 1}
    assert 20 <= now < 60
    users.assert_called(3)


def test_the_limit_of_an_attempt_ends_a_route_that_is_stalled_or_late(api_mock):
    api_mock.get("/stalled").fail("stalled")
    api_mock.get("/late").reply(delay=30)

    async def scenario(path):
        async with Client(H, clock=FakeClock(), retry=None, timeout=Timeout(attempt=5)) as api:
            await api.get(path)

    for path in ("/stalled", "/late"):
        with pytest.raises(RequestTimeout, match="attempt took longer than 5 s"):
            run(scenario(path))


async def test_a_breaker_and_a_fallback_see_the_faults_of_a_mock(api_mock):
    api_mock.get("/a").fail("refused")
    settings = {"retry": None, "breaker": Breaker(minimum=2), "fallback": Fallback(value="instead")}
    async with Client(H, **settings) as api:
        for _ in range(5):
            assert (await api.get("/a")).json() == "instead"
    assert len(api_mock.calls) < 5


# --- routes ---------------------------------------------------------------------------------------------------


async def test_the_most_specific_route_has_a_call_and_then_the_newest(api_mock):
    api_mock.get(required=False).reply(json="any")
    api_mock.get("/users/me").reply(json="me")
    api_mock.get("/users/{id}").reply(json="one")
    api_mock.get("/users/{id}", params={"full": True}).reply(json="full")
    assert await program("/users/me") == "me"
    assert await program("/users/1") == "one"
    assert await program("/users/1?full=true") == "full"
    assert await program("/elsewhere") == "any"
    api_mock.get("/users/{id}").reply(json="newer")
    assert await program("/users/1") == "newer"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/files/{name:path}", "/files/a/b.txt"), ("https://*.example.com/a", "/a"), ("https://api.example.com:443/a", "/a"),
        ("/a?x=1", "/a?y=2&x=1"), (re.compile(r"/v\d+/a$"), "/v2/a?x=1"), ("/käse", "/k%C3%A4se"), ("/a%2Fb", "/a%2Fb"),
        (None, "/whatever"), ("https://api.example.com", "/"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_url_may_be_a_path_a_template_a_pattern_or_whole(api_mock, url, path):
    api_mock.get(url).reply(json=True)
    assert await program(path) is True


async def test_a_slash_in_a_segment_ends_none(api_mock):
    route = api_mock.get("/users/{id}").reply(json=1)
    await program("/users/a%2Fb")
    assert route.calls.last.path_params == {"id": "a/b"}


async def test_routes_match_by_method_query_headers_and_body(api_mock):
    api_mock.post("/a", json={"user": {"name": "Ada"}}).reply(json="json")
    api_mock.post("/a", data={"name": "Ada"}).reply(json="form")
    api_mock.post("/a", content=b"raw").reply(json="raw")
    api_mock.post("/a", match=lambda request: request.headers.get("X-A") == "1").reply(json="match")
    async with Client(H) as api:
        ask = {"json": {"user": {"name": "Ada", "age": 3}}}, {"data": {"name": "Ada", "b": "2"}}, {"content": b"raw"}
        assert [(await api.post("/a", **one)).json() for one in ask] == ["json", "form", "raw"]
        assert (await api.post("/a", headers={"X-A": "1"})).json() == "match"


# --- unmatched ------------------------------------------------------------------------------------------------


async def test_an_unmatched_call_raises_and_is_told_again_where_it_is_swallowed():
    mock = APIMock()
    with mock:
        with pytest.raises(UnmatchedCall, match=r"no route takes GET https://api\.example\.com/users/1"):
            await program()
        assert len(mock.problems) == 1
        mock.reset()
    with pytest.raises(UnmatchedCall, match="no routes are declared"), APIMock(), contextlib.suppress(BaseException):
        await program()


async def test_an_unmatched_call_is_not_retried_and_no_failure_of_the_host():
    mock = APIMock()
    with mock:
        async with Client(H, retry=Retry(4)) as api:
            with pytest.raises(UnmatchedCall):
                await api.get("/a")
        assert len(mock.problems) == 1
        mock.excuse()


async def test_an_assertion_in_a_function_that_responds_fails_the_test_too():
    def respond(request):
        assert request.headers.get("X-A") == "1", "X-A is missing"
        return reply()

    with pytest.raises(AssertionError, match="X-A is missing"), APIMock() as mock:  # noqa: PT012
        mock.get("/a").reply(respond)
        with suppress(AssertionError):
            await program("/a")


async def test_a_script_that_is_used_up_fails_the_test():
    with pytest.raises(UnmatchedCall, match=r"one call more than GET /a has"), APIMock() as mock:  # noqa: PT012
        mock.get("/a").reply(json=1, times=2)
        assert [await program("/a"), await program("/a")] == [1, 1]
        await program("/a")


async def test_a_declared_route_that_is_never_called_is_told_unless_it_may_be():
    with (
        pytest.raises(AssertionError, match=r"never called.*\n  GET /a  \[test_mocked_api.py:\d+\]"),
        APIMock() as mock,
    ):
        mock.get("/a")
    with APIMock() as mock:
        mock.get("/a", required=False)
    with APIMock(required=False) as mock:
        mock.get("/a")


# --- other protocols ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lane", LANES)
async def test_websockets_are_mocked_anew_for_each_handshake(api_mock, lane):
    feed = api_mock.websocket("/feed").accept(["a", "b"], close=1012).then.accept([{"n": 1}])
    async with Client(H, transport=lane, retry=Retry(base=0.001)) as api, api.websocket("/feed") as ws:
        await ws.send("hello")
        assert [message async for message in ws] == ["a", "b", '{"n":1}']
    assert feed.call_count == 2
    assert feed.calls.first.socket.sent == ["hello"]


async def test_a_refused_handshake_is_a_reply(api_mock):
    api_mock.websocket("wss://api.example.com/feed").reply(403)
    async with Client(H) as api:
        with pytest.raises(Exception, match="403"):
            await api.websocket("/feed").__aenter__()


async def test_graphql_is_matched_by_operation_and_variables(api_mock):
    user = api_mock.graphql("User", variables={"id": 1}).reply(json={"data": {"user": {"name": "Ada"}}})
    api_mock.graphql("Add").reply(json={"errors": [{"message": "no"}]})
    async with Client(H) as api:
        gql = GraphQL(api, "/graphql")
        data = await gql.query("query User($id: Int!) { user(id: $id) { name } }", {"id": 1})
        with pytest.raises(Exception, match="no"):
            await gql.mutate("mutation Add { add }")
    assert data["user"]["name"] == "Ada"
    assert user.calls.last.operations[0][0] == "User"


@pytest.mark.parametrize("lane", LANES)
async def test_streams_lines_and_events_are_mocked(api_mock, lane):
    api_mock.get("/stream").reply(content=[b"a", b"b"])
    api_mock.get("/lines").reply(ndjson=[{"n": 1}, {"n": 2}])
    api_mock.get("/events").reply(sse=["x", {"data": {"n": 1}, "id": "7", "event": "e"}]).then.reply(204)
    async with Client(H, transport=lane) as api:
        async with api.stream("GET", "/stream") as response:
            assert [piece async for piece in response.bytes()] == [b"a", b"b"]
        async with api.stream("GET", "/lines") as response:
            assert [line async for line in response.json_lines()] == [{"n": 1}, {"n": 2}]
        async with api.events("/events") as events:
            first, second = await anext(events), await anext(events)
        assert (first.data, second.data, second.id, second.event) == ("x", '{"n":1}', "7", "e")


async def test_uploads_are_read_as_a_server_does(api_mock, tmp_path):
    up = api_mock.post("/up", files={"doc": b"hello"}, data={"kind": "a"}).reply(json=1)
    raw = api_mock.put("/raw").reply(json=1)
    (tmp_path / "doc.txt").write_bytes(b"hello")

    async def pieces():
        yield b"one "
        yield b"two"

    async with Client(H) as api:
        await api.post("/up", files={"doc": tmp_path / "doc.txt"}, data={"kind": "a"})
        await api.put("/raw", content=pieces())
        await api.put("/raw", content=io.BytesIO(b"three"))
    sent = up.calls.last.files["doc"]
    assert (sent.filename, sent.content) == ("doc.txt", b"hello")
    assert [call.content for call in raw.calls] == [b"one two", b"three"]


# --- faults and pass-through ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["refused", "dns", "connect timeout", "timeout", "dropped", "truncated"])
@pytest.mark.parametrize("lane", LANES)
async def test_a_fault_is_retried_as_a_real_one(api_mock, fault, lane):
    route = api_mock.get("/a").fail(fault).then.reply(json=1)
    assert await program("/a", transport=lane, retry=Retry(base=0.001)) == 1
    route.assert_called(2)


async def test_a_throttled_call_says_when_to_come_back(api_mock):
    api_mock.get("/a").reply(429, retry_after=120)
    with pytest.raises(RateLimited) as caught:
        await program("/a")
    assert caught.value.retry_after == 120


async def test_chaos_is_drawn_for_the_calls_of_a_mock(api_mock):
    api_mock.get("/a").reply(json=1)
    api_mock.chaos("brown-out")
    with pytest.raises(ServerError):  # noqa: PT012
        for _ in range(50):
            await program("/a", retry=None, timeout=None, clock=Quick())
    api_mock.chaos(None)
    assert await program("/a") == 1


class Quick(FakeClock):
    def now(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        await asyncio.sleep(0)


@pytest.mark.lanes
async def test_hosts_may_be_let_through_to_the_network(api_mock):
    api_mock.pass_through("loopback")
    api_mock.get("/mocked").reply(json="mocked")
    async with FaultServer() as server, Client(server.url) as api:
        assert (await api.get("/users/1")).status == 200
        assert (await api.get("/mocked")).json() == "mocked"
        async with Client(H) as other:
            with pytest.raises(UnmatchedCall):
                await other.get("/get")
    api_mock.excuse()


async def test_a_transport_of_a_mock_has_nothing_to_pass_through_to(api_mock):
    api_mock.pass_through("api.example.com")
    async with Client(H, transport=api_mock.transport) as api:
        with pytest.raises(ConfigError, match="no network to pass through to"):
            await api.get("/a")


def test_a_mock_that_was_reset_knows_nothing():
    mock = APIMock()
    mock.get("/a")
    mock.reset()
    mock.check()
    assert not mock.calls


async def test_hundreds_of_routes_are_not_tried_one_by_one(api_mock, monkeypatch):
    looked = 0
    path_is = matching.path_is

    def counted(template):
        condition = path_is(template)

        def difference(call):
            nonlocal looked
            looked += 1
            return condition.difference(call)

        return replace(condition, difference=difference)

    monkeypatch.setattr(matching, "path_is", counted)
    for number in range(300):
        api_mock.get(f"/users/{number}").reply(json=number)
    anyone = api_mock.get("/users/{id}").reply(json="anyone")
    async with Client(H) as api:
        assert [response.json() for response in await api.gather([f"/users/{n}" for n in range(300)])] == [*range(300)]
        assert (await api.get("/users/300")).json() == "anyone"
        late = api_mock.get("/users/7").reply(json="late")
        assert (await api.get("/users/7")).json() == "late"
    assert (anyone.call_count, late.call_count) == (1, 1)
    assert looked < 5000


def test_routes_of_a_mock_that_was_reset_are_found_again():
    with APIMock() as mock:
        mock.get("/a").reply(json=1)
        assert asyncio.run(load("/a")) == 1
        mock.reset()
        mock.get("/b").reply(json=2)
        mock.get("/a").reply(json=3)
        assert asyncio.run(load("/a")) == 3
        assert asyncio.run(load("/b")) == 2


async def load(path):
    async with Client(H) as api:
        return (await api.get(path)).json()
