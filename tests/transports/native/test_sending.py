"""Request bodies: sent as fast as they are taken, until a response comes; nothing of the caller's is left running."""

from __future__ import annotations

import asyncio

import pytest

from asyncapi import Client, ConfigError, ProtocolError
from asyncapi.testing import FakeClock, run
from memory_wire import Net
from stepping import each_cancellation

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
LARGE = bytes(1_000_000)


def client(net, **settings) -> Client:
    clock = FakeClock()
    return Client("http://h", transport=net.transport(clock), clock=clock, **{"retry": None, **settings})


def at_the_end(line) -> None:
    """Answer a chunked request once it is whole."""
    if line.sent.endswith(b"0\r\n\r\n"):
        line.send(OK + b"hi")


def early(line) -> None:
    """Answer as soon as anything of the request has come."""
    if line.sent.startswith(b"POST"):
        line.sent = b"-"
        line.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")


async def test_a_stream_is_sent_in_chunks():
    net = Net(at_the_end)

    async def body():
        yield b"ab"
        yield b""
        yield b"cde"

    async with client(net) as api:
        assert (await api.post("/", content=body())).text == "hi"
    assert net.lines[0].sent.endswith(b"\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")


def test_a_large_body_is_sent_whole_and_its_connection_used_again():
    async def scenario():
        def script(line) -> None:
            if line.sent.endswith(LARGE):
                line.sent = b""
                line.send(OK + b"hi")

        net = Net(script)
        async with client(net) as api:
            for _ in range(2):
                assert (await api.post("/", content=LARGE)).text == "hi"
            assert len(net.lines) == 1

    run(scenario())


def test_a_full_connection_holds_the_caller_s_stream_back():
    async def scenario():
        net, taken = Net(at_the_end), 0

        async def body():
            nonlocal taken
            for _ in range(20):
                taken += 1
                yield b"piece"

        async with client(net) as api:
            dial = net.dial

            async def full(*args, **settings):
                line, protocol = await dial(*args, **settings)
                protocol.pause_writing()
                return line, protocol

            net.dial = full
            call = asyncio.ensure_future(api.post("/", content=body()))
            for _ in range(50):
                await asyncio.sleep(0)
            assert taken == 1
            net.lines[0].protocol.resume_writing()
            assert (await call).text == "hi"
            assert taken == 20

    run(scenario())


@pytest.mark.parametrize("endless", [True, False], ids=["a stream that waits", "a large body"])
def test_an_early_response_ends_the_upload_and_the_connection(endless):
    async def scenario():
        # the caller's stream has begun when the server answers
        net, ended = Net(lambda line: (endless and b"first" not in line.sent) or early(line)), []

        async def body():
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        async with client(net, raise_for_status=False) as api:
            response = await api.post("/", content=body() if endless else LARGE)
            assert (response.status, response.text) == (413, "no")
            assert not endless or ended == [True]
            assert (await api.post("/", content=b"first")).status == 413
            assert len(net.lines) == 2

    run(scenario())


def test_a_stream_that_fails_is_the_caller_s_error_and_ends_the_connection():
    async def scenario():
        net = Net(at_the_end)

        async def body():
            yield b"first"
            raise KeyError("mine")

        async with client(net) as api:
            with pytest.raises(ConfigError, match="reading the request body failed: KeyError"):
                await api.post("/", content=body())
            await asyncio.sleep(0)
            assert not net.open

    run(scenario())


def test_the_body_waits_for_100_continue():
    async def scenario():
        def script(line) -> None:
            if b"body" in line.sent:
                line.send(OK + b"hi")
            elif line.sent.endswith(b"\r\n\r\n"):
                line.loop.call_later(0.5, line.send, b"HTTP/1.1 100 Continue\r\n\r\n")

        net = Net(script)
        async with client(net) as api:
            response = await api.post("/", content=b"body", headers={"Expect": "100-continue"})
            assert response.text == "hi"
            assert asyncio.get_running_loop().time() == 0.5

    run(scenario())


def test_the_body_is_sent_after_a_second_to_a_server_that_does_not_know_expect():
    async def scenario():
        net = Net(lambda line: b"body" in line.sent and line.send(OK + b"hi"))
        async with client(net) as api:
            assert (await api.post("/", content=b"body", headers={"Expect": "100-continue"})).text == "hi"
            assert asyncio.get_running_loop().time() == 1.0

    run(scenario())


