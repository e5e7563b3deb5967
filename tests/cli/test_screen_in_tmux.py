"""The live screen in a real terminal: tmux, which is resized while the job runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes

PROGRAM = "from asyncapi.cli import main; main()"


class Terminal:
    def __init__(self, socket):
        self._socket = socket

    async def tmux(self, *arguments):
        process = await asyncio.create_subprocess_exec(
            "tmux", "-S", str(self._socket), "-f", "/dev/null", *arguments, stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "COLUMNS": "80", "LINES": "24"},
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode()

    async def resize(self, columns):
        await self.tmux("resize-window", "-t", "job", "-x", str(columns), "-y", "24")

    async def lines(self, until):
        """The lines that are shown, once this is so of their text."""
        async with asyncio.timeout(60):
            while True:
                shown = [line.rstrip() for line in (await self.tmux("capture-pane", "-p", "-t", "job")).splitlines()]
                if until("\n".join(shown)):
                    return [line for line in shown if line]
                await asyncio.sleep(0.05)


@pytest.fixture
async def terminal(tmp_path):
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")

    @asynccontextmanager
    async def opened(command, columns):
        made = Terminal(tmp_path / "tmux")
        text = f"echo before the job; {command}; echo exit $?; sleep 600"
        await made.tmux(
            "new-session", "-d", "-s", "job", "-x", str(columns), "-y", "24", "-c", str(tmp_path), "sh", "-c", text
        )
        try:
            yield made
        finally:
            await made.tmux("kill-server")

    return opened


@pytest.fixture
def gate(server):
    """The server keeps every second request until the gate opens."""
    opened = asyncio.Event()

    async def answer(request):
        if request.path.endswith(("1", "3", "5", "7", "9")):
            await opened.wait()
        return web.json_response({"path": request.path})

    server.answer = answer
    yield opened
    opened.set()


async def test_nothing_wraps_at_any_width_and_nothing_is_left_behind(tmp_path, server, gate, terminal):
    (tmp_path / "in.txt").write_text("".join(f"{server.url}/{n}\n" for n in range(200)))
    command = f"{sys.executable} -c '{PROGRAM}' fetch in.txt -o {'long-name-' * 5}.jsonl -c 10"
    async with terminal(command, 80) as shown:
        await shown.lines(lambda text: "in flight 10" in text)
        for columns in (80, 60, 120, 40, 80):
            await shown.resize(columns)
            bar = max(10, columns - 40)
            lines = await shown.lines(
                lambda text, bar=bar, columns=columns: any(
                    bar <= line.count("─") + line.count("━") < columns for line in text.splitlines()
                ) and text.count("fetching") == 1
            )  # fmt: skip
            lines = lines[lines.index(next(line for line in lines if line.startswith("fetching"))) :]
            assert sum("─" in line for line in lines) == 1
            text = "\n".join(lines)
            for fact in ("in flight 10", "queued", "rows/s", "retries 0", "limits 10 at a time", "200: "):
                assert fact in text
            assert all(len(line) < columns for line in lines)
        gate.set()
        lines = await shown.lines(lambda text: "exit 0" in text)
        assert any(line.startswith("done: 200 rows") for line in lines)
        assert "in flight" not in "\n".join(lines)
        assert "before the job" in await shown.tmux("capture-pane", "-p", "-t", "job", "-S", "-100")


async def test_rows_on_the_same_terminal_are_alone_until_the_summary(tmp_path, server, terminal):
    (tmp_path / "in.txt").write_text("".join(f"{server.url}/{n}\n" for n in range(3)))
    async with terminal(f"{sys.executable} -c '{PROGRAM}' fetch in.txt -o -", 200) as shown:
        lines = await shown.lines(lambda text: "exit 0" in text)
    assert [line[0] for line in lines[1:4]] == ["{"] * 3
    assert lines[4].startswith("done: 3 rows")
    assert "fetching" not in "\n".join(lines)
