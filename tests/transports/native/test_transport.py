"""The native transport: what it adds to a request, what it makes of a response, and what it leaves behind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import weakref
import zlib

import pytest

from asyncapi import Client, ConfigError, ProtocolError, RequestTimeout, Timeout
from asyncapi.testing import FakeClock, run
from asyncapi.transports.native.exchange import Exchange
from asyncapi.transports.native.transport import NativeTransport
from memory_wire import Net, request_of


def answering(response: bytes):
    def script(line) -> None:
        while request_of(line):
            line.send(response)

    return script


def coded(coding: str, body: bytes, *, chunked: bool = False) -> bytes:
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    else:
        framing = b"Content-Length: %d" % len(body)
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\n%b\r\n\r\n%b" % (coding.encode(), framing, body)


def client(net, base="http://h", *, max_body=1 << 20, transport=None, **settings) -> Client:
    clock = FakeClock()
    made = net.transport(clock, max_body=max_body, **(transport or {}))
    return Client(base, transport=made, clock=clock, **{"retry": None, **settings})


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize(("coding", "code"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_coded_body_is_decoded(coding, code, chunked):
    async def scenario():
        net = Net(answering(coded(coding, code(b"text" * 1000), chunked=chunked)))
        async with client(net) as api:
            for _ in range(2):
                assert (await api.get("/")).content == b"text" * 1000
            async with api.stream("GET", "/") as response:
                assert b"".join([piece async for piece in response.bytes()]) == b"text" * 1000
            assert len(net.lines) == 1

    run(scenario())


def test_a_body_that_decodes_to_more_than_the_bound_is_an_error():
    async def scenario():
        net = Net(answering(coded("gzip", gzip.compress(bytes(10_000_000)))))
        async with client(net, max_body=100_000) as api:
            with pytest.raises(ProtocolError, match=r"max_body=100,000 bytes .decoded"):
                await api.get("/")

    run(scenario())


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"text")[:-3], b"no gzip at all", gzip.compress(b"text") + b"more"],
    ids=["cut", "none", "with more behind it"],
)
def test_a_coded_body_that_is_not_whole_is_an_error(body):
    async def scenario():
        net = Net(answering(coded("gzip", body)))
        async with client(net) as api:
            with pytest.raises(ProtocolError, match="can't be decoded"):
                await api.get("/")

    run(scenario())


def test_user_info_becomes_a_header():
    async def scenario():
        net = Net(lambda line: line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        async with client(net, "") as api:
            await api.get("http://me:p%40ss@h/x@y")
            assert b"GET /x@y HTTP/1.1\r\nHost: h\r\n" in net.lines[0].sent
            assert b"Authorization: Basic bWU6cEBzcw==\r\n" in net.lines[0].sent

    run(scenario())


def test_cookies_are_kept_where_they_are_asked_for():
    async def scenario():
        for cookies in (True, False):
            net = Net(lambda line: line.send(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"))
            async with client(net, transport={"cookies": cookies}) as api:
                await api.get("/")
                await api.get("/")
                assert (b"Cookie: a=b\r\n" in net.lines[-1].sent) is cookies

    run(scenario())


def test_the_attempt_s_limit_ends_it_in_each_phase():
    async def scenario():
        parts = {
            "headers": b"",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        }
        for phase, part in parts.items():
            net = Net(answering(part) if part else lambda line: None)
            async with client(net, timeout=Timeout(attempt=2)) as api:
                with pytest.raises(RequestTimeout, match=f"2 s and was ended during {phase}"):
                    await api.get("/")
                assert not net.open or all(line.aborted for line in net.open)

    run(scenario())


def test_a_final_response_is_no_interim_one():
    async def scenario():
        net = Net(answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nbytes of it"))
        async with client(net) as api:
            with pytest.raises(ProtocolError, match="sent 101 as the final status"):
                await api.get("/")
            assert not net.lines[0].protocol.exchange

    run(scenario())


def test_no_task_and_no_timer_is_made_for_a_request():
    async def scenario():
        net = Net(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        async with client(net) as api:
            await api.get("/")
            loop, made = asyncio.get_running_loop(), []
            for name in ("create_task", "call_later", "call_at"):
                usual = getattr(loop, name)

                def counting(*args, usual=usual, name=name, **settings):
                    made.append(name)
                    return usual(*args, **settings)

                setattr(loop, name, counting)
            for _ in range(10):
                await api.get("/")
            for name in ("create_task", "call_later", "call_at"):
                delattr(loop, name)
            assert made == []

    run(scenario())


@pytest.mark.parametrize(("settings", "words"), [
    ({"proxy": "ftp://p"}, "proxy="),
    ({"unix_socket": 5}, "unix_socket="),
])  # fmt: skip
def test_settings_that_make_no_sense_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        NativeTransport(clock=FakeClock(), max_body=None, **settings)


@pytest.mark.parametrize("kind", ["gzip", "in pieces", "streamed", "streamed, gzip", "streamed, left early"])
def test_a_call_leaves_no_reference_cycle(kind):
    """What a call has made is gone with it: a busy client isn't slowed by garbage collections."""

    async def scenario():
        plain = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        zipped = coded("gzip", gzip.compress(b"hi", mtime=0))

        def script(line) -> None:
            if request_of(line):
                response = zipped if "gzip" in kind else plain
                line.send_later(response[:-8], *[response[-8:]] * ("early" not in kind))

        made = []

        class Watched(Exchange):
            __slots__ = ("__weakref__",)

            def __init__(self, *args) -> None:
                super().__init__(*args)
                made.append(weakref.ref(self))

        async with client(Net(script)) as api:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("asyncapi.transports.native.transport.Exchange", Watched)
                if "streamed" in kind:
                    async with api.stream("GET", "/") as response:
                        assert "early" in kind or await response.read() == b"hi"
                else:
                    assert (await api.get("/")).content == b"hi"
            for _ in range(5):
                await asyncio.sleep(0)
            assert [each() for each in made] == [None]

    gc.collect()
    gc.disable()
    try:
        run(scenario())
    finally:
        gc.enable()
