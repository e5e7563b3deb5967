"""A query and a mutation are calls like any other: one policy holds for them, and their errors lose nothing."""

from __future__ import annotations

import asyncio
import collections
import json
import pickle
import random

import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi import (
    API,
    Bearer,
    Breaker,
    CircuitOpen,
    Client,
    ConfigError,
    GraphQL,
    GraphQLError,
    GraphQLResult,
    Hedge,
    Retry,
    StatusError,
    blocking,
    deadline,
)
from asyncapi.errors import AsyncAPIError, ConnectError, OutcomeUnknown, ProtocolError, RequestTimeout
from asyncapi.testing import Chaos, FakeClock, MockTransport, reply, run
from asyncapi.trace import Recorder, replay

GRAPHQL = {"Content-Type": "application/graphql-response+json"}
Q, M = "query Q { a }", "mutation M { a }"
GOOD = {"data": {"a": 1}}


def coded(code, *, status=200, kind=GRAPHQL, data=..., **extensions):
    body = {"errors": [{"message": "no", "extensions": {"code": code, **extensions}}]}
    return reply(status, json=body if data is ... else {**body, "data": data}, headers=kind)


class Spoken:
    """An endpoint whose responses are those given, the last one again and again."""

    def __init__(self, *replies, graphql=None, **settings) -> None:
        self._replies, self.sent, self.times, self.clock = list(replies), [], [], FakeClock()
        self._graphql = graphql or {}
        settings = {"base_url": "https://api.test", "clock": self.clock, "pace": False, **settings}
        self.client = Client(transport=MockTransport(self._reply), **settings)

    def _reply(self, request):
        self.sent.append(request)
        self.times.append(self.clock.now())
        given = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        made = given(request) if callable(given) else given
        if isinstance(made, Exception):
            raise made
        return made

    def bodies(self):
        return [json.loads(request.content) for request in self.sent]

    def do(self, what):
        async def scenario():
            async with self.client:
                try:
                    return await what(GraphQL(self.client, **self._graphql))
                finally:
                    self.stats = self.client.stats

        return run(scenario())

    def query(self, document=Q, *arguments, **options):
        return self.do(lambda gql: gql.query(document, *arguments, **options))

    def mutate(self, document=M, *arguments, **options):
        return self.do(lambda gql: gql.mutate(document, *arguments, **options))


def good():
    return reply(json=GOOD, headers=GRAPHQL)


def test_a_request_is_a_post_of_json_that_asks_for_graphql():
    spoken = Spoken(good())
    assert spoken.query("query Q($b: Int) { a }", {"b": 1}, headers={"X-One": "1"}) == {"a": 1}
    [request] = spoken.sent
    assert (request.method, request.url.path) == ("POST", "/graphql")
    assert request.headers["Accept"] == "application/graphql-response+json, application/json;q=0.9"
    assert (request.headers["Content-Type"], request.headers["X-One"]) == ("application/json", "1")
    assert spoken.bodies() == [{"query": "query Q($b: Int) { a }", "operationName": "Q", "variables": {"b": 1}}]


def test_the_callers_own_accept_wins():
    spoken = Spoken(good())
    spoken.query(headers={"accept": "application/json"})
    assert spoken.sent[0].headers.getall("Accept") == ["application/json"]


def test_variables_may_be_a_model():
    class Variables(BaseModel):
        b: int

    spoken = Spoken(good())
    spoken.query(Q, Variables(b=1))
    assert spoken.bodies()[0]["variables"] == {"b": 1}


def test_a_query_is_retried_and_a_mutation_is_not():
    for failure in (reply(503), reply(500), ProtocolError("cut off"), RequestTimeout("late", phase="headers")):
        spoken = Spoken(failure, good())
        assert spoken.query() == {"a": 1}
        assert len(spoken.sent) == 2
        spoken = Spoken(failure, good())
        with pytest.raises(AsyncAPIError):
            spoken.mutate()
        assert len(spoken.sent) == 1


