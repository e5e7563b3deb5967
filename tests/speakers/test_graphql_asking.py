"""A query by its hash or by GET is one call, however often it is sent."""

from __future__ import annotations

import asyncio
import json

import pytest

from asyncapi import Cache, Client, ConfigError, GraphQL, GraphQLError, StatusError
from asyncapi.errors import RequestTimeout
from asyncapi.testing import FakeClock, MockTransport, reply, run

Q = "query Q($b: String) { a }"
GOOD = {"data": {"a": 1}}
MISS = {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}


class Server:
    """Knows hashes, or not; takes URLs up to a length; each request takes it some seconds."""

    def __init__(self, *, knows=True, longest=100_000, seconds=0.0, known=()) -> None:
        self.clock, self.sent, self.known = FakeClock(), [], set(known)
        self._knows, self._longest, self._seconds = knows, longest, seconds

    async def handle(self, request):
        await self.clock.sleep(self._seconds)
        by_get = request.method == "GET"
        given = dict(request.url.query) if by_get else json.loads(request.content)
        if by_get:
            given |= {name: json.loads(given[name]) for name in ("extensions", "variables") if name in given}
        self.sent.append((request.method, given, request.headers))
        if len(str(request.url)) > self._longest:
            return reply(414)
        digest = given.get("extensions", {}).get("persistedQuery", {}).get("sha256Hash")
        if "query" not in given and not self._knows:
            return reply(400, content=b"No query", headers={"Content-Type": "text/plain"})
        if "query" not in given and digest not in self.known:
            return reply(json=MISS)
        self.known.add(digest)
        return reply(json=GOOD, headers={"Cache-Control": "max-age=60"})

    def do(self, what, settings=None, **graphql):
        async def scenario():
            transport = MockTransport(self.handle)
            settings_ = {"transport": transport, "clock": self.clock, **(settings or {})}
            async with Client("https://api.test/v1", **settings_) as api:
                return await what(GraphQL(api, "/graphql?shop=1", **graphql))

        return run(scenario())

    @property
    def methods(self):
        return [method for method, _, _ in self.sent]


async def twice(gql):
    return [await gql.query(Q, {"b": "é"}, params={"x": "y"}) for _ in range(2)]


def test_a_hash_is_sent_first_and_the_document_once():
    server = Server()
    assert server.do(twice, persisted=True) == [GOOD["data"]] * 2
    assert [sorted(given) for _, given, _ in server.sent] == [
        ["extensions", "operationName", "variables"],
        ["extensions", "operationName", "query", "variables"],
        ["extensions", "operationName", "variables"],
    ]


def test_a_server_that_takes_no_hashes_gets_one():
    server = Server(knows=False)
    assert server.do(twice, persisted=True) == [GOOD["data"]] * 2
    assert ["extensions" in given for _, given, _ in server.sent] == [True, False, False]


def test_a_get_has_everything_in_its_url_and_a_header_that_no_form_can_set():
    server = Server()
    server.do(twice, get=True)
    assert server.methods == ["GET", "GET"]
    _, given, headers = server.sent[0]
    assert given == {"shop": "1", "x": "y", "query": Q, "operationName": "Q", "variables": {"b": "é"}}
    assert headers["Apollo-Require-Preflight"] == "true"
    assert "Content-Type" not in headers


def test_a_get_is_cached():
    server = Server()
    assert server.do(twice, {"cache": Cache()}, get=True) == [GOOD["data"]] * 2
    assert len(server.sent) == 1


def test_a_hash_makes_a_long_query_fit_into_a_url():
    server, long = Server(), f"{Q} # {'x' * 9000}"
    server.do(lambda gql: gql.query(long), get=True, persisted=True)
    assert server.methods == ["GET", "POST"]
    server.do(lambda gql: gql.query(long), get=True, persisted=True)
    assert server.methods == ["GET", "POST", "GET"]


