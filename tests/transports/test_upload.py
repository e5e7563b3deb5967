"""Request bodies as a server sees them: whole, framed by a length or in chunks, again on a retry, and checked."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os

import anyio
import pytest
from aiohttp import web
from pydantic import BaseModel

from asyncapi import Client, ConfigError, ProtocolError, Request, Retry, ServerError, Timeout
from asyncapi.messages.encoding import _file
from asyncapi.messages.request import Body
from asyncapi.transports import upload
from servers import Peer, application, echo, scripted

pytestmark = pytest.mark.lanes

MANY = bytes(range(256)) * 1200  # 300 KiB
QUICK = Retry(3, base=0)


class User(BaseModel):
    id: int
    name: str = "é"


async def swallow(peer: Peer) -> None:
    """Take every request, answer 200."""
    while await peer.request() is not None:
        await peer.answer()


async def chunks():
    for start in range(0, len(MANY), 10_000):
        yield MANY[start : start + 10_000]


class Forward(io.RawIOBase):
    """A file that can't seek."""

    def __init__(self, data: bytes) -> None:
        self.left = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False

    def read(self, size: int = -1) -> bytes:
        return self.left.read(size)


def path_of(tmp_path):
    (tmp_path / "many.bin").write_bytes(MANY)
    return tmp_path / "many.bin"


def half_read(tmp_path):
    file = io.BytesIO(b"head" + MANY)
    file.read(4)
    return file


