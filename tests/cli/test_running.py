"""Running a job: Ctrl-C at any moment, and the limits of the process."""

import asyncio
import fcntl
import json
import os
import resource
import signal
import sys
import termios
import time

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_saves_and_exits_130_within_two_seconds(tmp_path, server, start, asyncapi, inputs, number):
    async def answer(request):
        if int(request.path[1:]) % 10 == 3:
            await asyncio.sleep(600)
        return web.json_response(1)

    server.answer = answer
    inputs(400)
    process = await start("fetch", "in.txt", "-o", "out.jsonl", "-c", "8")
    await server.saw(40)
    process.send_signal(number)
    began = time.monotonic()
    _, err = await process.communicate()
    assert time.monotonic() - began < 2.5  # two, and what a busy machine takes to start and end a process
    assert process.returncode == 130
    assert b"interrupted: " in err
    assert b"run the same command with --resume" in err
    assert b"Traceback" not in err
    done = len(rows(tmp_path / "out.jsonl"))
    assert done >= 20
    server.answer = server.echo
    code, _, err = await asyncapi("fetch", "in.txt", "-o", "out.jsonl", "--resume")
    assert code == 0
    assert f"{done} done before" in err
    assert sorted(row["id"] for row in rows(tmp_path / "out.jsonl")) == list(range(400))


async def test_a_second_ctrl_c_exits_at_once(tmp_path, server, start, inputs):
    async def answer(request):
        await asyncio.sleep(600)
        return web.Response()

    server.answer = answer
    process = await start("fetch", inputs(50), "-o", "out.jsonl", "-c", "8")
    await server.saw(8)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    while process.returncode is None and time.monotonic() - began < 5:
        await asyncio.sleep(0.05)  # signals that come at once are one signal
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
    assert time.monotonic() - began < 1.4  # less than what those in flight would have been given
    assert process.returncode == 130
    await process.communicate()


async def test_ctrl_c_while_nobody_reads_stdout_exits_all_the_same(server, start, inputs):
    """The event loop hangs in a full pipe: a watchdog ends the process."""

    async def answer(request):
        await server.saw(50)  # else the pipe may be full before so many have come
        return web.json_response("x" * 20_000)

    server.answer = answer
    inputs(200)
    reader, writer = os.pipe()
    process = await start("fetch", "in.txt", "-o", f"/dev/fd/{writer}", pass_fds=(writer,))
    os.close(writer)
    await server.saw(50)
    while int.from_bytes(fcntl.ioctl(reader, termios.FIONREAD, bytes(4)), sys.byteorder) < 50_000:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 130
    os.close(reader)
    await process.communicate()


async def test_ctrl_c_while_waiting_for_input(server, start):
    process = await start("fetch", "-", "-o", "-", stdin=asyncio.subprocess.PIPE)
    process.stdin.write(f"{server.url}/0\n".encode())
    await process.stdout.readline()
    process.send_signal(signal.SIGINT)
    await asyncio.wait_for(process.wait(), 10)
    assert process.returncode == 130
    process.stdin.close()
    await process.communicate()


async def test_more_connections_than_open_files_are_allowed_by_default(server, start, inputs):
    """The limit of open files is raised as far as the system lets us."""

    def scarce():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    waiting = asyncio.Event()

    async def answer(request):
        if len(server.seen) == 150:
            waiting.set()
        await waiting.wait()
        return web.json_response(1)

    server.answer = answer
    process = await start("fetch", inputs(150), "-o", "out.jsonl", "-c", "150", "--retry", "1", preexec_fn=scarce)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