@pytest.mark.parametrize("word", [{"idempotent": True}, {"idempotency_key": True}, {"idempotency_key": "k"}])
def test_a_mutation_is_retried_by_the_callers_word(word):
    spoken = Spoken(reply(503), good())
    assert spoken.mutate(**word) == {"a": 1}
    assert len({request.headers.get("Idempotency-Key") for request in spoken.sent}) == 1


def test_the_callers_word_holds_for_a_query_too():
    spoken = Spoken(reply(503), good())
    with pytest.raises(StatusError):
        spoken.query(idempotent=False)
    assert len(spoken.sent) == 1


def test_a_mutation_that_never_left_is_sent():
    spoken = Spoken(ConnectError("refused"), good())
    assert spoken.mutate() == {"a": 1}


def test_one_operation_of_several_is_read_by_its_own_kind():
    both = "query A { a } mutation B { b }"
    spoken = Spoken(reply(503), good())
    with pytest.raises(StatusError):
        spoken.mutate(both, operation="B")
    assert spoken.bodies()[0]["operationName"] == "B"
    with pytest.raises(ConfigError, match="is a query: call query"):
        Spoken(good()).mutate(both, operation="A")


FAULTS = [
    lambda: reply(500), lambda: reply(502), lambda: reply(503), lambda: reply(504, headers={"Retry-After": "1"}),
    lambda: ProtocolError("cut off in the middle"), lambda: RequestTimeout("late", phase="body"),
    lambda: RequestTimeout("late", phase="headers"), lambda: coded("SERVICE_UNAVAILABLE"),
    lambda: coded("THROTTLED", data=None), lambda: coded("RATE_LIMITED", data={"a": None}, retryAfter=1),
    lambda: coded("UNAUTHENTICATED", data=None), lambda: coded("UNAUTHENTICATED", status=400, kind={}),
    lambda: reply(200, content=b'{"data": {"a'), lambda: reply(502, content=b"<html>", headers={"Content-Type": "text/html"}),
    lambda: reply(200, content=b""), lambda: coded("INTERNAL_SERVER_ERROR", status=500),
]  # fmt: skip


def stale():
    error = ProtocolError("closed while idle")
    error.stale = True
    return error


def test_a_mutation_is_sent_once_in_1000_faults():
    """With retries, replays, hedges, renewals and pauses all switched on."""
    draw, sent, clock = random.Random(12), collections.Counter(), FakeClock()
    faults = [*FAULTS, stale]

    async def handler(request):
        sent[json.loads(request.content)["variables"]["id"]] += 1
        fault = draw.choice(faults)()
        await clock.sleep(draw.choice([0.0, 0.01, 5.0]))
        if isinstance(fault, Exception):
            raise fault
        return fault

    async def scenario():
        tokens = iter(range(100_000))
        settings = {
            "retry": Retry(5, budget=None),
            "hedge": Hedge(0.5, budget=1.0),
            "auth": Bearer(lambda: str(next(tokens))),
        }
        async with Client("https://api.test", transport=MockTransport(handler), clock=clock, **settings) as api:
            gql = GraphQL(api, persisted=True, get=True)
            for number in range(1000):
                with pytest.raises(AsyncAPIError):
                    await gql.mutate("mutation M($id: Int) { a }", {"id": number}, timeout=60)

    run(scenario())
    assert sent == dict.fromkeys(range(1000), 1)


def test_a_mutation_is_done_at_most_once_under_chaos():
    done, clock = collections.Counter(), FakeClock()

    def handler(request):
        done[json.loads(request.content)["variables"]["id"]] += 1
        return good()

    async def scenario():
        chaos = Chaos(drops=0.3, errors={503: 0.2, 500: 0.1}, truncate=0.2, latency=(0, 3), throttle=0.1)
        settings = {"chaos": chaos, "retry": Retry(5, budget=None), "hedge": Hedge(0.5, budget=1.0), "pace": False}
        async with Client("https://api.test", transport=MockTransport(handler), clock=clock, **settings) as api:
            results = [
                GraphQL(api).mutate("mutation M($id: Int) { a }", {"id": number}, errors="return")
                for number in range(1000)
            ]
            return await asyncio.gather(*results, return_exceptions=True)

    outcomes = run(scenario())
    assert set(done.values()) == {1}
    assert sum(isinstance(each, GraphQLResult) for each in outcomes) > 200


