"""A call that is being made can be asked, watched and cancelled as any call of grpc.aio."""

import asyncio
import gc

import pytest
from grpc import StatusCode, aio

from asyncapi.speakers.rpc.started import OpenedStream, StartedStream, StartedUnary


class Made:
    """The channel's call that comes of it."""

    def __init__(self):
        self.callbacks = []
        self.is_done = False

    def done(self):
        return self.is_done

    def cancelled(self):
        return False

    def cancel(self):
        self.is_done = True
        return True

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def time_remaining(self):
        return 3.0

    async def code(self):
        return StatusCode.OK

    async def details(self):
        return "fine"

    async def debug_error_string(self):
        return "none"

    async def initial_metadata(self):
        return (("a", "1"),)

    async def trailing_metadata(self):
        return (("b", "2"),)

    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return "reply"


class Attempts:
    """What makes the attempts."""

    def __init__(self):
        self.made = None
        self.stopped = False

    def cancel(self):
        self.stopped = True


def started(kind, outcome):
    rpc = Attempts()

    async def run():
        await asyncio.sleep(0)
        if isinstance(outcome, BaseException):
            raise outcome
        rpc.made = Made()
        return rpc.made if kind is StartedUnary else outcome

    return kind(asyncio.create_task(run()), rpc), rpc


async def each(*messages):
    for message in messages:
        yield message


REFUSED = aio.AioRpcError(StatusCode.UNAVAILABLE, aio.Metadata(("i", "1")), aio.Metadata(("t", "2")), "no", "why")


async def test_it_passes_on_what_the_channels_call_says():
    call, _ = started(StartedUnary, None)
    assert not call.done()
    assert call.time_remaining() is None
    assert await call == "reply"
    assert (await call.code(), await call.details()) == (StatusCode.OK, "fine")
    assert await call.debug_error_string() == "none"
    assert await call.initial_metadata() == (("a", "1"),)
    assert await call.trailing_metadata() == (("b", "2"),)
    assert call.time_remaining() == 3.0
    await call.wait_for_connection()
    assert not call.cancelled()
    assert call.cancel()
    assert call.done()


async def test_a_failure_has_its_code_and_metadata():
    call, _ = started(StartedUnary, REFUSED)
    assert (await call.code(), await call.details()) == (StatusCode.UNAVAILABLE, "no")
    assert await call.debug_error_string() == "why"
    assert dict(await call.initial_metadata()) == {"i": "1"}
    assert dict(await call.trailing_metadata()) == {"t": "2"}
    assert call.done()
    assert not call.cancelled()
    assert not call.cancel()
    with pytest.raises(aio.AioRpcError):
        await call


async def test_it_can_be_cancelled_while_attempts_are_made():
    call, rpc = started(StartedStream, each())
    assert call.cancel()
    assert rpc.stopped
    assert await call.code() is StatusCode.CANCELLED
    assert call.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await call.read()


async def test_messages_are_read_by_either_way_and_end():
    call, _ = started(StartedStream, each(1, 2))
    assert await call.read() == 1
    assert [message async for message in call] == [2]
    assert await call.read() is aio.EOF


@pytest.mark.parametrize("outcome", [REFUSED, None])
async def test_callbacks_run_when_it_has_ended(outcome):
    call, rpc = started(StartedUnary, outcome)
    ended = []
    call.add_done_callback(ended.append)
    assert ended == []
    await call.wait_for_connection()
    await asyncio.sleep(0)
    if outcome is None:
        assert ended == []
        rpc.made.is_done = True
        rpc.made.callbacks[0](rpc.made)
    assert ended == [call]
    call.add_done_callback(ended.append)
    assert ended == [call, call]


async def test_an_error_that_is_no_status_is_raised_as_it_is():
    call, _ = started(StartedUnary, ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        await call.code()


async def test_messages_are_not_written_to_it():
    call, _ = started(StartedStream, each())
    for write in (call.write(1), call.done_writing()):
        with pytest.raises(NotImplementedError):
            await write


async def test_a_stream_passes_on_what_the_channels_call_says():
    made = Made()
    call = OpenedStream(made, each(1, 2))
    assert (await call.code(), await call.details(), call.time_remaining()) == (StatusCode.OK, "fine", 3.0)
    assert await call.debug_error_string() == "none"
    assert await call.initial_metadata() == (("a", "1"),)
    assert await call.trailing_metadata() == (("b", "2"),)
    await call.wait_for_connection()
    ended = []
    call.add_done_callback(ended.append)
    assert await call.read() == 1
    assert [message async for message in call] == [2]
    assert await call.read() is aio.EOF
    assert not call.cancelled()
    assert call.cancel()
    assert call.done()
    made.callbacks[0](made)
    call.add_done_callback(ended.append)
    assert ended == [call, call]


async def test_a_stream_that_nobody_holds_is_cancelled():
    made = Made()
    call = OpenedStream(made, each(1, 2))
    call.add_done_callback(call.done)
    del call
    gc.collect()
    assert made.is_done
    made.callbacks[0](made)  # and calls nobody