STREAMS = {
    # name: (what is given, Content-Length or chunked)
    "bytes over 64 KiB": (lambda _: MANY, "length"),
    "bytearray": (lambda _: bytearray(MANY), "length"),
    "memoryview": (lambda _: memoryview(MANY), "length"),
    "async generator": (lambda _: chunks(), "chunked"),
    "generator": (lambda _: (MANY[i : i + 999] for i in range(0, len(MANY), 999)), "chunked"),
    "list": (lambda _: [MANY[:7], b"", bytearray(MANY[7:])], "chunked"),
    "path": (path_of, "length"),
    "open file": (lambda _: io.BytesIO(MANY), "length"),
    "file, half read": (half_read, "length"),
    "file that can't seek": (lambda _: Forward(MANY), "chunked"),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_every_kind_of_content_arrives_whole(name, tmp_path):
    make, framing = STREAMS[name]
    async with scripted(swallow) as server, Client(server.url) as api:
        await api.post("/", content=make(tmp_path))
    [seen] = server.seen
    assert seen.body == MANY
    if framing == "length":
        assert seen.headers["Content-Length"] == str(len(MANY))
        assert "Transfer-Encoding" not in seen.headers
    else:
        assert seen.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in seen.headers


async def test_an_async_file_arrives_whole(tmp_path):
    async with (
        scripted(swallow) as server,
        Client(server.url) as api,
        await anyio.open_file(path_of(tmp_path), "rb") as f,
    ):
        await api.post("/", content=f)
    assert server.seen[0].body == MANY


async def test_a_pipe_is_read_to_its_end_and_sent_in_chunks(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    async with scripted(swallow) as server, Client(server.url) as api:
        writing = asyncio.create_task(asyncio.to_thread(fifo.write_bytes, MANY))
        await api.post("/", content=fifo)
        await writing
    assert server.seen[0].body == MANY


async def test_multipart_arrives_as_its_parts(tmp_path):
    """As an independent server reads it: fields, a file by its path, a file object, bytes with name and type."""

    async def read(request: web.Request) -> web.Response:
        parts = []
        async for part in await request.multipart():
            parts.append([part.name, part.filename, part.headers.get("Content-Type"), len(await part.read())])
        return web.json_response({"length": request.content_length, "parts": parts})

    async with application(web.post("/", read)) as url, Client(url) as api:
        answer = await api.post(
            "/",
            data={"a": 1, "b": [True, None, "x"]},
            files={"p": path_of(tmp_path), "o": io.BytesIO(b"12"), "t": ('na"me\r\n.txt', b"123", "text/csv")},
        )
    got = answer.json()
    assert got["length"] is not None
    assert got["parts"] == [
        ["a", None, None, 1],
        ["b", None, None, 4],
        ["b", None, None, 1],
        ["p", "many.bin", "application/octet-stream", len(MANY)],
        ["o", "o", "application/octet-stream", 2],
        ["t", "na%22me%0D%0A.txt", "text/csv", 3],
    ]


@pytest.mark.parametrize(
    ("given", "kind", "body"),
    [
        ({"json": {"a": [1, None, True]}}, "application/json", '{"a":[1,null,true]}'),
        ({"json": User(id=1)}, "application/json", '{"id":1,"name":"\xc3\xa9"}'),
        ({"json": [User(id=1, name="x")]}, "application/json", '[{"id":1,"name":"x"}]'),
        ({"json": False}, "application/json", "false"),
        ({"data": {"a": "1 &", "b": [1, 2]}}, "application/x-www-form-urlencoded", "a=1+%26&b=1&b=2"),
        ({"data": [("a", True), ("a", None)]}, "application/x-www-form-urlencoded", "a=true"),
        ({"content": "\xe9"}, "text/plain; charset=utf-8", "\xc3\xa9"),
        ({"content": b"x"}, "application/octet-stream", "x"),
        ({"content": b"x", "headers": {"content-type": "a/b"}}, "a/b", "x"),
        ({"json": 1, "headers": {"Content-Type": "application/merge-patch+json"}}, "application/merge-patch+json", "1"),
        ({}, None, ""),
    ],
)
async def test_a_body_has_its_type_and_its_bytes(given, kind, body):
    async with application(web.post("/", echo)) as url, Client(url) as api:
        got = (await api.post("/", **given)).json()
    assert got["body"] == body
    assert got["headers"].get("content-type") == kind
    assert got["headers"]["content-length"] == str(len(body))


# Again on a retry


async def failing_twice(peer: Peer) -> None:
    while await peer.request() is not None:
        await peer.answer(status="503 Later" if len(peer.server.seen) < 3 else "200 OK")


@pytest.mark.parametrize(
    "make",
    [
        lambda _: MANY,
        lambda _: [MANY],
        path_of,
        half_read,
        lambda _: io.BytesIO(MANY),
    ],
)
async def test_a_rewindable_body_is_sent_whole_on_every_attempt(make, tmp_path):
    async with scripted(failing_twice) as server, Client(server.url, retry=QUICK) as api:
        await api.put("/", content=make(tmp_path))
    assert [seen.body == MANY for seen in server.seen] == [True] * 3


async def test_multipart_is_sent_whole_on_every_attempt(tmp_path):
    async with scripted(failing_twice) as server, Client(server.url, retry=QUICK) as api:
        await api.put("/", files={"f": path_of(tmp_path)}, data={"a": "b"})
    assert len({seen.body for seen in server.seen}) == 1
    assert MANY in server.seen[2].body


@pytest.mark.parametrize(
    "make", [chunks, lambda: iter([MANY]), lambda: Forward(MANY)], ids=["async generator", "iterator", "no seek"]
)
async def test_a_body_that_cannot_be_rewound_is_not_sent_again(make):
    async with scripted(failing_twice) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(ServerError) as caught:
            await api.put("/", content=make())
    assert len(server.seen) == 1
    assert caught.value.attempts[-1].then == "gave up: its streamed body can't be sent again"


# A body is the caller's: what fails in it is no failure of the server


def failing():
    yield MANY
    raise KeyError("mine")


async def failing_slowly():
    yield b"a"
    await asyncio.sleep(0)
    raise OSError(5, "my disk")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (failing, "reading the request body failed: KeyError: 'mine'"),
        (failing_slowly, r"reading the request body failed: OSError: \[Errno 5\] my disk"),
        (lambda: iter(["text"]), "the request body yields str, not bytes"),
        (lambda: [1, 2], "the request body yields int, not bytes"),
    ],
)
async def test_what_fails_in_a_body_is_said_and_never_retried(body, message):
    async with scripted(swallow_all) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(ConfigError, match=message) as caught:
            await api.put("/", content=body())
        assert len(caught.value.attempts) == 1
        assert "ConnectionKey" not in str(caught.value)
        assert (await api.put("/", content=b"next")).status == 200


async def swallow_all(peer: Peer) -> None:
    """As `swallow`, for requests that break off."""
    with contextlib.suppress(asyncio.IncompleteReadError, ValueError):
        await swallow(peer)


