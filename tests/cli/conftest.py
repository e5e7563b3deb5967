"""A real server in this process, and the real command line in others."""

import asyncio
import sys

import pytest
from aiohttp import web


class Server:
    """Answers every path; `seen` is what came, `answer` says what goes back."""

    def __init__(self):
        self.seen = []
        self.url = ""
        self.arrived = asyncio.Condition()
        self.answer = self.echo

    async def echo(self, request):
        return web.json_response({"path": request.path})

    async def handle(self, request):
        async with self.arrived:
            self.seen.append(request)
            self.arrived.notify_all()
        return await self.answer(request)

    async def saw(self, count):
        """Wait until so many requests have come in all; two minutes at most."""
        async with asyncio.timeout(120), self.arrived:
            await self.arrived.wait_for(lambda: len(self.seen) >= count)


@pytest.fixture
async def server():
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
def start(tmp_path, lane, request):
    """Starts `asyncapi ARGS...` in `tmp_path`; on the lane of the test, where it has one."""
    chosen = ("--transport", lane) if request.node.get_closest_marker("lanes") else ()

    async def starter(*args, stdin=None, terminal=None, **settings):
        if args[:1] == ("fetch",):
            args = (*args, *chosen)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", "from asyncapi.cli import main; main()", *map(str, args), cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE if terminal is None else terminal, **settings,
        )  # fmt: skip

    return starter


@pytest.fixture
def asyncapi(start):
    """Runs `asyncapi ARGS...` to its end: exit code, stdout, stderr."""

    async def runner(*args, stdin=None, **settings):
        process = await start(*args, stdin=None if stdin is None else asyncio.subprocess.PIPE, **settings)
        out, err = await asyncio.wait_for(process.communicate(None if stdin is None else stdin.encode()), 60)
        assert b"Traceback" not in err, err.decode()
        return process.returncode, out.decode(), err.decode()

    return runner


@pytest.fixture
def inputs(tmp_path, server):
    """Writes a file with so many URLs of the server, and returns its name."""

    def write(count):
        (tmp_path / "in.txt").write_text("".join(f"{server.url}/{n}\n" for n in range(count)))
        return "in.txt"

    return write