def test_no_body_is_sent_where_the_server_refuses_before():
    async def scenario():
        net = Net(early)
        async with client(net, raise_for_status=False) as api:
            response = await api.post("/", content=b"body", headers={"Expect": "100-continue"})
            assert response.status == 413
            assert net.lines[0].sent == b"-"
            assert asyncio.get_running_loop().time() == 0.0

    run(scenario())


def test_no_body_is_sent_after_a_final_head_whose_own_body_is_still_to_come():
    async def scenario():
        def script(line) -> None:
            if line.sent.startswith(b"POST"):
                line.sent = b"-"
                line.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n")
                line.loop.call_later(5.0, line.send, b"no")

        net = Net(script)
        async with client(net, raise_for_status=False) as api:
            for number in (1, 2):
                response = await api.post("/", content=b"body", headers={"Expect": "100-continue"})
                assert (response.status, response.text) == (413, "no")
                assert all(line.sent == b"-" for line in net.lines)
                assert len(net.lines) == number

    run(scenario())


# A streamed response that begins before its request has ended


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def echo(line) -> None:
    """Send back the chunks of a request as they come, after the head."""
    if line.sent.startswith(b"POST"):
        line.sent = line.sent.partition(b"\r\n\r\n")[2]
        line.send(CHUNKED)
    if line.sent:
        line.sent = line.send(line.sent) or b""


def test_a_server_may_send_back_what_it_receives():
    async def scenario():
        net, read = Net(echo), []

        async def body():
            for number in range(5):
                while len(read) < number:  # nothing more before the server has sent that back
                    await asyncio.sleep(0)
                yield b"%d" % number

        async with client(net) as api:
            for _ in range(2):
                async with api.stream("POST", "/", content=body()) as response:
                    async for piece in response.bytes():
                        read.append(piece)
                assert read == [b"0", b"1", b"2", b"3", b"4"]
                read.clear()
            assert len(net.lines) == 1

    run(scenario())


def test_a_stream_that_fails_beside_its_response_ends_the_response():
    async def scenario():
        net = Net(echo)

        async def body():
            yield b"first"
            await asyncio.sleep(1)
            raise KeyError("mine")

        async with client(net) as api:
            async with api.stream("POST", "/", content=body()) as response:
                pieces = response.bytes()
                assert await anext(pieces) == b"first"
                with pytest.raises(ConfigError, match="reading the request body failed: KeyError") as caught:
                    await anext(pieces)
            assert caught.value.request is not None
            await asyncio.sleep(0)
            assert not net.open

    run(scenario())


@pytest.mark.parametrize("how", ["read to its end", "left early", "cut"])
def test_the_end_of_a_streamed_response_ends_what_is_still_sent(how):
    async def scenario():
        net, ended = Net(echo), []

        async def body():
            try:
                yield b"first"
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        async with client(net) as api:
            async with api.stream("POST", "/", content=body()) as response:
                pieces = response.bytes()
                assert await anext(pieces) == b"first"
                if how == "read to its end":
                    net.lines[0].send(b"0\r\n\r\n")
                    assert [piece async for piece in pieces] == []
                elif how == "cut":
                    net.lines[0].hang_up()
                    with pytest.raises(ProtocolError, match="broke off"):
                        await anext(pieces)
            for _ in range(5):
                await asyncio.sleep(0)
            assert ended == [True]
            assert not net.open

    run(scenario())


@pytest.mark.parametrize("fails", [False, True], ids=["well", "with an error of the caller's"])
def test_a_cancelled_call_that_sends_beside_its_response_leaves_nothing(fails):
    async def scenario(loop):
        net = Net(echo)
        async with client(net) as api:

            async def body():
                for _ in range(3):
                    await asyncio.sleep(0)
                    yield b"some"
                if fails:
                    raise KeyError("mine")

            async def call():
                async with api.stream("POST", "/", content=body()) as response:
                    assert await response.read() == b"some" * 3

            loop.victim = asyncio.create_task(call())
            await asyncio.wait([loop.victim])
            for _ in range(10):
                await asyncio.sleep(0)
            assert all(line.protocol.exchange is None for line in net.open)
        assert not net.open

    assert each_cancellation(scenario) > 10


def test_a_cancelled_call_whose_stream_fails_leaves_no_complaint():
    async def scenario(loop):
        net = Net(at_the_end)
        async with client(net) as api:

            async def body():
                await asyncio.sleep(0)
                yield b"some"
                raise KeyError("mine")

            loop.victim = asyncio.create_task(api.post("/", content=body()))
            await asyncio.wait([loop.victim])
            for _ in range(5):
                await asyncio.sleep(0)
        assert not net.open

    assert each_cancellation(scenario) > 10
