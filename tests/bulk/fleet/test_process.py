"""The program of a local process ends when its coordinator does."""

import asyncio
import sys
from asyncio.subprocess import PIPE

from asyncapi.bulk.fleet.local import read_message, write_message
from asyncapi.bulk.fleet.process import _portable


async def test_a_process_says_that_it_is_alive_and_ends_with_its_stdin():
    command = (sys.executable, "-m", "asyncapi.bulk.fleet.process")
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert (await asyncio.wait_for(read_message(process.stdout), 60))[0] == "alive"
    write_message(process.stdin, ("stop", "no such run", "interrupted", 130))
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 60) == 0


def test_an_error_that_does_not_pickle_is_carried_as_text():
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError

    assert str(_portable(Odd("boom"))) == "Odd: boom"
    kept = ValueError("boom")
    assert _portable(kept) is kept
