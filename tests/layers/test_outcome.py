"""Calls with a key: settled, refused or unknown. And what is refused before it is sent."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from asyncapi import (
    Client,
    ConfigError,
    Conflict,
    ConnectError,
    Fallback,
    OutcomeUnknown,
    PaymentRequired,
    ProtocolError,
    Request,
    RequestTimeout,
    Retry,
    ServerError,
    StatusError,
    TransportError,
    Unauthorized,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run

CUT = ProtocolError("the connection was cut")
REFUSED = ConnectError("refused")


class Bank:
    """A client of a server that does as told, one step an attempt; the last one for ever."""

    def __init__(self, *steps, **settings) -> None:
        self.steps, self.requests = list(steps), []
        clock = FakeClock()
        settings.setdefault("retry", Retry(4, base=0.1, budget=None))
        self.api = Client("https://bank", transport=MockTransport(self.handle, clock=clock), clock=clock, **settings)

    async def handle(self, request):
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, float):
            await asyncio.sleep(step)
            return reply(201)
        if isinstance(step, Exception):
            raise step
        return reply(step)

    async def charge(self, **settings):
        return await self.api.post("/charges", json={"amount": 1999}, **{"idempotency_key": "order-17", **settings})

    async def fails(self, **settings):
        with pytest.raises(Exception) as caught:
            await self.charge(**settings)
        return caught.value


def test_a_cut_connection_is_resolved_by_sending_the_key_again():
    async def scenario():
        bank = Bank(CUT, 201)
        assert (await bank.charge()).status == 201
        assert [sent.headers["Idempotency-Key"] for sent in bank.requests] == ["order-17"] * 2
        assert bank.requests[0].content == bank.requests[1].content

    run(scenario())


@pytest.mark.parametrize("last", [CUT, REFUSED, 503, 500, 429, 409, 401])
def test_what_cannot_be_resolved_is_unknown_and_names_its_key(last):
    async def scenario():
        bank = Bank(CUT, last)
        error = await bank.fails()
        assert type(error) is OutcomeUnknown
        assert isinstance(error, TransportError)
        assert error.idempotency_key == "order-17"
        assert "idempotency_key='order-17'" in str(error)
        assert error.request.url.path == "/charges"
        assert len(error.attempts) == len(bank.requests)
        cause = error.__cause__
        assert cause.status == last if isinstance(last, int) else cause is last
        again = pickle.loads(pickle.dumps(error))
        assert (again.idempotency_key, str(again)) == ("order-17", str(error))

    run(scenario())


@pytest.mark.parametrize(("steps", "kind"), [((REFUSED,), ConnectError), ((503,), ServerError), ((REFUSED, 503), ServerError), ((CUT, 402), PaymentRequired), ((401,), Unauthorized)])  # fmt: skip
def test_what_is_known_stays_what_it_is(steps, kind):
    async def scenario():
        assert type(await Bank(*steps).fails()) is kind

    run(scenario())


def test_the_deadline_leaves_it_unknown_too():
    async def scenario():
        error = await Bank(99.0).fails(timeout=5.0)
        assert type(error) is OutcomeUnknown
        assert type(error.__cause__) is RequestTimeout
        assert error.phase == "headers"

    run(scenario())


def test_a_deadline_that_comes_before_anything_is_sent_leaves_nothing_unknown():
    async def scenario():
        bank = Bank(99.0, concurrency=1)
        first = asyncio.ensure_future(bank.charge(timeout=50.0))
        await asyncio.sleep(0.1)
        error = await bank.fails(timeout=5.0)
        assert (type(error), error.phase) == (RequestTimeout, "queue")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first

    run(scenario())


def test_unknown_is_raised_although_statuses_are_returned():
    async def scenario():
        assert type(await Bank(CUT, 503, raise_for_status=False).fails()) is OutcomeUnknown
        assert (await Bank(503, raise_for_status=False).charge()).status == 503

    run(scenario())


def test_a_made_up_answer_does_not_hide_that_it_is_unknown():
    async def scenario():
        bank = Bank(CUT, fallback=Fallback(value={"paid": False}))
        assert type(await bank.fails()) is OutcomeUnknown

    run(scenario())


def test_reads_and_calls_without_a_key_keep_their_own_errors():
    async def scenario():
        assert type(await Bank(CUT).fails(idempotency_key=None)) is ProtocolError
        with pytest.raises(ProtocolError):
            await Bank(CUT).api.get("/charges", idempotency_key="k")

    run(scenario())


def test_a_conflict_is_an_earlier_attempt_in_progress_and_is_waited_for():
    async def scenario():
        bank = Bank(CUT, 409, 409, 201)
        assert (await bank.charge()).status == 201
        assert type(await Bank(409).fails()) is Conflict
        plain = Bank(409)
        assert type(await plain.fails(idempotency_key=None)) is Conflict
        assert len(plain.requests) == 1

    run(scenario())


@pytest.mark.parametrize("retry", [Retry(4), Retry(4, statuses={402, 503}), Retry(4, retry=lambda state: True)])
def test_402_is_never_sent_again(retry):
    async def scenario():
        bank = Bank(402)
        assert type(await bank.fails(retry=retry)) is PaymentRequired
        assert len(bank.requests) == 1

    run(scenario())


def test_the_same_key_with_another_body_is_refused_before_it_is_sent():
    async def scenario():
        bank = Bank(201)
        await bank.charge()
        await bank.charge()
        with pytest.raises(ConfigError, match="'order-17' was used for another body"):
            await bank.api.post("/charges", json={"amount": 1}, idempotency_key="order-17")
        with pytest.raises(ConfigError, match="another body"):
            await bank.api.post("/charges", json={"amount": 1}, headers={"Idempotency-Key": "order-17"})
        async with bank.api.map([Request("POST", "/charges", json=1, idempotency_key="order-17")]) as outcomes:
            [outcome] = [outcome async for outcome in outcomes]
        assert type(outcome.error) is ConfigError
        assert len(bank.requests) == 2
        await bank.api.post("/charges", json={"amount": 1}, idempotency_key=True)
        await bank.api.post("/charges", json={"amount": 2}, idempotency_key=True)

    run(scenario())


def test_of_two_bodies_at_once_under_one_key_one_is_sent():
    async def scenario():
        bank = Bank(201)
        ends = await asyncio.gather(
            *(bank.api.post("/charges", json=n, idempotency_key="k") for n in (1, 2, 2, 1)), return_exceptions=True
        )
        assert [type(one).__name__ for one in ends] == ["Response", "ConfigError", "ConfigError", "Response"]
        assert [sent.content for sent in bank.requests] == [b"1", b"1"]

    run(scenario())


def test_a_declined_charge_is_not_tried_elsewhere_even_if_statuses_say_so():
    async def scenario():
        bank = Bank(402, fallback=Fallback(to="https://other", statuses=frozenset({402, 503})))
        assert type(await bank.fails()) is PaymentRequired
        assert len(bank.requests) == 1

    run(scenario())


def test_a_body_changed_by_the_caller_meanwhile_is_sent_as_it_was():
    async def scenario():
        bank = Bank(CUT, 201)
        body = {"amount": 1}
        call = asyncio.ensure_future(bank.api.post("/charges", json=body, idempotency_key="k"))
        await asyncio.sleep(0)
        body["amount"] = 1000
        await call
        assert [sent.content for sent in bank.requests] == [b'{"amount":1}'] * 2

    run(scenario())


def test_a_cancelled_charge_is_cancelled():
    async def scenario():
        call = asyncio.ensure_future(Bank(99.0).charge())
        await asyncio.sleep(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    run(scenario())


def test_the_kinds_are_what_handlers_expect():
    assert issubclass(OutcomeUnknown, TransportError)
    assert not issubclass(OutcomeUnknown, StatusError)