def test_a_url_that_the_server_finds_too_long_becomes_a_post():
    server = Server(longest=300)

    async def several(gql):
        for length in (100, 500, 500, 100):
            await gql.query(f"{{ a }} # {'x' * length}")

    server.do(several, get=True)
    assert server.methods == ["GET", "GET", "POST", "POST", "GET"]


def test_a_mutation_is_sent_whole_and_by_post():
    server = Server()
    server.do(lambda gql: gql.mutate("mutation { a }"), get=True, persisted=True)
    assert [(method, sorted(given)) for method, given, _ in server.sent] == [("POST", ["query"])]


def test_a_query_with_a_key_is_sent_whole():
    server = Server()
    server.do(lambda gql: gql.query(Q, idempotency_key="k"), persisted=True)
    assert len(server.sent) == 1


def test_the_deadline_of_the_first_holds_for_both():
    server = Server(seconds=2.0)
    with pytest.raises(RequestTimeout) as caught:
        server.do(lambda gql: gql.query(Q, timeout=3.0), persisted=True)
    assert sum(attempt.elapsed for attempt in caught.value.attempts) == pytest.approx(3.0)
    first, second = caught.value.attempts
    assert (first.number, second.number, second.why) == (1, 2, "persisted query unknown: sent with its document")


def test_an_error_of_a_doubtful_document_is_the_documents():
    """And hashes are still sent."""
    wrong = {"errors": [{"message": "no such field"}]}

    async def handle(request):
        return reply(400, json=wrong, headers={"Content-Type": "application/graphql-response+json"})

    async def scenario():
        async with Client("https://api.test", transport=MockTransport(handle)) as api:
            gql = GraphQL(api, persisted=True)
            with pytest.raises(GraphQLError, match="no such field"):
                await gql.query(Q)
            assert gql.persisted.supported

    run(scenario())


def test_a_refusal_that_is_about_something_else_is_the_response():
    async def scenario():
        async with Client("https://api.test", transport=MockTransport(lambda _: reply(403)), retry=None) as api:
            with pytest.raises(StatusError):
                await GraphQL(api, persisted=True).query(Q)
            assert api.stats.attempts == 1

    run(scenario())


def test_a_cancellation_at_any_step_leaves_nothing_behind():
    """The next query goes through, and no task, place or call is left."""
    ended = 0

    async def scenario(steps):
        server = Server()

        async def handle(request):
            await asyncio.sleep(0)
            response = await server.handle(request)
            await asyncio.sleep(0)
            return response

        async with Client("https://api.test/v1", transport=MockTransport(handle), concurrency=1) as api:
            gql = GraphQL(api, persisted=True, get=True)
            task = asyncio.create_task(gql.query(Q))
            for _ in range(steps):
                await asyncio.sleep(0)
            done = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result() == GOOD["data"]
            assert await gql.query(Q) == GOOD["data"]
            assert api.stats.in_flight == 0
            assert len(asyncio.all_tasks()) == 1
        return done

    for steps in range(60):
        ended += run(scenario(steps))
    assert 0 < ended < 60


def test_no_secret_in_a_url_is_shown():
    async def scenario():
        async with Client("https://h", transport=MockTransport(lambda _: reply(json={"errors": ["no"]}))) as api:
            with pytest.raises(GraphQLError) as caught:
                await GraphQL(api, get=True).query("{ a }", {"input": {"password": "canarybird"}})
        return f"{caught.value} {caught.value.attempts!r} {caught.value.request!r} {caught.value.attempts[0].url}"

    shown = run(scenario())
    assert "canary" not in shown
    assert "variables=***" in shown


@pytest.mark.parametrize("variables", [{"a": float("nan")}, {"a": [float("inf")]}, {"a": object()}, {"a": "\ud83d"}])
def test_variables_that_json_cant_represent_are_refused(variables):
    server = Server()
    with pytest.raises(ConfigError, match="variables"):
        server.do(lambda gql: gql.query(Q, variables), get=True)
    with pytest.raises(ConfigError, match="variables"):
        server.do(lambda gql: gql.mutate("mutation { a }", variables, files={"f": b""}))
    assert server.sent == []
