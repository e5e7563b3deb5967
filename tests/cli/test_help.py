"""--help fits its terminal, and says the defaults that count."""

import os

import pytest

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


async def test_a_default_stays_in_one_piece(asyncapi):
    _, out, _ = await asyncapi("serve", "--help")
    assert out.count("[default: ") == out.count("[default:")
    assert "\xa0" not in out