@pytest.mark.lanes
async def test_a_mutation_arrives_once_over_connections_that_break():
    """Each response may be cut off, and each kept-alive connection closed right behind one."""
    arrived, draw = collections.Counter(), random.Random(3)

    async def handler(request):
        number = (await request.json())["variables"]["id"]
        arrived[number] += 1
        what = draw.randrange(4)
        if what == 0:
            request.transport.abort()
        response = web.json_response(GOOD, status=503 if what == 1 else 200)
        if what == 2:
            await response.prepare(request)
            await response.write_eof()
            request.transport.close()
        return response

    app = web.Application()
    app.router.add_post("/graphql", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with Client(f"http://127.0.0.1:{runner.addresses[0][1]}", retry=Retry(5, base=0, budget=None)) as api:
            gql = GraphQL(api)
            for number in range(250):
                await asyncio.gather(gql.mutate("mutation M($id: Int) { a }", {"id": number}), return_exceptions=True)
    finally:
        await runner.cleanup()
    assert set(arrived.values()) == {1}
    assert len(arrived) > 150  # one that met a connection that was closed already never arrived


def test_an_error_has_all_that_the_server_said():
    body = {
        "data": {"a": 1, "b": None}, "extensions": {"trace": 7},
        "errors": [{"message": "no b", "path": ["b"], "extensions": {"code": "BAD"}}, {"message": "more"}],
    }  # fmt: skip
    with pytest.raises(GraphQLError) as caught:
        Spoken(reply(json=body)).query()
    error = caught.value
    assert str(error) == "POST https://api.test/graphql: no b (BAD at b) (and 1 more)"
    assert (error.errors, error.data, error.extensions, error.status) == (
        body["errors"], body["data"], {"trace": 7}, 200,
    )  # fmt: skip
    assert len(error.attempts) == 1
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.errors, twin.data, str(twin)) == (error.errors, error.data, str(error))


def test_an_error_shows_no_secret():
    def echo(request):
        return reply(json={"errors": [{"message": f"bad token {request.headers['Authorization']} and {'s' * 20}"}]})

    with pytest.raises(GraphQLError) as caught:
        Spoken(echo, auth=Bearer("t" * 30)).query(Q, {"password": "p" * 20}, headers={"X-Api-Key": "s" * 20})
    shown = f"{caught.value} {caught.value!r} {caught.value.request!r} {caught.value.attempts!r}"
    assert "ttt" not in shown
    assert "sss" not in shown
    assert "ppp" not in shown


def test_errors_are_returned_on_request():
    partial = reply(json={"data": {"a": 1}, "errors": [{"message": "no"}], "extensions": {"x": 1}})
    assert Spoken(partial).query(errors="return", model=int, field="a") == GraphQLResult(
        1, [{"message": "no"}], {"x": 1}
    )
    assert Spoken(good()).query(errors="return") == GraphQLResult({"a": 1})
    nothing = reply(400, json={"errors": ["no"]}, headers=GRAPHQL)
    assert Spoken(nothing).query(errors="return", model=int) == GraphQLResult(None, [{"message": "no"}])


def test_partial_data_that_doesnt_fit_the_model_is_not_lost():
    partial = reply(json={"data": {"a": "x"}, "errors": [{"message": "no"}]})
    with pytest.raises(GraphQLError) as caught:
        Spoken(partial).query(errors="return", model=int, field="a")
    assert caught.value.data == {"a": "x"}
    assert "Input should be a valid integer" in str(caught.value.__cause__)


