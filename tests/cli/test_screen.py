"""The screen fits its terminal, says what matters, and leaves the terminal as it was."""

import asyncio
import io
import os
import signal

import pytest
from aiohttp import web
from rich.console import Console

from asyncapi.bulk import Job, Progress, Summary
from asyncapi.cli.screen import Lines, LiveScreen, Silent, line, summary_lines

LOOK = Progress(
    phase="fetching", total=10_000, done=2_500, ok=2_000, failed=400, unknown=1, skipped=99, in_flight=100, elapsed=61.0,
    rate=412.4, eta=3700.0, retries=213, p50=42.0, p95=1310.0, by_status={200: 2_000, 404: 60, 503: 340},
    by_error={"ServerError": 340, "NotFound": 60}, paused=12.0, limit="100 at a time, 50 a second",
    held={"budget": 37}, notes=("h asks to wait until 14:30:00", "another program locks the output"),
)  # fmt: skip
FACTS = ("2,500/10,000  25 %", "412 rows/s", "ETA 1:01:40", "elapsed 1:01", "in flight 63", "p50 42 ms", "p95 1.31 s",
         "retries 213", "limits 100 at a time, 50 a second", "ok 2,000", "failed 400", "unknown 1", "done before 99", "503: 340",
         "ServerError 340", "paused by the server for 0:12", "held back by budget: 37", "h asks to wait until 14:30:00",
         "another program locks the output")  # fmt: skip


def summary(**changes):
    values = {
        "total": 10, "ok": 10, "failed": 0, "unknown": 0, "skipped": 0, "skipped_failed": 0, "elapsed": 2.0, "rate": 5.0,
        "by_status": {200: 10}, "by_error": {}, "retries": 3, "p50": 42.0, "p95": 100.0, "p99": 2000.0, "paused": 0.0, "output": "o.jsonl",
        "report": None, "stopped": None, "exit_code": 0,
    }  # fmt: skip
    return Summary(**{**values, **changes})


@pytest.mark.parametrize("width", [200, 80, 46, 36])
def test_the_live_screen_shows_everything_at_any_width(width):
    screen = LiveScreen(Job("in.txt", "out.jsonl"))
    screen._console = Console(file=io.StringIO(), width=width, force_terminal=False)
    screen._console.print(screen._drawn(LOOK))
    drawn = screen._console.file.getvalue()
    assert all(len(text) <= width for text in drawn.splitlines())
    assert [fact for fact in FACTS if fact not in drawn] == []


def test_a_stream_has_no_total_and_no_eta():
    screen = LiveScreen(Job("-", "-"))
    screen._console = Console(file=io.StringIO(), width=80)
    screen._console.print(
        screen._drawn(Progress(**{name: getattr(LOOK, name) for name in LOOK.__slots__} | {"total": None, "eta": None}))
    )
    drawn = screen._console.file.getvalue()
    assert "stdin → stdout" in drawn
    assert "%" not in drawn
    assert "ETA" not in drawn


def test_a_plain_line_says_it_in_one_line():
    said = line(LOOK)
    assert "\n" not in said
    assert said.startswith("fetching: 2,500/10,000 (25 %) rows, 400 failed, 412 rows/s, ETA 1:01:40, 63 in flight")
    assert said.endswith("held back by budget: 37, h asks to wait until 14:30:00, another program locks the output")


def test_plain_lines_come_every_ten_percent(capsys):
    screen = Lines()
    for done in range(0, 1001, 5):
        screen.update(
            Progress(**{name: getattr(LOOK, name) for name in LOOK.__slots__} | {"total": 1000, "done": done})
        )
    assert 9 <= capsys.readouterr().err.count("\n") <= 11


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ["done: 10 rows in 2.0 s (5.0 rows/s): 10 ok, 0 failed", "p50 42 ms, p95 100 ms, p99 2.00 s", "retries    3", "o.jsonl"]),
        ({"failed": 2, "by_error": {"NotFound": 2}, "exit_code": 1}, ["done: 12 rows", "2 failed", "NotFound 2"]),
        ({"unknown": 1, "exit_code": 1}, ["1 unknown (in flight when the job was killed; not sent again)"]),
        ({"skipped": 5, "skipped_failed": 1, "exit_code": 1}, ["5 done before, of which 1 failed"]),
        ({"held": {"budget": 552, "pace": 3}}, ["held back  by budget: 552, by pace: 3"]),
        ({"stopped": "interrupted", "exit_code": 130}, ["interrupted: 10 rows", "run the same command with --resume"]),
        ({"stopped": "cannot write o.jsonl: full", "exit_code": 1}, ["stopped: ", "error: cannot write o.jsonl: full", "--resume"]),
    ],
)  # fmt: skip
def test_the_summary_has_a_few_lines(changes, says):
    said = "\n".join(summary_lines(summary(**changes)))
    assert [part for part in says if part not in said] == []
    assert ("--resume" in said) == ("stopped" in changes)


def test_quiet_says_only_why_it_stopped(capsys):
    Silent().end(summary(exit_code=1, failed=1))
    Silent().end(summary(exit_code=1, stopped="because"))
    assert capsys.readouterr().err == "error: because\n"


@pytest.mark.lanes
@pytest.mark.parametrize("signals", [0, 1, 2])
async def test_on_a_terminal_the_screen_is_live_and_gives_the_cursor_back(tmp_path, server, start, signals):
    async def answer(request):
        await asyncio.sleep(600 if signals else 0.02)
        return web.json_response(1)

    server.answer = answer
    (tmp_path / "in.txt").write_text("".join(f"{server.url}/{n}\n" for n in range(300)))
    ours, theirs = os.openpty()
    written = bytearray()
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: written.extend(os.read(ours, 65536)))
    process = await start(
        "fetch",
        "in.txt",
        "-o",
        "out.jsonl",
        "-c",
        10,
        terminal=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    await server.saw(10)
    if signals:
        while b"in flight 10" not in written:
            await asyncio.sleep(0.02)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        while b"stopping" not in written and process.returncode is None:
            await asyncio.sleep(0.02)
    await process.wait()
    await asyncio.sleep(0)
    while b"\x1b[?25h" not in written:
        await asyncio.sleep(0.02)
    loop.remove_reader(ours)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == (130 if signals else 0)
    assert b"\x1b[?25l" in written
    assert written.rindex(b"\x1b[?25h") > written.rindex(b"\x1b[?25l")
    assert b"Traceback" not in written
