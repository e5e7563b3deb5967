"""The error map: what goes wrong on the wire, and the one clear error it becomes. Real servers, scripted bytes."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import traceback
import zlib

import pytest

from asyncapi import AsyncAPIError, Client, ConnectError, ProtocolError, RequestTimeout, Retry, Timeout
from servers import Peer, always, saying, scripted

pytestmark = pytest.mark.lanes

SECRET = "canary" + "bird"  # in two, so that a line of source in a traceback does not hold it
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def one(answer: bytes):
    """A script: this answer to the first request, then the connection is closed."""
    return saying(answer)


def encoded(name: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (name.encode(), len(body)) + body


# No connection


@pytest.fixture
def closed_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_a_refused_port_says_where_and_why(closed_port):
    async with Client(retry=None) as api:
        with pytest.raises(
            ConnectError, match=f"can't connect to 127.0.0.1:{closed_port}: Connection refused"
        ) as caught:
            await api.get(f"http://127.0.0.1:{closed_port}/")
    assert isinstance(caught.value.__cause__, OSError)


async def test_a_name_that_does_not_resolve_is_named():
    async with Client(retry=None) as api:
        with pytest.raises(ConnectError, match=r"the name 'no-such-host.invalid' does not resolve"):
            await api.get("http://no-such-host.invalid/")


async def test_a_name_that_no_resolver_takes_is_an_error_too():
    async with Client(retry=None) as api:
        for host in ("a..b", "xn--", "-.invalid", "a" * 300):
            with pytest.raises(AsyncAPIError):
                await api.get(f"http://{host}/")


async def test_a_missing_unix_socket_is_named(tmp_path):
    async with Client(retry=None, unix_socket=str(tmp_path / "no.sock")) as api:
        with pytest.raises(ConnectError, match=r"can't connect to the socket .*/no.sock: No such file or directory"):
            await api.get("http://x/")


async def test_a_proxy_that_is_not_there_is_named(closed_port):
    async with Client(retry=None, proxy=f"http://user:{SECRET}@127.0.0.1:{closed_port}") as api:
        with pytest.raises(ConnectError, match=f"can't connect to the proxy 127.0.0.1:{closed_port}") as caught:
            await api.get("http://example.invalid/")
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value.__cause__)


async def test_connect_errors_are_retried_even_for_a_post(closed_port):
    async with Client(retry=2) as api:
        with pytest.raises(ConnectError) as caught:
            await api.post(f"http://127.0.0.1:{closed_port}/")
    assert len(caught.value.attempts) == 2


# An answer that is none

GARBAGE = {
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", "the response isn't valid HTTP: an SSH server"),
    "binary": (b"\x00\x01\x02\xff\xfe\r\n\r\n", "the response isn't valid HTTP"),
    "HTTP/2 settings": (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "the response isn't valid HTTP"),
    "a header without a colon": (b"HTTP/1.1 200 OK\r\nfoo\r\n\r\n", "the response isn't valid HTTP"),
    "a length that is no number": (b"HTTP/1.1 200 OK\r\nContent-Length: ab\r\n\r\n", "valid HTTP.*Content-Length"),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "valid HTTP.*Content-Length"),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "valid HTTP"),
    "length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "valid HTTP",
    ),
    "a NUL in a header": (b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "valid HTTP"),
    "a header without end": (b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300_000, "too large.*max_headers"),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000, "too many: raise max_headers"),
    "a chunk of no size": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "valid HTTP: a chunk|broke off",
    ),
    "a status below 100": (
        b"HTTP/1.1 099 X\r\nContent-Length: 0\r\n\r\n",
        "the server sent 99 as the final status|its status line is not valid",
    ),
    "an upgrade nobody asked for": (
        b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "sent 101 as the final status",
    ),
    "nothing": (b"", "the server closed the connection before it sent a response"),
    "bytes that are no gzip": (encoded("gzip", b"abcd"), "the body can't be decoded: .*gzip"),
    "half a deflate": (encoded("deflate", zlib.compress(b"hello" * 99)[:-6]), "the body can't be decoded"),
    "bytes that are no deflate": (encoded("deflate", b"\x08abc"), "the body can't be decoded: .*deflate"),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_a_protocol_error_of_one_line_that_says_what(name):
    answer, message = GARBAGE[name]
    async with scripted(one(answer)) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match=message) as caught:
            await api.get("/", params={"api_key": SECRET})
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
        assert SECRET not in "".join(traceback.format_exception(caught.value))
        server.script = always(OK)
        assert (await api.get("/", retry=2)).text == "hi"  # an answer without a body may leave a stale connection


def dribbling(answer: bytes):
    """A script: the answer one byte at a time, each in a packet of its own."""

    async def script(peer: Peer) -> None:
        await peer.request()
        for at in range(len(answer)):
            await peer.write(answer[at : at + 1])
            await asyncio.sleep(0)

    return script


@pytest.mark.parametrize("name", [name for name, (answer, _) in GARBAGE.items() if len(answer) < 1000])
async def test_garbage_is_the_same_error_when_it_comes_byte_by_byte(name):
    answer, _ = GARBAGE[name]
    async with scripted(dribbling(answer)) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError):
            await api.get("/")


WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\r\nhello world",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nA: b\r\n\r\n",
    "gzip": encoded("gzip", gzip.compress(b"hello world")),
    "until it closes": b"HTTP/1.0 200 OK\r\n\r\nhello world",
    "after early hints": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
    "without a reason": b"HTTP/1.1 200\r\nContent-Length: 11\r\n\r\nhello world",
    "folded": b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 11\r\n\r\nhello world",
}


@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_may_come_byte_by_byte(name):
    async with scripted(dribbling(WHOLE[name])) as server, Client(server.url) as api:
        assert (await api.get("/")).text == "hello world"


@pytest.mark.parametrize("name", ["length", "chunked", "gzip", "after early hints"])
async def test_closed_at_any_byte_is_a_protocol_error_and_never_half_an_answer(name):
    """Every prefix of an answer, closed cleanly after it: an error, and the next call works."""
    answer = WHOLE[name]
    after = answer.index(b"\r\n\r\n", 40 if "early" in name else 0) + 4
    cut = 0

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(answer[:cut])

    async with scripted(script) as server, Client(server.url, retry=None) as api:
        for cut in range(len(answer)):
            with pytest.raises(ProtocolError) as caught:
                await api.get("/")
            place = (
                "before it sent a response" if cut < after else "broke off|middle of the response body|can't be decoded"
            )
            assert caught.match(place), cut
        cut = len(answer)
        assert (await api.get("/")).text == "hello world"


@pytest.mark.parametrize("cut", [0, 10, 40, 75])
async def test_reset_at_any_place_is_a_protocol_error(cut):
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.write(WHOLE["length"][:cut])
        await asyncio.sleep(0.01)  # let the bytes go out before the reset takes them back
        peer.abort()

    async with scripted(script) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError):
            await api.get("/")


async def test_a_broken_answer_is_retried_for_a_get_and_not_for_a_post():
    half = always(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", close=True)
    async with scripted(half) as server, Client(server.url, retry=Retry(3, base=0)) as api:
        for method, attempts in (("GET", 3), ("POST", 1)):
            with pytest.raises(ProtocolError) as caught:
                await api.request(method, "/")
            assert len(caught.value.attempts) == attempts


async def test_a_tls_server_on_an_http_url_is_a_protocol_error():
    async with scripted(one(b"\x15\x03\x01\x00\x02\x02\x46")) as server, Client(server.url, retry=None) as api:
        with pytest.raises(ProtocolError, match="valid HTTP"):
            await api.get("/")


# Time


async def hang(peer: Peer) -> None:
    await peer.gone()


async def half_the_headers(peer: Peer) -> None:
    await peer.request()
    await peer.write(b"HTTP/1.1 200 OK\r\n")
    await peer.gone()


async def half_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    await peer.gone()


async def read_nothing(peer: Peer) -> None:
    peer.writer.transport.pause_reading()
    await asyncio.Event().wait()


SLOW = {
    "headers": (hang, {}),
    "headers, half": (half_the_headers, {}),
    "body": (half_the_body, {}),
    "send": (read_nothing, {"content": bytes(30_000_000)}),
    "send, streamed": (read_nothing, {"content": [bytes(100_000)] * 300}),
}


@pytest.mark.parametrize("limit", [Timeout(20, attempt=0.1), Timeout(0.1)], ids=["attempt", "total"])
@pytest.mark.parametrize("name", SLOW)
async def test_a_time_out_names_its_phase(name, limit):
    script, call = SLOW[name]
    async with scripted(script) as server, Client(server.url, timeout=limit, retry=None) as api:
        with pytest.raises(RequestTimeout, match=name.partition(",")[0]) as caught:
            await api.post("/", **call)
        assert caught.value.phase == name.partition(",")[0]
        assert isinstance(caught.value, TimeoutError)
        assert len(caught.value.attempts) == 1
        server.script = always(OK)
        assert (await api.get("/", timeout=20)).text == "hi"


@pytest.fixture
def full_backlog():
    """A port whose queue of connections is full: the next one is neither accepted nor refused."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one_more in waiting:
            one_more.setblocking(False)
            one_more.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for one_more in waiting:
            one_more.close()


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (Timeout(20, connect=0.2), "no connection within 0.2 s"),
        (Timeout(20, connect=None, attempt=0.2), "the attempt took longer than 0.2 s and was ended during connect"),
        (Timeout(0.2), "the deadline passed during connect"),
    ],
)
async def test_a_connection_that_does_not_come_times_out_in_connect(full_backlog, limit, message):
    async with Client(timeout=limit, retry=None) as api:
        with pytest.raises(RequestTimeout, match=message) as caught:
            await api.get(f"http://127.0.0.1:{full_backlog}/")
    assert caught.value.phase == "connect"


