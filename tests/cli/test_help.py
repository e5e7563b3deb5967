"""--help fits its terminal, and says the defaults that count."""

import asyncio
import os
import sys

import pytest

from asyncapi.cli.fetch import EXAMPLES
from asyncapi.cli.help import panel


def test_a_panel_puts_explanations_one_below_the_other():
    drawn = panel("Speed", [("--rate RATE", "As fast as this, and no faster than that."), ("-c", "Many.")], 40)
    assert drawn.splitlines() == [
        "╭─\x1b[1m Speed \x1b[0m" + "─" * 30 + "╮",
        "│ \x1b[36m--rate RATE\x1b[0m  As fast as this, and no │",
        "│              faster than that." + " " * 6 + " │",
        "│ \x1b[36m-c\x1b[0m           Many." + " " * 18 + " │",
        "╰" + "─" * 38 + "╯",
    ]


@pytest.mark.parametrize("columns", [80, 100, 120, 300, 10])
@pytest.mark.parametrize("command", ["fetch", "serve"])
async def test_no_line_is_longer_than_the_terminal(asyncapi, columns, command):
    env = {**os.environ, "COLUMNS": str(columns)}
    _, out, _ = await asyncapi(command, "--help", env=env)
    limit = max(80, min(columns, 120))  # paragraphs are made for 80 columns
    assert [line for line in out.splitlines() if len(line) > limit] == []
    assert "\x1b" not in out  # no terminal, no colours


async def test_a_terminal_without_lines_gets_plain_ones(asyncapi):
    code, out, err = await asyncapi("serve", "--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (code, err) == (0, "")
    assert "+- Server ---" in out
    assert "| --port PORT " in out


async def test_a_default_stays_in_one_piece(asyncapi):
    _, out, _ = await asyncapi("serve", "--help")
    assert out.count("[default: ") == out.count("[default:")
    assert "\xa0" not in out


def commands(examples):
    """The commands of an epilog: a line that is indented further continues the one before."""
    return [line.strip() for line in examples.replace("\\\n      ", "").splitlines()[1:]]


@pytest.mark.lanes
async def test_the_examples_run_one_after_the_other_as_they_are_shown(tmp_path, server):
    (tmp_path / "urls.txt").write_text(f"{server.url}/1\n{server.url}/2\n")
    (tmp_path / "ids.csv").write_text("id\n7\n")
    (tmp_path / "prompts.csv").write_text('text\n"say ""hello"""\n')
    (tmp_path / "app").mkdir()
    (tmp_path / "app/models.py").write_text("import pydantic\nclass User(pydantic.BaseModel):\n    path: str\n")
    (tmp_path / "job.toml").write_text('input = "urls.txt"\noutput = "job.jsonl"\n')
    found = commands(EXAMPLES)
    assert len(found) == 10
    programs = (
        f'asyncapi() {{ {sys.executable} -m asyncapi "$@"; }}; make-urls() {{ cat urls.txt; }}; jq() {{ cat; }}\n'
    )
    for command in found:
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", programs + command.replace("https://host", server.url), cwd=tmp_path,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "API_TOKEN": "s3cret"},
        )  # fmt: skip
        _, err = await process.communicate()
        assert process.returncode == 0, f"{command}: {err.decode()}"
    assert len((tmp_path / "users.jsonl").read_text().splitlines()) == 2
    assert {"/items/7", "/chat", "/users/1"} <= {request.path for request in server.seen}


async def test_help_says_every_exit_code(asyncapi):
    _, out, _ = await asyncapi("fetch", "--help")
    for code, what in (
        ("0", "all rows are ok"),
        ("1", "some rows failed"),
        ("2", "wrong usage"),
        ("130", "interrupted"),
    ):
        assert [line for line in out.splitlines() if line.startswith(f"  {code} ") and what in line]
