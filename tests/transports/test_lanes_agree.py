"""The same program against the same server gives the same on both transports: one table of servers.

Where the two differ, `DIFFERENCES` names the case and the reason.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from asyncapi import AsyncAPIError, Client, Retry, Timeout
from servers import Peer, Seen, scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = [
    pytest.mark.lane("native", reason="each test has a client on each lane"),
]

OK = "HTTP/1.1 200 OK\r\n"
HI = f"{OK}Content-Length: 2\r\n\r\nhi"
ZIPPED = gzip.compress(b"hi" * 100, mtime=0)


def replying(*pieces: bytes | str, then: str = "keep", early: bool = False) -> Callable[[Peer], Awaitable[None]]:
    """A script: the same pieces for every request, one by one, and then what becomes of the connection.

    Args:
        pieces: Written one after the other.
        then: "keep", "close", "half" (its sending side alone), "reset".
        early: Write before the body of the request is read, which is then read on.
    """

    async def script(peer: Peer) -> None:
        while (await (peer.head() if early else peer.request())) is not None:
            for piece in pieces:
                await peer.write(piece)
                await asyncio.sleep(0.01 if len(pieces) > 1 else 0)
            if then == "close":
                return
            if then == "half":
                peer.writer.write_eof()
                await peer.gone()
                return
            if then == "reset":
                await asyncio.sleep(0.01)  # the client reads what came before
                wire = peer.writer.get_extra_info("socket")
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                peer.abort()
                return
            if early:
                await peer.gone()
                return

    script.ends = then in {"close", "reset"}
    return script


def once(first: Callable[[Peer], Awaitable[None]], later: bytes | str = HI) -> Callable[[Peer], Awaitable[None]]:
    """A script whose first connection behaves in one way, and all others well."""

    async def script(peer: Peer) -> None:
        await (first if peer.number == 1 else replying(later))(peer)

    return script


async def silent(peer: Peer) -> None:
    """A script: accepts requests, and says nothing."""
    await peer.gone()


async def hangs_up(peer: Peer) -> None:
    """A script: closes before it reads."""


async def hangs_up_after_one(peer: Peer) -> None:
    """A script: responds once, and closes as soon as the second request comes."""
    await peer.request()
    await peer.write(HI)
    await peer.head()


def speaks_first(data: bytes | str, *, closes: bool = True) -> Callable[[Peer], Awaitable[None]]:
    """A script: says something as soon as it is connected to."""

    async def script(peer: Peer) -> None:
        await peer.write(data)
        if not closes:
            await peer.gone()

    return script


async def gives_up_waiting(peer: Peer) -> None:
    """A script: responds once, and says after a while that no other request came."""
    await peer.request()
    await peer.write(HI)
    await peer.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def continues(peer: Peer) -> None:
    """A script that knows `Expect`."""
    while (seen := await peer.head()) is not None:
        await peer.write("HTTP/1.1 100 Continue\r\n\r\n")
        await peer.reader.readexactly(int(seen.headers["Content-Length"]))
        await peer.write(HI)


async def duplex(peer: Peer) -> None:
    """A script that sends back what it receives, as it receives it."""
    await peer.head()
    await peer.write(f"{OK}Transfer-Encoding: chunked\r\n\r\n")
    while size := int(await peer.reader.readline(), 16):
        data = await peer.reader.readexactly(size + 2)
        await peer.write(b"%x\r\n%b" % (size, data))
    await peer.reader.readline()
    await peer.write(b"0\r\n\r\n")


async def pieces():
    """A body of unknown length."""
    for _ in range(3):
        await asyncio.sleep(0)
        yield b"some"


async def many_pieces():
    """More than what fits into the buffers of a connection."""
    for _ in range(100):
        yield bytes(100_000)


@dataclass
class Case:
    """A server, and the program that calls it twice.

    Attributes:
        script: The server.
        method: Of both calls.
        call: More arguments of the calls.
        client: More arguments of the client.
        stream: Whether the calls stream.
    """

    script: Callable[[Peer], Awaitable[None]]
    method: str = "GET"
    call: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)
    stream: bool = False


def sent(*pieces: bytes | str, **more: Any) -> Case:
    """A case whose server says these pieces."""
    how = {name: more.pop(name) for name in ("then", "early") if name in more}
    return Case(replying(*pieces, **how), **more)


def response_of(head: str = "", body: bytes | str = b"hi", *, status: str = "200 OK", length: bool = True) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    framing = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"HTTP/1.1 {status}\r\n{framing}{head}\r\n".encode() + body


CHUNKED = f"{OK}Transfer-Encoding: chunked\r\n\r\n"
LARGE = bytes(300_000)

CASES = {
    # framing
    "a length": sent(HI),
    "no bytes": sent(f"{OK}Content-Length: 0\r\n\r\n"),
    "chunks": sent(f"{CHUNKED}2\r\nhi\r\n0\r\n\r\n"),
    "chunks with extensions": sent(f"{CHUNKED}2;a=b\r\nhi\r\n0\r\n\r\n"),
    "chunks with trailers": sent(f"{CHUNKED}2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n"),
    "chunks, cut": sent(f"{CHUNKED}2\r\nhi\r\n", then="close"),
    "chunks, reset": sent(f"{CHUNKED}2\r\nhi\r\n", then="reset"),
    "a bad chunk": sent(f"{CHUNKED}zz\r\nhi\r\n"),
    "to the end": sent(f"{OK}\r\nhi", then="close"),
    "to the end, half closed": sent(f"{OK}\r\nhi", then="half"),
    "to a reset": sent(f"{OK}\r\nhi", then="reset"),
    "a length, cut": sent(f"{OK}Content-Length: 9\r\n\r\nhi", then="close"),
    "a length, reset": sent(f"{OK}Content-Length: 9\r\n\r\nhi", then="reset"),
    "a length, then closed": sent(HI, then="close"),
    "a length, then half closed": sent(HI, then="half"),
    "a length, then reset": sent(HI, then="reset"),
    "two equal lengths": sent(f"{OK}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),
    "two lengths": sent(f"{OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
    "a length and chunks": sent(f"{OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
    "a negative length": sent(f"{OK}Content-Length: -2\r\n\r\nhi"),
    "byte by byte": sent(*(HI[at : at + 1] for at in range(len(HI)))),
    "a head in two pieces": sent(HI[:20], HI[20:]),
    "more than its length": sent(HI + "more"),
    "two responses": sent(HI + HI),
    # versions and connections
    "HTTP/1.0": sent("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    "HTTP/1.0 that keeps": sent("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"),
    "HTTP/1.0 to the end": sent("HTTP/1.0 200 OK\r\n\r\nhi", then="close"),
    "closes": sent(response_of("Connection: close\r\n"), then="close"),
    "says close, and doesn't": sent(response_of("Connection: close\r\n")),
    "says close and keep-alive": sent(response_of("Connection: keep-alive, close\r\n")),
    "Keep-Alive": sent(response_of("Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n")),
    "HTTP/0.9": sent("hi", then="close"),
    "HTTP/2 preface": sent(b"\0\0\0\4\0\0\0\0\0", then="close"),
    "SSH": sent("SSH-2.0-OpenSSH_9.9\r\n", then="close"),
    "SMTP": sent("220 mail.example ESMTP\r\n", then="close"),
    "SSH, which speaks first": Case(speaks_first("SSH-2.0-OpenSSH_9.9\r\n")),
    "SSH, which waits": Case(speaks_first("SSH-2.0-OpenSSH_9.9\r\n", closes=False)),
    "a response before the request": Case(speaks_first(HI)),
    "408 after a while": Case(gives_up_waiting),
    "408 after a while, to a POST": Case(gives_up_waiting, "POST", {"json": 1}),
    # statuses
    "204": sent("HTTP/1.1 204 No Content\r\n\r\n"),
    "204 with a length": sent("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
    "304": sent("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n"),
    "304 with chunks": sent("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "HEAD": sent(f"{OK}Content-Length: 9\r\n\r\n", method="HEAD"),
    "HEAD with chunks": sent(CHUNKED, method="HEAD"),
    "HEAD with a coding": sent(f"{OK}Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\n", method="HEAD"),
    "HEAD with a body": sent(HI, method="HEAD"),
    "100": sent(f"HTTP/1.1 100 Continue\r\n\r\n{HI}"),
    "103": sent("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", HI),
    "many 102": sent("HTTP/1.1 102 Processing\r\n\r\n" * 5 + HI),
    "101": sent("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nxx"),
    "100 alone": sent("HTTP/1.1 100 Continue\r\n\r\n", then="close"),
    "100 after the response": sent(HI + "HTTP/1.1 100 Continue\r\n\r\n"),
    "404": sent(response_of(status="404 Not Found")),
    "500": sent(response_of(status="500 Oops")),
    "500, then well": Case(once(replying(response_of(status="503 Busy"), then="close"))),
    "418 without a reason": sent("HTTP/1.1 418\r\nContent-Length: 0\r\n\r\n"),
    "999": sent("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n"),
    "99": sent("HTTP/1.1 99 What\r\nContent-Length: 0\r\n\r\n"),
    # headers
    "no headers": sent(f"{OK}\r\n", then="close"),
    "an empty value": sent(response_of("X-A:\r\nX-B: \r\nX-C: \t x \t\r\n")),
    "repeated": sent(response_of("X-A: 1\r\nx-a: 2\r\nX-A: 3\r\n")),
    "UTF-8": sent(response_of("X-A: ä€\r\n")),
    "Latin-1": sent(f"{OK}X-A: ".encode() + b"\xe4\r\nContent-Length: 0\r\n\r\n"),
    "folded": sent(response_of("X-A: a\r\n b\r\n")),
    "LF alone": sent(HI.replace("\r\n", "\n")),
    "a blank before the colon": sent(response_of("X-A : 1\r\n")),
    "a line without a colon": sent(response_of("nonsense\r\n")),
    "a NUL": sent(response_of("X-A: a\0b\r\n")),
    "64 kB": sent(response_of(f"X-A: {'a' * 65_536}\r\n")),
    "300 kB": sent(response_of(f"X-A: {'a' * 307_200}\r\n")),
    "2000 of them": sent(response_of("".join(f"X-{n}: {n}\r\n" for n in range(2000)))),
    "a large one over a bound": sent(response_of(f"X-A: {'a' * 20_000}\r\n"), client={"max_headers": 10_000}),
    "an empty line first": sent("\r\n" + HI),
    "a small case name": sent(f"{OK}content-length: 2\r\nx-a: 1\r\n\r\nhi"),
    # bodies
    "gzip": sent(response_of("Content-Encoding: gzip\r\n", ZIPPED)),
    "gzip, cut": sent(response_of("Content-Encoding: gzip\r\n", ZIPPED[:-4])),
    "gzip that is none": sent(response_of("Content-Encoding: gzip\r\n", b"hello")),
    "gzip of nothing": sent(response_of("Content-Encoding: gzip\r\n", b"")),
    "deflate": sent(response_of("Content-Encoding: deflate\r\n", zlib.compress(b"hi" * 100))),
    "gzip twice": sent(response_of("Content-Encoding: gzip, gzip\r\n", gzip.compress(ZIPPED, mtime=0))),
    "an unknown coding": sent(response_of("Content-Encoding: rot13\r\n")),
    "a transfer coding": sent(
        f"{OK}Transfer-Encoding: gzip, chunked\r\n\r\n{len(ZIPPED):x}\r\n".encode() + ZIPPED + b"\r\n0\r\n\r\n"
    ),
    "large": sent(response_of(body=LARGE)),
    "over max_body": sent(response_of(body=LARGE), client={"max_body": 100_000}),
    "over max_body, in chunks": sent(
        f"{CHUNKED}{len(LARGE):x}\r\n".encode() + LARGE + b"\r\n0\r\n\r\n", client={"max_body": 100_000}
    ),
    "over max_body, decoded": sent(
        response_of("Content-Encoding: gzip\r\n", gzip.compress(LARGE, mtime=0)), client={"max_body": 100_000}
    ),
    # requests
    "POST": sent(HI, method="POST", call={"json": {"a": 1}}),
    "POST of nothing": sent(HI, method="POST"),
    "POST of no bytes": sent(HI, method="POST", call={"content": b""}),
    "DELETE with a body": sent(HI, method="DELETE", call={"content": b"x"}),
    "GET with a body": sent(HI, call={"content": b"x"}),
    "PUT of a stream": Case(replying(HI), "PUT", {"content": pieces}),
    "a method of one's own": sent(HI, method="PURGE"),
    "a small method": sent(HI, method="get"),
    "a large body": sent(HI, method="POST", call={"content": LARGE}),
    "Host": sent(HI, call={"headers": {"Host": "x.example"}}),
    "Connection: close": sent(HI, call={"headers": {"Connection": "close"}}),
    "Connection: x, Close": sent(HI, call={"headers": {"Connection": "x, Close"}}),
    "TE": sent(HI, call={"headers": {"TE": "trailers"}}),
    "Accept": sent(HI, call={"headers": {"accept": "text/x", "Accept-Encoding": "identity"}}),
    "an empty header": sent(HI, call={"headers": {"X-A": ""}}),
    "a header in UTF-8": sent(HI, call={"headers": {"X-A": "ä€"}}),
    "64 kB in a request": sent(HI, call={"headers": {"X-A": "a" * 60_000}}),
    "Cookie": sent(response_of("Set-Cookie: a=b\r\n"), client={"cookies": True}),
    "Cookie of one's own": sent(
        response_of("Set-Cookie: a=b\r\n"), client={"cookies": True}, call={"headers": {"Cookie": "a=c; d=e"}}
    ),
    "early": sent(response_of(status="413 Too Large"), early=True, method="POST", call={"content": LARGE * 30}),
    "early, and closed": sent(
        response_of(status="413 Too Large"), early=True, then="half", method="POST", call={"content": LARGE * 30}
    ),
    "a stream that is answered early": Case(
        replying(response_of(status="413 Too Large"), early=True), "PUT", {"content": pieces},
        {"timeout": Timeout(total=0.5)},
    ),
    "Expect": Case(continues, "POST", {"content": b"x" * 10, "headers": {"Expect": "100-continue"}}),
    "Expect, odd letters": Case(continues, "POST", {"content": b"x" * 10, "headers": {"expect": "100-Continue"}}),
    "Expect, refused": sent(
        response_of("Connection: close\r\n", status="417 No"), early=True,
        method="POST", call={"content": b"x" * 10, "headers": {"Expect": "100-continue"}},
    ),
    "upgrade": sent(HI, call={"headers": {"Connection": "Upgrade", "Upgrade": "h2c"}}),
    # streams
    "streamed": sent(f"{CHUNKED}2\r\nhi\r\n0\r\n\r\n", stream=True),
    "streamed, cut": sent(f"{CHUNKED}2\r\nhi\r\n", then="close", stream=True),
    "streamed, reset": sent(f"{CHUNKED}2\r\nhi\r\n", then="reset", stream=True),
    "streamed, large": sent(response_of(body=LARGE), stream=True),
    "streamed, gzip": sent(response_of("Content-Encoding: gzip\r\n", ZIPPED), stream=True),
    "streamed, 404": sent(response_of(status="404 Not Found"), stream=True),
    "duplex": Case(duplex, "POST", {"content": pieces}, stream=True),
    "duplex, large": Case(duplex, "POST", {"content": many_pieces}, stream=True),
    # failures
    "silence": Case(silent, client={"timeout": Timeout(attempt=0.2, total=5)}),
    "silence in the body": sent(f"{OK}Content-Length: 9\r\n\r\nhi", client={"timeout": Timeout(attempt=0.2, total=5)}),
    "silence to the deadline": Case(silent, client={"timeout": Timeout(total=0.2)}),
    "hangs up": Case(hangs_up),
    "hangs up on a POST": Case(hangs_up, "POST", {"json": 1}),
    "hangs up after one": Case(hangs_up_after_one),
    "hangs up after one POST": Case(hangs_up_after_one, "POST", {"json": 1}),
    "cut in its head": sent(HI[:30], then="close"),
    "reset in its head": sent(HI[:30], then="reset"),
    "cut at first, then well": Case(once(replying(HI[:30], then="close"))),
}  # fmt: skip

# case: why the two differ in it
_OVER = "RFC 9112 section 9.6: aiohttp sends another request over a connection that the request gave up"
DIFFERENCES = {
    "to a reset": "RFC 9112 section 8: aiohttp takes a body that a reset has cut off for a whole one",
    "a method of one's own": "RFC 9110 section 8.6: aiohttp says Content-Length: 0 for methods that need no body",
    "a stream that is answered early": "aiohttp uses the connection again although the request was not sent to its end",
    "Connection: close": _OVER,
    "Connection: x, Close": _OVER,
}


async def result_of(api: Client, case: Case) -> list[Any]:
    """Make a call; return what its program sees."""
    call = dict(case.call)
    if callable(call.get("content")):
        call["content"] = call["content"]()
    try:
        if case.stream:
            async with api.stream(case.method, "/p?q=1", **call) as response:
                found = b"".join([piece async for piece in response.bytes()])
        else:
            response = await api.request(case.method, "/p?q=1", **call)
            found = response.content
    except AsyncAPIError as error:
        return [
            type(error).__name__, getattr(error, "final", None), getattr(error, "stale", None), error.phase,
            getattr(error, "status", None), *map(record_of, error.attempts),
        ]  # fmt: skip
    headers = sorted((name.lower(), value) for name, value in response.headers.items())
    return [response.status, response.http_version, headers, found, *map(record_of, response.attempts)]


def record_of(attempt: Any) -> tuple[Any, ...]:
    error = attempt.error and attempt.error.partition(":")[0]
    return attempt.status, error, attempt.why.partition(":")[0], attempt.unsure, attempt.http_version


async def seen_on(lane: str, case: Case) -> list[Any]:
    """Run the program on a lane; return what it and the server have seen."""
    async with scripted(case.script) as server:
        settings = {"retry": Retry(2, base=0), "timeout": Timeout(total=5), **case.client}
        async with Client(server.url, transport=lane, **settings) as api:
            results = [await result_of(api, case)]
            if server.tasks and getattr(case.script, "ends", False):
                await asyncio.wait(server.tasks)
            for _ in range(5):
                await asyncio.sleep(0)
            results.append(await result_of(api, case))
        return [*results, *map(request_of, server.seen), f"{len(server.peers)} connections"]


def request_of(seen: Seen) -> tuple[Any, ...]:
    headers = [(name.title(), value) for name, value in seen.headers.items() if "127.0.0.1" not in value]
    return seen.method, seen.target, sorted(headers), seen.body


@pytest.mark.parametrize("name", CASES)
async def test_both_lanes_agree(name):
    case = CASES[name]
    aiohttp, native = await seen_on("aiohttp", case), await seen_on("native", case)
    if name in DIFFERENCES:
        assert aiohttp != native, "they agree now"
    else:
        assert native == aiohttp
