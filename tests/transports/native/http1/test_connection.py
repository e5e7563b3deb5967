"""One HTTP/1.1 connection of our own: no byte of one response reaches another, whatever is cancelled and whenever."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl

import pytest

from asyncapi import Client, ProtocolError, Retry
from asyncapi.testing import FakeClock, run
from memory_wire import Line, Net, request_of
from servers import scripted
from stepping import each_cancellation

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


def echo(line: Line) -> None:
    """Answer each request with the last part of its path."""
    while head := request_of(line):
        body = head.split(b" ", 2)[1].rpartition(b"/")[2]
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def client(net: Net, **settings) -> Client:
    clock = FakeClock()
    return Client("http://h", transport=net.transport(clock), clock=clock, **{"retry": None, **settings})


async def texts(api: Client, *paths: str) -> list[str]:
    return [(await api.get(path)).text for path in paths]


# Reuse


def test_one_connection_carries_one_call_after_the_other():
    async def scenario():
        net = Net(echo)
        async with client(net) as api:
            assert await texts(api, "/a", "/b", "/c") == ["a", "b", "c"]
            assert len(net.lines) == 1
        assert not net.open

    run(scenario())


def test_nothing_is_pipelined():
    async def scenario():
        def one_at_a_time(line: Line) -> None:
            assert line.sent.count(b"\r\n\r\n") <= 1
            echo(line)

        net = Net(one_at_a_time)
        async with client(net, concurrency=7) as api:
            await api.gather([f"/{n}" for n in range(100)])
            assert len(net.lines) <= 7

    run(scenario())


UNASKED = {
    "a byte": b"x",
    "a response": OK + b"no",
    "an interim response": b"HTTP/1.1 100 Continue\r\n\r\n",
    "a line break": b"\r\n",
}


@pytest.mark.parametrize("surplus", UNASKED.values(), ids=UNASKED)
@pytest.mark.parametrize("when", ["with the response", "a turn later"])
def test_an_unasked_byte_closes_the_connection_and_reaches_nobody(surplus, when):
    async def scenario():
        def script(line: Line) -> None:
            head = request_of(line)
            body = head.split(b" ", 2)[1].rpartition(b"/")[2]
            response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            if when == "with the response":
                line.send(response + surplus)
            else:
                line.send(response)
                line.loop.call_soon(line.send, surplus)

        net = Net(script)
        async with client(net) as api:
            for path in ("a", "b", "c"):
                assert (await api.get(f"/{path}")).text == path
                for _ in range(3):
                    await asyncio.sleep(0)
            assert len(net.lines) == 3

    run(scenario())


@pytest.mark.parametrize("response", [
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nhi",
])  # fmt: skip
def test_a_connection_that_the_server_gives_up_is_not_used_again(response):
    async def scenario():
        net = Net(lambda line: request_of(line) and line.send(response))
        async with client(net) as api:
            assert await texts(api, "/a", "/b") == ["hi", "hi"]
            assert len(net.lines) == 2

    run(scenario())


def test_a_login_for_the_proxy_that_the_program_sets_takes_precedence():
    async def scenario():
        net = Net(lambda line: line.send(OK + b"hi"))
        clock = FakeClock()
        transport = net.transport(clock, proxy="http://me:word@proxy")
        async with Client("http://h", transport=transport, clock=clock) as api:
            await api.get("/a")
            await api.get("/b", headers={"proxy-authorization": "Basic eA=="})
        first, second = net.lines[0].sent.split(b"\r\n\r\n")[:2]
        assert b"GET http://h/a HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n" in first
        assert second.lower().count(b"proxy-authorization") == 1
        assert b"Basic eA==" in second

    run(scenario())


@pytest.mark.parametrize("value", ["close", "x, Close"])
def test_a_connection_that_the_request_gives_up_is_not_used_again(value):
    """RFC 9112 section 9.6: the client must not send another request, whatever the response says."""

    async def scenario():
        net = Net(echo)
        async with client(net) as api:
            assert (await api.get("/a", headers={"Connection": value})).text == "a"
            assert net.lines[0].aborted
            assert await texts(api, "/b", "/c") == ["b", "c"]
            assert len(net.lines) == 2

    run(scenario())


def test_a_connection_whose_write_buffer_is_full_is_not_used_again():
    """A response may come before the server has read the request: the rest of that would hold back the next one."""

    async def scenario():
        def script(line: Line) -> None:
            if b"\r\n\r\n" in line.sent:
                line.sent = b""
                if line.number == 0:
                    line.protocol.pause_writing()
                line.send(OK + b"hi")

        net = Net(script)
        async with client(net) as api:
            for _ in range(3):
                assert (await api.post("/", content=bytes(60_000))).text == "hi"
            assert len(net.lines) == 2
            assert net.lines[0].aborted

    run(scenario())


# Failures


def test_a_connection_that_was_used_before_and_is_lost_is_stale():
    """The server had closed it: the request is sent again where that is safe, and not counted as a retry."""

    async def scenario():
        def script(line: Line) -> None:
            head = request_of(line)
            if head and line.number == 0 and line.served:
                line.hang_up()
            elif head:
                line.served = True
                line.send(OK + b"hi")

        net = Net(script)
        Line.served = False
        async with client(net, retry=Retry(2)) as api:
            await api.get("/a")
            response = await api.put("/b", json=1)
            assert response.text == "hi"
            assert [attempt.why for attempt in response.attempts][1].startswith("replay")
        del Line.served

    run(scenario())


@pytest.mark.parametrize(("part", "words"), [
    (b"", "before it sent a response"),
    (b"HTTP/1.1 200", "before it sent a response"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", "broke off"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "broke off"),
])  # fmt: skip
@pytest.mark.parametrize("reset", [True, False])
def test_a_response_that_is_cut_off_is_an_error(part, words, reset):
    async def scenario():
        def script(line: Line) -> None:
            if request_of(line):
                if part:
                    line.send(part)
                line.hang_up(ConnectionResetError(104, "reset") if reset else None)

        net = Net(script)
        async with client(net) as api:
            with pytest.raises(ProtocolError, match="in the middle of the response body|" + words):
                await api.get("/a")
        assert not net.open

    run(scenario())


def test_what_follows_a_body_that_nobody_limits_ends_with_the_connection():
    async def scenario():
        def script(line: Line) -> None:
            if request_of(line):
                line.send_later(b"HTTP/1.1 200 OK\r\n\r\nab", b"cd", turns=2)
                line._after(9, line.hang_up)

        net = Net(script)
        async with client(net) as api:
            assert await texts(api, "/a", "/b") == ["abcd", "abcd"]
            assert len(net.lines) == 2

    run(scenario())


def losing(net: Net, end, count: int = 1) -> Net:
    """Have the first connections come to an end as soon as they are made."""
    dial = net.dial

    async def lost(*args, **settings):
        line, protocol = await dial(*args, **settings)
        if line.number < count:
            end(line)
        return line, protocol

    net.dial = lost
    return net


@pytest.mark.parametrize("content", [None, b"small", bytes(100_000)], ids=["none", "small", "large"])
def test_a_connection_that_is_lost_as_soon_as_it_is_made_fails_its_call(content):
    """Nothing is written into it: uvloop would raise a RuntimeError."""

    async def scenario():
        net = losing(Net(echo), lambda line: line.hang_up(ConnectionResetError(104, "reset")), 99)
        async with client(net) as api:
            with pytest.raises(ProtocolError, match="closed the connection"):
                await api.post("/a", content=content)
            assert len(net.lines) < 9
            assert not api._transport._pool.origins

    run(scenario())


def test_a_request_that_was_never_written_is_sent_again_whatever_its_method():
    async def scenario():
        net = losing(Net(lambda line: line.sent.endswith(b"1") and line.send(OK + b"hi")), Line.hang_up)
        async with client(net, retry=Retry(2)) as api:
            response = await api.post("/a", json=1)
            assert response.text == "hi"
            assert [attempt.unsure for attempt in response.attempts] == [False, False]

    run(scenario())


@pytest.mark.parametrize(("said", "words"), [
    (b"SSH-2.0-x\r\n", "an SSH server is on this port"),
    (b"220 mail.example\r\n", "a mail or FTP server is on this port"),
    (OK + b"hi", "it came before the request"),
])  # fmt: skip
def test_a_server_that_speaks_before_the_request_is_named(said, words):
    async def scenario():
        net = losing(Net(echo), lambda line: line.send(said))
        async with client(net) as api:
            with pytest.raises(ProtocolError, match=f"isn't valid HTTP: {words}"):
                await api.get("/a")
            assert (await api.get("/b")).text == "b"

    run(scenario())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("goodbye", [True, False], ids=["with close_notify", "without"])
@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "collected"])
async def test_a_body_to_the_end_of_tls_is_whole_where_tls_says_so(ours, version, goodbye, streamed):
    """Else anybody on the way could cut it off. A length, or the last chunk, says so itself.

    uvloop reports such an end as a lost connection.
    """
    responses = {
        "/open": b"\r\nhello",
        "/length": b"Content-Length: 5\r\n\r\nhello",
        "/chunks": b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    }

    async def script(peer):
        seen = await peer.request()
        await peer.write(b"HTTP/1.1 200 OK\r\n" + responses[seen.path])
        if not goodbye:
            with socket.socket(fileno=os.dup(peer.writer.get_extra_info("socket").fileno())) as wire:
                wire.shutdown(socket.SHUT_WR)
            await asyncio.Event().wait()

    async def read(api, path):
        if not streamed:
            return (await api.get(path)).content
        async with api.stream("GET", path) as response:
            return await response.read()

    context = ours.server()
    context.maximum_version = version
    async with scripted(script, tls=context) as server, Client(server.url, tls=ours.file, retry=None) as api:
        assert await read(api, "/length") == await read(api, "/chunks") == b"hello"
        if goodbye:
            assert await read(api, "/open") == b"hello"
        else:
            with pytest.raises(ProtocolError, match=r"closed (without an end of TLS|before its end)"):
                await read(api, "/open")


# Cancellation in every turn, once and twice; the response may come in the same turn


def slow(line: Line) -> None:
    while head := request_of(line):
        body = head.split(b" ", 2)[1].rpartition(b"/")[2]
        line.send_later(b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: %d\r\n\r\n" % len(body), body[:1], body[1:], turns=2)


@pytest.mark.parametrize("script", [echo, slow])
@pytest.mark.parametrize("warm", [True, False], ids=["over a kept connection", "over a new one"])
def test_a_cancelled_call_leaves_nothing_and_poisons_nobody(script, warm):
    async def scenario(loop):
        net = Net(script)
        async with client(net) as api:
            if warm:
                await api.get("/warm")
            loop.victim = asyncio.create_task(api.get("/victim"))
            others = [asyncio.create_task(api.get(f"/other{n}")) for n in range(3)]
            await asyncio.wait([loop.victim, *others])
            assert [task.result().text for task in others] == ["other0", "other1", "other2"]
            assert await texts(api, "/next", "/last") == ["next", "last"]
            pool = api._transport._pool
            assert pool.alive == len(net.open)
            assert all(line.protocol.exchange is None for line in net.open)
            idle = [each for origin in pool.origins.values() for each in origin.idle if not each.gone]
            assert len(idle) == len(net.open)
        assert not net.open

    assert each_cancellation(scenario) > 10


def test_a_cancelled_stream_leaves_nothing_and_poisons_nobody():
    body = b"".join(b"%x\r\n%b\r\n" % (4, b"abcd") for _ in range(5)) + b"0\r\n\r\n"

    def script(line: Line) -> None:
        while head := request_of(line):
            if head.startswith(b"GET /victim"):
                line.send_later(
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                    *(body[at : at + 7] for at in range(0, len(body), 7)), turns=2,
                )  # fmt: skip
            else:
                line.send(OK + b"hi")

    async def scenario(loop):
        net = Net(script)
        async with client(net) as api:

            async def read():
                async with api.stream("GET", "/victim") as response:
                    return [piece async for piece in response.bytes()]

            loop.victim = asyncio.create_task(read())
            await asyncio.wait([loop.victim])
            assert await texts(api, "/next", "/last") == ["hi", "hi"]
            assert all(line.protocol.exchange is None for line in net.open)
        assert not net.open

    assert each_cancellation(scenario) > 10


@pytest.mark.parametrize("early", [True, False], ids=["answered early", "answered at its end"])
def test_a_cancelled_upload_leaves_nothing_and_poisons_nobody(early):
    def script(line: Line) -> None:
        if line.sent.startswith(b"POST") and (early or line.sent.endswith(b"0\r\n\r\n")):
            line.sent = b""
            line.send(OK + b"hi")
        elif line.sent.startswith(b"GET"):
            line.sent = b""
            line.send(OK + b"ok")

    async def scenario(loop):
        net = Net(script)
        async with client(net) as api:

            async def body():
                for _ in range(4):
                    await asyncio.sleep(0)
                    yield b"some"

            loop.victim = asyncio.create_task(api.post("/victim", content=body()))
            await asyncio.wait([loop.victim])
            assert await texts(api, "/next", "/last") == ["ok", "ok"]
            assert all(line.protocol.exchange is None for line in net.open)
        assert not net.open

    assert each_cancellation(scenario) > 10


def test_calls_that_are_cancelled_at_random_never_get_each_other_s_responses():
    draw = random.Random(5)

    def script(line: Line) -> None:
        while head := request_of(line):
            body = head.split(b" ", 2)[1].rpartition(b"/")[2]
            data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
            cut = draw.randrange(len(data))
            line.send_later(data[:cut], data[cut:], turns=draw.randrange(4))

    async def scenario():
        net = Net(script)
        async with client(net, concurrency=5) as api:
            answered = 0

            async def one(number: int) -> None:
                nonlocal answered
                task = asyncio.create_task(api.get(f"/{number}"))
                for _ in range(draw.randrange(30)):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    answered += 1
                    assert task.result().text == str(number)

            for start in range(0, 3000, 30):
                await asyncio.gather(*(one(start + n) for n in range(30)))
            assert 300 < answered < 2900
        assert not net.open

    run(scenario())


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "read whole"])
def test_a_large_body_is_read_a_piece_in_each_turn(streamed):
    """However much there is at once: so that many large bodies never wait in memory for their tasks."""
    piece = bytes(256 * 1024)

    async def scenario():
        seen = []

        def script(line: Line) -> None:
            if request_of(line):
                line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * len(piece)))
                for _ in range(4):
                    line.send(piece)
                    seen.append(line.reading)

        net = Net(script)
        async with client(net) as api:
            for _ in range(2):
                if streamed:
                    async with api.stream("GET", "/a") as response:
                        size = sum([len(part) async for part in response.bytes()])
                else:
                    size = len((await api.get("/a")).content)
                assert size == 4 * len(piece)
            assert seen == [False] * 8
            assert len(net.lines) == 1
            assert net.lines[0].reading

    run(scenario())
