"""What the top of asyncapi/client/chain.py says, held: the order of the layers, and the invariants."""

from __future__ import annotations

import asyncio
import re

import pytest
from pydantic import BaseModel

import asyncapi.client.chain
from asyncapi import (
    Adaptive,
    Breaker,
    Client,
    ConnectError,
    DeadlineExceeded,
    ProtocolError,
    RateLimit,
    Request,
    RequestTimeout,
    Response,
    Retry,
    SchemaError,
    ServerError,
    Timeout,
    deadline,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import stack


def client(handler, **settings) -> Client:
    clock = settings.pop("clock", None) or FakeClock()
    return Client("https://h", transport=MockTransport(handler, clock=clock), clock=clock, **settings)


def names(api: Client) -> list[str]:
    return [step.name for step in api._steps]


def documented() -> list[str]:
    """The names in the list at the top of the file, in its order."""
    listed = re.findall(r"^ {4}\d+ {1,2}(\S.*?)(?:  |$)", asyncapi.client.chain.__doc__, re.MULTILINE)
    return listed[: listed.index("transport") + 1]


def test_the_chain_stands_in_the_order_that_its_file_documents():
    api = client(lambda _: reply(), rate=[RateLimit(1), RateLimit(1, by="host")])
    told = documented()
    places = [told.index(name) for name in names(api)]
    assert places == sorted(places)
    core = ["telemetry (calls)", "deadline", "retry", "redirect", "rate", "concurrency", "telemetry (attempts)"]
    assert [name for name in told if name in core] == core
    assert [name for name in dict.fromkeys(names(api)) if name in core] == core
    assert told[-1] == "transport"


@pytest.mark.parametrize(
    ("off", "absent"),
    [
        ({"redirects": 0}, "redirect"),
        ({"rate": None}, "rate"),
        ({"concurrency": None}, "concurrency"),
    ],
)
def test_a_concern_that_is_switched_off_is_absent_from_the_chain(off, absent):
    on = {"rate": RateLimit(1)} | off
    assert absent in names(client(lambda _: reply(), rate=RateLimit(1)))
    assert absent not in names(client(lambda _: reply(), **on))


def test_explain_shows_the_chain_as_it_is(capsys):
    api = client(lambda _: reply(), rate=RateLimit(5, per=2.0))
    text = api.explain()
    assert capsys.readouterr().out == text + "\n"
    shown = re.findall(r"^ +\d+  (.+?) {2,}", text, re.MULTILINE)
    assert shown == [*names(api), "transport"]
    assert "5 per 2 s for the client" in text


def test_a_stack_is_composed_with_the_first_layer_outermost():
    async def scenario():
        said = []

        def layer(name):
            def wrap(inner):
                async def send(request):
                    said.append(name)
                    return await inner(request)

                return send

            return wrap

        async def transport(request):
            said.append("transport")
            return reply()

        await stack(transport, layer("a"), layer("b"))(Request("GET", "https://h/"))
        assert said == ["a", "b", "transport"]

    run(scenario())


# -- the invariants ------------------------------------------------------------------------------------------------


def test_1_without_retries_and_redirects_every_call_is_one_attempt():
    async def scenario():
        api = client(lambda _: reply(503), retry=None, redirects=0, rate=RateLimit(100), raise_for_status=False)
        for _ in range(10):
            await api.get("/")
        assert api._transport.requests == 10

    run(scenario())


def test_1_redirects_make_one_attempt_per_hop():
    async def scenario():
        def handler(request):
            hop = int(request.url.path[1:])
            return reply(302, headers={"Location": f"/{hop + 1}"}) if hop < 5 else reply()

        api = client(handler, retry=None)
        response = await api.get("/0")
        assert api._transport.requests == 6
        assert [attempt.target.path for attempt in response.attempts] == [f"/{n}" for n in range(6)]

    run(scenario())


def test_1_a_retry_after_a_redirect_starts_at_the_beginning():
    async def scenario():
        answers = iter([reply(302, headers={"Location": "/there"}), reply(503), reply()])
        api = client(lambda _: next(answers))
        response = await api.get("/here")
        assert [a.target.path for a in response.attempts] == ["/here", "/there", "/here"]
        assert [a.why.partition(":")[0] for a in response.attempts] == ["first", "redirect", "retry"]

    run(scenario())


def test_2_no_layer_changes_a_request_it_was_given():
    async def scenario():
        seen: list[tuple] = []

        def picture(request: Request) -> tuple:
            return tuple(
                dict(value) if name == "headers" else value
                for name in Request.__slots__
                if name != "call"
                for value in [getattr(request, name)]
            )

        def spy(inner):
            async def send(request):
                before = picture(request)
                try:
                    return await inner(request)
                finally:
                    seen.append((before, picture(request)))

            return send

        answers = iter([reply(303, headers={"Location": "https://other/x"}), reply(503), reply(), reply()])
        api = client(lambda _: next(answers), rate=RateLimit(100))
        layers = [part for step in api._steps for part in (spy, step.layer)]
        api._send = api._send_retrying = stack(api._transport.send, *layers, spy)
        await api.post("/", json={"a": 1}, headers={"Authorization": "Bearer x"}, idempotency_key=True)
        assert len(seen) > 10
        assert all(before == after for before, after in seen)

    run(scenario())


def test_2_a_users_own_request_is_left_as_it_is():
    async def scenario():
        asked = Request("post", "/x", json={"a": 1}, params={"q": "1"}, headers={"A": "b"}, idempotency_key=True)
        before = {name: getattr(asked, name) for name in Request.__slots__}
        api = client(lambda _: reply(), headers={"C": "d"}, params={"v": "2"})
        async with api.map([asked, asked]) as outcomes:
            assert all([outcome.ok async for outcome in outcomes])
        assert {name: getattr(asked, name) for name in Request.__slots__} == before
        assert dict(asked.headers) == {"A": "b"}

    run(scenario())


def test_3_every_attempt_carries_the_key_that_was_made_when_the_request_was_built():
    async def scenario():
        keys = []

        def handler(request):
            keys.append((request.headers["Idempotency-Key"], request.idempotency_key))
            return reply(503 if len(keys) < 3 else 307 if len(keys) == 3 else 200, headers={"Location": "/y"})

        await client(handler).post("/x", json={}, idempotency_key=True)
        assert len(keys) == 4
        assert len({key for pair in keys for key in pair}) == 1

    run(scenario())


@pytest.mark.parametrize("how", ["deadline", "rate", "cancelled"])
def test_4_a_refusal_of_ours_and_a_cancellation_reach_no_host_and_spend_no_budget(how):
    async def scenario():
        clock = FakeClock()
        limit = {"rate": RateLimit(1, per=100.0)} if how == "rate" else {"concurrency": 1}
        api = client(lambda _: asyncio.sleep(50, reply()), clock=clock, timeout=None, **limit)
        first = asyncio.create_task(api.get("/"))
        await asyncio.sleep(1)
        if how == "deadline":
            with deadline(1.0, clock=clock):
                await asyncio.sleep(1)
                with pytest.raises(DeadlineExceeded):
                    await api.get("/")
        elif how == "rate":
            with pytest.raises(RequestTimeout):
                await api.get("/", timeout=5.0)
        else:
            call = asyncio.create_task(api.get("/"))
            await asyncio.sleep(1)
            call.cancel()
            await asyncio.wait([call])
        await first
        assert (api._transport.requests, api.stats.retries) == (1, 0)
        assert api.stats.budget["h"] >= 10

    run(scenario())


@pytest.mark.parametrize("end", ["answer", "503", "error", "bug", "cancel", "timeout", "deadline"])
def test_5_a_place_is_given_back_in_the_very_step_in_which_the_attempt_ends(end):
    async def scenario():
        clock = FakeClock()

        async def handler(request):
            await asyncio.sleep(1)
            if end == "503":
                return reply(503)
            if end == "error":
                raise ProtocolError("cut", request=request)
            if end == "bug":
                raise ZeroDivisionError
            if end in {"timeout", "deadline"}:
                await asyncio.sleep(100)
            return reply()

        api = client(handler, clock=clock, retry=None, concurrency=1)
        limits = {"timeout": Timeout(50, attempt=5), "deadline": Timeout(5)}.get(end, Timeout(50))
        call = asyncio.create_task(api.get("/", timeout=limits))
        places = []
        call.add_done_callback(lambda _: places.append(api._state.gate.free))
        if end == "cancel":
            asyncio.get_running_loop().call_later(0.5, call.cancel)
        await asyncio.wait([call])
        await asyncio.sleep(0)
        assert places == [1]

    run(scenario())


def test_6_a_cancellation_passes_through_every_layer_as_it_is():
    async def scenario():
        api = client(lambda _: asyncio.sleep(50, reply()), rate=RateLimit(10), timeout=Timeout(40, attempt=30))
        call = asyncio.create_task(api.get("/"))
        await asyncio.sleep(1)
        call.cancel("the reason")
        with pytest.raises(asyncio.CancelledError, match="the reason"):
            await call
        assert api._transport.requests == 1
        assert call.cancelling() == 1

    run(scenario())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_6_no_layer_catches_what_ends_a_program(error):
    async def scenario():
        made = []

        def handler(request):
            made.append(request)
            raise error

        api = client(handler, rate=RateLimit(10))
        request = api._builder.build("GET", "/")
        request.call.task = asyncio.current_task()
        with pytest.raises(error):
            await api._send(request)
        assert len(made) == 1
        assert api._state.gate.free == 100
        assert len(api._state.watchdog) == 0

    run(scenario())


def test_7_a_mismatch_is_never_retried_and_keeps_the_raw_body():
    class User(BaseModel):
        id: int

    async def scenario():
        api = client(lambda _: reply(json={"id": "not a number"}))
        with pytest.raises(SchemaError) as caught:
            await api.get("/", model=User)
        assert api._transport.requests == 1
        assert caught.value.body == b'{"id":"not a number"}'
        assert api.stats.ok == 1  # the call itself went well

    run(scenario())


def test_rate_stands_before_concurrency_so_that_waiting_for_a_token_holds_no_place():
    async def scenario():
        api = client(lambda _: reply(), rate=RateLimit(1, per=10.0, by="host"), concurrency=1)
        slow = [asyncio.create_task(api.get("https://a/")) for _ in range(2)]
        await asyncio.sleep(1)
        assert api._state.gate.free == 1
        response = await api.get("https://b/")
        assert isinstance(response, Response)
        await asyncio.gather(*slow)

    run(scenario())


def test_limits_stand_inside_retry_so_that_every_attempt_pays():
    async def scenario():
        clock, times = FakeClock(), []

        def handler(request):
            times.append(clock.now())
            raise ConnectError("refused", request=request)

        api = client(handler, clock=clock, rate=RateLimit(1, per=3.0, burst=1), retry=Retry(3, base=0), timeout=None)
        with pytest.raises(ConnectError):
            await api.get("/")
        assert times == pytest.approx([0, 3, 6])

    run(scenario())


def test_the_deadline_stands_outside_retry_so_that_it_covers_all_attempts_and_waits():
    async def scenario():
        clock = FakeClock()
        api = client(
            lambda _: asyncio.sleep(2, reply(503)), clock=clock, retry=Retry(50, base=0, budget=None), timeout=9.0
        )
        with pytest.raises((RequestTimeout, ServerError)):
            await api.get("/")
        assert clock.now() == 9.0
        assert api._transport.requests == 5

    run(scenario())


def test_what_is_in_use_of_a_host_outlives_five_thousand_others():
    async def scenario():
        rate, breaker = RateLimit(1, per=60.0, by="host"), Breaker(minimum=1, count=1, open_for=60.0)
        api = client(lambda _: reply(503), concurrency=Adaptive(), rate=rate, breaker=breaker, retry=None)
        with pytest.raises(ServerError):
            await api.get("https://down/")
        gate, (_, _, limiters) = api._state.gates["busy"], api._state.limiters[0]
        await gate.enter()
        kept = api._state.circuits["down"], limiters["down"]
        for number in range(5_000):
            for keyed in (api._state.gates, api._state.circuits, limiters):
                keyed[str(number)]
        assert api._state.gates["busy"] is gate
        assert (api._state.circuits["down"], limiters["down"]) == kept
        gate.leave()
        for number in range(5_000, 10_000):
            api._state.gates[str(number)]
        assert "busy" not in api._state.gates

    run(scenario())
