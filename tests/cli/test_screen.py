"""The screen fits the place it is shown in, says what matters, and leaves the terminal as it was."""

import asyncio
import io
import os
import signal
from dataclasses import replace

import pytest
from aiohttp import web
from rich.console import Console

from asyncapi.bulk import Job
from asyncapi.cli.screen import AtTheEnd, Lines, LiveScreen, Silent, make_screen
from shown import LOOK, summary


class Terminal(io.StringIO):
    def __init__(self, *, is_terminal, file=False):
        super().__init__()
        self._is_terminal, self._file = is_terminal, file

    def isatty(self):
        return self._is_terminal

    def fileno(self):
        return self._file.fileno() if self._file else os.open(os.devnull, os.O_WRONLY)


@pytest.fixture
def places(monkeypatch):
    """Say what stdout and stderr are: "terminal", "pipe", or a file."""

    def put(stdout, stderr, term="xterm"):
        for name, kind in (("stdout", stdout), ("stderr", stderr)):
            file = kind if kind not in {"terminal", "pipe"} else None
            monkeypatch.setattr(f"sys.{name}", Terminal(is_terminal=kind == "terminal", file=file))
        monkeypatch.setenv("TERM", term)

    return put


@pytest.mark.parametrize(
    ("output", "stdout", "stderr", "term", "kind"),
    [
        ("o.jsonl", "terminal", "terminal", "xterm", LiveScreen),
        ("o.jsonl", "pipe", "terminal", "xterm", LiveScreen),
        ("o.jsonl", "terminal", "pipe", "xterm", Lines),
        ("o.jsonl", "terminal", "terminal", "dumb", Lines),
        ("-", "terminal", "terminal", "xterm", AtTheEnd),
        ("-", "pipe", "terminal", "xterm", Lines),
        ("-", "terminal", "pipe", "xterm", Lines),
    ],
)
def test_no_live_screen_where_rows_may_go_to_the_same_terminal(places, output, stdout, stderr, term, kind):
    places(stdout, stderr, term)
    assert type(make_screen(Job("in.txt", output), quiet=False)) is kind
    assert type(make_screen(Job("in.txt", output), quiet=True)) is Silent


def test_rows_that_go_to_a_file_leave_the_terminal_to_the_screen(places, tmp_path):
    with (tmp_path / "rows").open("w") as file:
        places(file, "terminal")
        assert type(make_screen(Job("in.txt", "-"), quiet=False)) is LiveScreen


def test_plain_lines_come_every_ten_percent(capsys):
    screen = Lines()
    for done in range(0, 1001, 5):
        screen.update(replace(LOOK, total=1000, done=done, warnings=()))
    assert 9 <= capsys.readouterr().err.count("\n") <= 11


def test_a_warning_is_printed_once_and_a_note_at_the_end_is_not_the_same_again(capsys):
    screen = Lines()
    for _ in range(3):
        screen.update(replace(LOOK, done=0, warnings=("id 7 is there twice",)))
    screen.end(summary(notes=("id 7 is there twice", "2 rows were not sent again")))
    said = capsys.readouterr().err
    assert said.count("id 7 is there twice") == 1
    assert "warning: id 7 is there twice\n" in said
    assert "note: 2 rows were not sent again\n" in said


def test_where_rows_go_to_the_terminal_there_is_nothing_but_the_summary(capsys):
    screen = AtTheEnd()
    with screen:
        screen.update(LOOK)
        assert capsys.readouterr().err == ""
    screen.end(summary())
    assert capsys.readouterr().err.startswith("done: 10 rows")


def test_quiet_says_only_why_it_stopped(capsys):
    Silent().end(summary(exit_code=1, failed=1))
    Silent().end(summary(exit_code=1, stopped="because"))
    assert capsys.readouterr().err == "error: because\n"


def test_a_terminal_that_becomes_narrower_keeps_nothing_of_the_old_screen():
    screen = LiveScreen(Job("in.txt", "out.jsonl"))
    screen._console = Console(file=io.StringIO(), width=120, force_terminal=True)
    screen._live = screen._new_live()
    with screen:
        screen.update(LOOK)
        before, lines = screen._console.file.getvalue(), screen._drawn[1]
        broken = sum((len(line) - 1) // 60 for line in lines)
        screen._console.width = 60
        screen.update(LOOK)
        drawn = screen._console.file.getvalue()[len(before) :]
    assert broken
    assert drawn.count("\x1b[1A\x1b[2K") == 2 * len(lines) - 1 + broken


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