def test_a_fresh_token_is_got_for_a_code():
    tokens = iter(["old", "new"])
    spoken = Spoken(coded("UNAUTHENTICATED"), good(), auth=Bearer(lambda: next(tokens)))
    assert spoken.mutate() == {"a": 1}  # nothing was executed
    assert [request.headers["Authorization"] for request in spoken.sent] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("kind", [GRAPHQL, {"Content-Type": "application/json"}])
def test_a_401_with_a_code_in_its_body_is_a_401(kind):
    tokens = iter(["old", "new"])
    spoken = Spoken(coded("UNAUTHENTICATED", status=401, kind=kind), good(), auth=Bearer(lambda: next(tokens)))
    assert spoken.mutate() == {"a": 1}


def test_an_error_says_which_setting_ended_the_retries():
    with pytest.raises(GraphQLError) as caught:
        Spoken(coded("THROTTLED", retryAfter=500)).query(timeout=1000)
    assert caught.value.held_by == "max_retry_after"
    with pytest.raises(GraphQLError) as caught:
        Spoken(coded("THROTTLED", retryAfter=5)).query(timeout=2)
    assert (caught.value.held_by, caught.value.phase) == ("deadline", "backoff")


def test_the_users_codes_mean_what_the_user_says():
    tokens = iter(["old", "new"])
    settings = {"graphql": {"codes": {"session-expired": 401}}, "auth": Bearer(lambda: next(tokens))}
    assert Spoken(coded("SESSION_EXPIRED", data=None), good(), **settings).query() == {"a": 1}


def test_a_limit_pauses_everybody_for_as_long_as_it_says():
    spoken = Spoken(coded("THROTTLED", retryAfter=7), good(), pace=True)
    assert spoken.query(timeout=60) == {"a": 1}
    assert spoken.times[1] - spoken.times[0] == pytest.approx(7, abs=0.5)


def test_a_header_says_how_long_where_the_body_doesnt():
    limited = reply(200, json={"errors": [{"type": "RATE_LIMITED"}]}, headers={"Retry-After": "9"})
    spoken = Spoken(limited, good())
    assert spoken.query(timeout=60) == {"a": 1}
    assert spoken.times[1] - spoken.times[0] == pytest.approx(9)


def test_the_breaker_counts_failures_inside_a_200():
    spoken = Spoken(coded("SERVICE_UNAVAILABLE"), retry=None, breaker=Breaker(minimum=4))

    async def several(gql):
        for _ in range(20):
            try:
                await gql.query(Q)
            except GraphQLError:
                continue

    with pytest.raises(CircuitOpen):
        spoken.do(several)


def test_an_ordinary_error_is_no_failure_of_the_host():
    spoken = Spoken(coded("INTERNAL_SERVER_ERROR", data={"a": None}), breaker=Breaker(minimum=4))

    async def several(gql):
        return [(await gql.query(Q, errors="return")).data for _ in range(20)]

    spoken.do(several)
    assert len(spoken.sent) == 20


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_before_the_server_is_a_status_error(status):
    """Such a body may be a gateway's (GraphQL over HTTP, "application/json")."""
    with pytest.raises(StatusError) as caught:
        Spoken(coded("SOME", status=status, kind={"Content-Type": "application/json"}), retry=None).query()
    assert caught.value.status == status
    assert b"SOME" in caught.value.body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_of_the_servers_own_is_its_error_whatever_its_status(status):
    with pytest.raises(GraphQLError) as caught:
        Spoken(coded("SOME", status=status), retry=None).query()
    assert caught.value.status == status


def test_a_hedge_of_a_query_helps_and_a_mutation_has_none():
    async def slow(request):
        await clock.sleep(10)
        return good()

    for document, copies in [(Q, 2), (M, 1)]:
        spoken = Spoken(slow, hedge=Hedge(1.0, budget=1.0), timeout=30)
        clock = spoken.clock
        spoken.query(document) if document is Q else spoken.mutate(document)
        assert len(spoken.sent) == copies