async def test_a_tls_handshake_that_does_not_come_times_out_in_connect():
    async with scripted(hang) as server, Client(timeout=Timeout(20, connect=0.2), retry=None) as api:
        with pytest.raises(RequestTimeout, match=r"no connection within 0\.2 s") as caught:
            await api.get(server.url.replace("http", "https"))
    assert caught.value.phase == "connect"


async def test_an_attempt_that_timed_out_is_retried_and_its_connection_is_not_used_again():
    async def slow_then_quick(peer: Peer) -> None:
        while await peer.request() is not None:
            if peer.number == 1:
                await peer.gone()
                return
            await peer.write(OK)

    async with scripted(slow_then_quick) as server, Client(server.url, timeout=Timeout(20, attempt=0.2)) as api:
        answer = await api.get("/")
    assert [attempt.status for attempt in answer.attempts] == [None, 200]
    assert answer.attempts[0].error.startswith("RequestTimeout: ")
    assert len(server.peers) == 2


# What an error holds

ECHOES = {  # the request's head comes back where only an error can show it
    "status line": lambda head: b"HTP " + head,
    "reason": lambda head: b"HTTP/1.1 2x0 " + head.replace(b"\r\n", b" ") + b"\r\n\r\n",
    "header name": lambda head: b"HTTP/1.1 200 OK\r\n" + head.replace(b"\r\n", b" ").replace(b":", b" ") + b"\r\n\r\n",
    "header value": lambda head: b"HTTP/1.1 200 OK\r\nX: \0" + head.replace(b"\r\n", b" ") + b"\r\n\r\n",
    "large header": lambda head: b"HTTP/1.1 200 OK\r\nX: " + head.replace(b"\r\n", b" ") * 5000 + b"\r\n\r\n",
    "length": lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: " + head.replace(b"\r\n", b" ") + b"\r\n\r\n",
    "coding": lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Encoding: "
    + head.partition(b": ")[2].partition(b"\r\n")[0] + b"\r\n\r\n\xff",
    "chunk size": lambda head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ" + head,
    "chunk end": lambda head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx" + head,
    "chunk extension": lambda head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;\0" + head,
    "trailer": lambda head: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\0" + head,
    "coded body": lambda head: encoded("gzip", head),
    "body that is cut": lambda head: b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + head,
    "nothing": lambda head: b"",
}  # fmt: skip


