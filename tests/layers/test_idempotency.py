"""Calls with a key: settled, refused or unknown; the same bytes in every attempt, compared with what the key was for."""

from __future__ import annotations

import asyncio
import io
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
from asyncapi.layers import idempotency
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Body

CUT = ProtocolError("the connection was cut")
REFUSED = ConnectError("refused")
AS_IT_WAS = b'{"amount": 1}'


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


class Unsteady:
    """Cuts each first attempt, and has the caller's data changed meanwhile."""

    def __init__(self, change=lambda: None, **settings) -> None:
        self.sent, self.change = [], change
        clock = FakeClock()
        settings.setdefault("retry", Retry(3, base=0.1, budget=None))
        self.api = Client("https://bank", transport=MockTransport(self.handle, clock=clock), clock=clock, **settings)

    async def handle(self, request):
        content = request.content
        if isinstance(content, Body):
            content = b"".join([piece async for piece in content.open()])
        self.sent.append((content, request.headers))
        self.change()
        if len(self.sent) % 2:
            raise ProtocolError("cut")
        return reply(201)

    @property
    def bodies(self):
        return [body for body, _ in self.sent]


class Pieces:
    def __init__(self) -> None:
        self.text = AS_IT_WAS

    def __iter__(self):
        yield self.text[:5]
        yield self.text[5:]


def bodies(tmp_path):
    """(name, what is given, how it is changed) of all that is opened once per attempt."""
    path = tmp_path / "order.json"
    path.write_bytes(AS_IT_WAS)
    file, pieces = io.BytesIO(AS_IT_WAS), Pieces()

    def rewrite():
        path.write_bytes(b'{"amount": 9}')
        file.getbuffer()[:] = b'{"amount": 9}'
        pieces.text = b'{"amount": 9}'

    return {
        "path": ({"content": path}, rewrite),
        "file": ({"content": file}, rewrite),
        "iterable": ({"content": pieces}, rewrite),
        "form": ({"files": {"order": path}, "data": {"of": "Ada"}}, rewrite),
    }


@pytest.mark.parametrize("kind", ["path", "file", "iterable", "form"])
async def test_what_changes_between_two_attempts_is_sent_as_it_was(tmp_path, kind):
    given, change = bodies(tmp_path)[kind]
    bank = Unsteady(change)
    await bank.api.post("/charges", idempotency_key="k", **given)
    one, two = bank.sent
    assert one[0] == two[0]
    assert dict(one[1]) == dict(two[1])
    assert AS_IT_WAS in one[0]
    assert one[1]["Content-Length"] == str(len(one[0]))


@pytest.mark.parametrize("kind", ["path", "file", "iterable", "form"])
async def test_the_same_key_with_other_bytes_is_refused_and_with_the_same_is_sent(tmp_path, kind):
    given, change = bodies(tmp_path)[kind]
    bank = Unsteady()
    rewind = getattr(given.get("content"), "seek", bool)
    await bank.api.post("/charges", idempotency_key="k", **given)
    rewind(0)
    await bank.api.post("/charges", idempotency_key="k", **given)
    rewind(0)
    assert len(set(bank.bodies)) == 1, "a replay is the same to the byte, a form's boundary too"
    change()
    with pytest.raises(ConfigError, match="'k' was used for another body"):
        await bank.api.post("/charges", idempotency_key="k", **given)
    with pytest.raises(ConfigError, match="'k' was used for another body"):
        await bank.api.post("/charges", idempotency_key="k", json={"amount": 1, "also": "this"})
    assert len(bank.sent) == 4


async def test_nobody_can_write_the_boundary_of_a_form_into_it(tmp_path):
    """It follows from the content: who knows it has changed it."""
    bank = Unsteady()
    await bank.api.post("/charges", idempotency_key="a", files={"x": b"harmless"})
    boundary = bank.sent[-1][1]["Content-Type"].partition("boundary=")[2]
    await bank.api.post("/charges", idempotency_key="b", files={"x": f"--{boundary}--".encode()})
    drawn = bank.sent[-1][1]["Content-Type"].partition("boundary=")[2]
    assert drawn != boundary
    assert bank.bodies[-1].count(drawn.encode()) == 2


async def test_without_a_key_files_are_streamed(tmp_path):
    given, _ = bodies(tmp_path)["path"]
    seen = []
    async with Client("https://h", transport=MockTransport(lambda r: seen.append(r.content) or reply())) as api:
        await api.put("/x", **given)
        await api.post("/x", idempotency_key=True, **given)
    assert [type(one) for one in seen] == [Body, bytes]


@pytest.mark.parametrize("known", [True, False], ids=["of known length", "of unknown length"])
async def test_what_is_too_large_is_streamed_as_ever(tmp_path, monkeypatch, known):
    monkeypatch.setattr(idempotency, "LARGEST", 10)
    given, _ = bodies(tmp_path)["path" if known else "iterable"]
    bank = Unsteady()
    await bank.api.post("/charges", idempotency_key="k", **given)
    assert bank.bodies == [AS_IT_WAS] * 2


async def test_what_can_be_read_once_alone_is_sent_once():
    async def once():
        yield AS_IT_WAS

    bank = Unsteady()
    with pytest.raises(OutcomeUnknown):
        await bank.api.post("/charges", content=once(), idempotency_key="k")
    assert bank.bodies == [AS_IT_WAS]


async def test_a_body_that_cannot_be_read_is_told_and_nothing_is_sent():
    async def broken():
        yield b"half"
        raise OSError("the disk is gone")

    bank = Unsteady()
    for body, said in [
        (Body(broken, length=None, rewindable=True), "the disk is gone"),
        (Body(broken, length=2, rewindable=True), "but Content-Length says 2"),
    ]:
        with pytest.raises(ConfigError, match=said):
            await bank.api.post("/charges", content=body, idempotency_key="k")
    assert bank.sent == []


def test_the_deadline_covers_the_reading():
    async def hangs():
        await asyncio.sleep(1000)
        yield b""

    async def scenario():
        bank = Unsteady()
        body = Body(hangs, length=None, rewindable=True)
        with pytest.raises(RequestTimeout):
            await bank.api.post("/charges", content=body, idempotency_key="k", timeout=5)
        assert bank.sent == []

    run(scenario())


async def test_requests_of_a_map_are_held_to_it_too(tmp_path):
    given, change = bodies(tmp_path)["path"]
    bank = Unsteady()
    asked = Request("POST", "/charges", idempotency_key="k", **given)
    await bank.api.gather([asked])
    change()
    async with bank.api.map([asked]) as outcomes:
        [outcome] = [one async for one in outcomes]
    assert type(outcome.error) is ConfigError
    assert len(bank.sent) == 2