async def test_the_cause_of_a_body_s_failure_is_the_caller_s_own_exception():
    async with scripted(swallow_all) as server, Client(server.url) as api:
        with pytest.raises(ConfigError) as caught:
            await api.put("/", content=failing())
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_file_that_shrinks_while_it_is_sent_ends_the_call_at_once():
    """Without a check the server would wait for the rest until a time-out."""
    file = io.BytesIO(MANY)
    body = _file(file)
    file.truncate(1000)
    async with scripted(swallow_all) as server, Client(server.url, timeout=Timeout(20), retry=QUICK) as api:
        with pytest.raises(ConfigError, match="1,000 bytes, but Content-Length says 307,200"):
            await api.put("/", content=body)


async def test_a_file_that_grows_is_sent_as_long_as_it_was():
    file = io.BytesIO(MANY)
    body = _file(file)
    file.seek(0, io.SEEK_END)
    file.write(b"more")
    async with scripted(swallow) as server, Client(server.url) as api:
        await api.put("/", content=body)
    assert server.seen[0].body == MANY


async def test_a_stream_may_have_its_length_by_hand():
    async with scripted(swallow) as server, Client(server.url) as api:
        await api.put("/", content=chunks(), headers={"Content-Length": str(len(MANY))})
        assert server.seen[0].body == MANY
        assert "Transfer-Encoding" not in server.seen[0].headers


@pytest.mark.parametrize("promised", [len(MANY) - 1, len(MANY) + 1])
async def test_a_stream_of_another_length_than_promised_is_an_error(promised):
    async with scripted(swallow_all) as server, Client(server.url, timeout=Timeout(20)) as api:
        with pytest.raises(ConfigError, match="but Content-Length says"):
            await api.put("/", content=chunks(), headers={"Content-Length": str(promised)})


# Answers that come before the body has gone


@pytest.mark.parametrize("closing", [True, False])
async def test_an_answer_before_the_end_of_the_body_is_returned(closing):
    """A server may refuse an upload by its headers alone, and close or not."""

    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"too large", "413 Content Too Large")
        if not closing:
            await asyncio.Event().wait()

    async with scripted(refuse) as server, Client(server.url, raise_for_status=False) as api:
        answer = await api.post("/", content=bytes(20_000_000))
        assert (answer.status, answer.text) == (413, "too large")


async def test_an_upload_that_was_cut_short_leaves_its_connection_unused():
    """The rest of the body never becomes the next request."""

    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"no", "413 Content Too Large")
        await peer.gone()

    async with scripted(refuse) as server, Client(server.url, raise_for_status=False) as api:
        for _ in range(3):
            assert (await api.post("/", content=bytes(5_000_000))).status == 413
        assert len(server.peers) == 3
        assert [seen.method for seen in server.seen] == ["POST"] * 3


async def test_an_upload_to_a_server_that_resets_is_an_error_and_quiet(caplog):
    async def reset(peer: Peer) -> None:
        await peer.head()
        peer.abort()

    async with scripted(reset) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match="the server closed the connection before it sent a response"):
            await api.post("/", content=bytes(20_000_000))
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_sending_a_large_body_does_not_hold_the_event_loop():
    """Others run between the pieces."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with scripted(swallow) as server, Client(server.url) as api:
        await api.get("/")
        task = asyncio.create_task(count())
        await api.post("/", content=bytes(4 * 1024 * 1024))
        task.cancel()
    assert turns >= 60


async def test_a_body_is_closed_when_the_call_is_cancelled():
    closed = asyncio.Event()

    async def endless():
        try:
            while True:
                yield bytes(65536)
                await asyncio.sleep(0)
        finally:
            closed.set()

    async def reading(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    async with scripted(reading) as server, Client(server.url) as api:
        call = asyncio.create_task(api.post("/", content=endless()))
        while not server.seen:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(closed.wait(), 5)


async def test_a_file_body_opens_again_and_again():
    body = _file(io.BytesIO(MANY))
    for _ in range(2):
        assert b"".join([piece async for piece in body.open()]) == MANY


async def test_a_stream_of_the_caller_ends_with_its_pieces():
    """At once, and not when the loop gets round to it: the call is over then, and nobody would wait."""
    ended = []

    async def body():
        try:
            yield b"first"
            yield b"second"
        finally:
            ended.append(True)

    request = Request("POST", "http://h/")
    request.content = Body(body, length=None, rewindable=False)
    pieces = upload.pieces(request)
    assert await anext(pieces) == b"first"
    await pieces.aclose()
    assert ended == [True]
