"""Messages on their way to the transport: one at a time, and never sent twice unless they can be."""

import asyncio

import pytest

from asyncapi import ConfigError
from asyncapi.speakers.rpc.requests import Written, body_of


def frame(message):
    return b"<" + message + b">"


async def test_written_messages_are_taken_one_by_one():
    written = Written(frame)
    pieces = written.body.open()
    writing = [asyncio.ensure_future(written.write(message)) for message in (b"a", b"b")]
    assert [await anext(pieces), await anext(pieces)] == [b"a", b"b"]
    assert await asyncio.gather(*writing) == [True, True]
    written.close()
    assert [piece async for piece in pieces] == []
    assert await written.write(b"c") is False


async def test_a_writer_waits_until_its_message_is_taken():
    written = Written(frame)
    writing = asyncio.ensure_future(written.write(b"a"))
    await asyncio.sleep(0)
    assert not writing.done()
    assert written.body.rewindable
    assert await anext(written.body.open()) == b"a"
    assert not written.body.rewindable
    assert await writing is True


async def test_a_call_that_has_ended_takes_no_more_and_does_not_look_whole():
    written = Written(frame)
    pieces = written.body.open()
    waiting = asyncio.ensure_future(anext(pieces, None))
    writing = asyncio.ensure_future(Written(frame).write(b""))
    await asyncio.sleep(0)
    written.stop()
    await asyncio.sleep(0)
    assert not waiting.done()  # an end would say that the request is whole
    assert await written.write(b"a") is False
    for task in (waiting, writing):
        task.cancel()
    await asyncio.gather(waiting, writing, return_exceptions=True)


async def test_a_list_can_be_sent_again_and_an_iterator_until_it_has_begun():
    async def each():
        yield b"a"

    for messages, again in (([b"a"], True), (iter([b"a"]), False), (each(), False)):
        body = body_of(messages, frame)
        assert body.rewindable
        assert [piece async for piece in body.open()] == [b"<a>"]
        assert body.rewindable is again


@pytest.mark.parametrize("messages", [3, "text", b"bytes", {"a": 1}])
def test_what_is_no_stream_of_messages_is_refused(messages):
    with pytest.raises(ConfigError, match="an iterable of them"):
        body_of(messages, frame)