def shown(error: BaseException) -> str:
    """All that a listener could write down who walks along the chain."""
    left, seen, text = [error], [], ["".join(traceback.format_exception(error))]
    while left:
        one = left.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        text += [repr(one), str(one), repr(one.args)]
        left += [one.__cause__, one.__context__]
    return "\n".join(text)


async def streamed(api: Client) -> bytes:
    async with api.stream("GET", "/") as response:
        return await response.read()


@pytest.mark.parametrize("way", ["read", "stream"])
@pytest.mark.parametrize("name", ECHOES)
async def test_no_error_and_none_behind_it_holds_what_was_sent_in_secret(name, way):
    async def script(peer: Peer) -> None:
        seen = await peer.head()
        await peer.write(ECHOES[name](seen.raw))

    secrets = {"headers": {"Authorization": SECRET, "X-Api-Key": SECRET, "Cookie": f"sid={SECRET}"}}
    async with scripted(script) as server, Client(server.url, retry=None, params={"api_key": SECRET}, **secrets) as api:
        with pytest.raises(ProtocolError) as caught:
            await (api.get("/") if way == "read" else streamed(api))
    assert SECRET not in shown(caught.value)
    assert SECRET not in repr([attempt.error for attempt in caught.value.attempts])


@pytest.mark.parametrize("target", ["http://example.invalid/", "https://example.invalid/"])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 407 %s\r\nContent-Length: 0\r\n\r\n",
        b"HTP %s\r\n\r\n",
        b"",
    ],
)
async def test_no_error_holds_the_password_of_the_proxy(answer, target):
    async def script(peer: Peer) -> None:
        seen = await peer.head()
        said = seen.headers.get("Proxy-Authorization", "").encode()
        await peer.write(answer % said if b"%s" in answer else answer)

    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    async with scripted(script) as proxy, Client(retry=None, proxy=proxy.url.replace("//", f"//me:{SECRET}@")) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get(target)
    assert SECRET not in shown(caught.value)
    assert basic not in shown(caught.value)


async def test_what_an_error_says_of_a_refused_header_is_not_the_header():
    async with Client("http://127.0.0.1:1", retry=None) as api:
        with pytest.raises(AsyncAPIError) as caught:
            await api.get("/", headers={"Authorization": f"{SECRET}\udc80"})
    assert SECRET not in shown(caught.value)
