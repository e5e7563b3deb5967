"""Bodies of calls with a key: the same bytes in every attempt, and compared with what the key was used for."""

from __future__ import annotations

import asyncio
import io

import pytest

from asyncapi import Client, ConfigError, OutcomeUnknown, ProtocolError, Request, RequestTimeout, Retry
from asyncapi.layers import body_snapshot
from asyncapi.testing import FakeClock, MockTransport, reply, run
from asyncapi.types import Body

AS_IT_WAS = b'{"amount": 1}'


class Bank:
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
    bank = Bank(change)
    await bank.api.post("/charges", idempotency_key="k", **given)
    one, two = bank.sent
    assert one[0] == two[0]
    assert dict(one[1]) == dict(two[1])
    assert AS_IT_WAS in one[0]
    assert one[1]["Content-Length"] == str(len(one[0]))


@pytest.mark.parametrize("kind", ["path", "file", "iterable", "form"])
async def test_the_same_key_with_other_bytes_is_refused_and_with_the_same_is_sent(tmp_path, kind):
    given, change = bodies(tmp_path)[kind]
    bank = Bank()
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
    bank = Bank()
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
    monkeypatch.setattr(body_snapshot, "LARGEST", 10)
    given, _ = bodies(tmp_path)["path" if known else "iterable"]
    bank = Bank()
    await bank.api.post("/charges", idempotency_key="k", **given)
    assert bank.bodies == [AS_IT_WAS] * 2


async def test_what_can_be_read_once_alone_is_sent_once():
    async def once():
        yield AS_IT_WAS

    bank = Bank()
    with pytest.raises(OutcomeUnknown):
        await bank.api.post("/charges", content=once(), idempotency_key="k")
    assert bank.bodies == [AS_IT_WAS]


async def test_a_body_that_cannot_be_read_is_told_and_nothing_is_sent():
    async def broken():
        yield b"half"
        raise OSError("the disk is gone")

    bank = Bank()
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
        bank = Bank()
        body = Body(hangs, length=None, rewindable=True)
        with pytest.raises(RequestTimeout):
            await bank.api.post("/charges", content=body, idempotency_key="k", timeout=5)
        assert bank.sent == []

    run(scenario())


async def test_requests_of_a_map_are_held_to_it_too(tmp_path):
    given, change = bodies(tmp_path)["path"]
    bank = Bank()
    asked = Request("POST", "/charges", idempotency_key="k", **given)
    await bank.api.gather([asked])
    change()
    async with bank.api.map([asked]) as outcomes:
        [outcome] = [one async for one in outcomes]
    assert type(outcome.error) is ConfigError
    assert len(bank.sent) == 2