def test_the_name_of_the_operation_is_its_route():
    spoken = Spoken(good())
    spoken.query("query GetUser { a }")
    assert "POST query GetUser" in spoken.stats.routes


def test_what_was_decided_is_decided_again_in_a_replay():
    responses = iter(
        [coded("THROTTLED", retryAfter=2), coded("UNAUTHENTICATED"), good(), coded("THROTTLED", data=None)]
    )
    clock = FakeClock()
    recorder = Recorder(MockTransport(lambda _: next(responses)), clock=clock)

    async def scenario():
        async with recorder.client("https://api.test", pace=False) as api:
            await GraphQL(api).query(Q)
            with pytest.raises(GraphQLError):
                await GraphQL(api).mutate(M)

    with pytest.raises(GraphQLError, match="UNAUTHENTICATED"):
        run(scenario())
    assert replay(recorder.trace, pace=False).decisions == recorder.trace.decisions


def test_a_declared_api_will_do():
    class Shop(API):
        pass

    async def scenario():
        async with Client("https://api.test", transport=MockTransport(lambda _: good())) as api:
            return await GraphQL(Shop(api)).query(Q)

    assert run(scenario()) == {"a": 1}


@pytest.mark.parametrize(
    ("problem", "call"),
    [
        ("the document's operation is a mutation: call mutate()", lambda gql: gql.query(M)),
        ("the document's operation is a query: call query()", lambda gql: gql.mutate(Q)),
        ("call subscribe()", lambda gql: gql.query("subscription { a }")),
        ("errors='ignore'", lambda gql: gql.query(Q, errors="ignore")),
        ("field='a b'", lambda gql: gql.query(Q, field="a b")),
        ("model=1 is not a type that pydantic can validate", lambda gql: gql.query(Q, model=1)),
        ("is not a type that pydantic can validate", lambda gql: gql.query(Q, model=asyncio.Lock)),
        ("field=1", lambda gql: gql.query(Q, field=1)),
        ("NaN", lambda gql: gql.query(Q, {"a": float("nan")})),
        ("idempotent='yes'", lambda gql: gql.query(Q, idempotent="yes")),
        ("give its text, not NoneType", lambda gql: gql.query(None)),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(problem, call):
    spoken = Spoken(good())
    with pytest.raises(ConfigError) as caught:
        spoken.do(call)
    assert problem in str(caught.value)
    assert spoken.sent == []


@pytest.mark.parametrize("name", ["json", "data", "content", "raise_for_status", "modle"])
def test_an_option_that_is_none_is_a_type_error(name):
    with pytest.raises(TypeError, match=rf"mutate\(\) has no option '{name}'"):
        Spoken(good()).mutate(M, **{name: 1})


@pytest.mark.parametrize("batch", [0, -1, True, "10", None])
def test_a_batch_that_cant_be_is_refused(batch):
    with pytest.raises(ConfigError, match="batch="):
        Spoken(good(), graphql={"batch": batch}).query()


def test_an_api_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"give an asyncapi\.Client"):
        GraphQL("https://api.test")
    with (
        blocking.Client("https://api.test") as api,
        pytest.raises(ConfigError, match=r"^asyncapi\.blocking\.client\.Client: give an asyncapi\.Client"),
    ):
        GraphQL(api)


def test_a_cancelled_query_leaves_nothing_behind():
    async def scenario():
        async with Client("https://api.test", transport=MockTransport(lambda _: asyncio.sleep(60))) as api:
            task = asyncio.create_task(GraphQL(api).query(Q))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert api.stats.in_flight == 0

    run(scenario())


def test_a_deadline_holds():
    async def scenario():
        clock = FakeClock()
        async with Client("https://api.test", transport=MockTransport(lambda _: clock.sleep(60)), clock=clock) as api:
            with deadline(2.0, clock=clock), pytest.raises(RequestTimeout):
                await GraphQL(api).query(Q)
            with pytest.raises(OutcomeUnknown), deadline(2.0, clock=clock):
                await GraphQL(api).mutate(M, idempotency_key="k")

    run(scenario())
