"""The program of a local process ends when its coordinator does."""

import asyncio
import socket
import subprocess
import sys

from asyncapi.bulk.fleet.local import read_message, write_message
from asyncapi.bulk.fleet.process import _portable


async def test_a_process_says_that_it_is_alive_and_ends_with_its_socket():
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "asyncapi.bulk.fleet.process", str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
    theirs.close()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    assert (await asyncio.wait_for(read_message(reader), 30))[0] == "alive"
    write_message(writer, ("stop", "no such run", "interrupted", 130))
    writer.close()
    await writer.wait_closed()
    assert await asyncio.to_thread(process.wait, 30) == 0


def test_an_error_that_does_not_pickle_is_carried_as_text():
    class Odd(Exception):
        def __reduce__(self):
            raise TypeError

    assert str(_portable(Odd("boom"))) == "Odd: boom"
    kept = ValueError("boom")
    assert _portable(kept) is kept
