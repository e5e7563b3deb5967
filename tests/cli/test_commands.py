"""Commands: every way to end has its code, and its one line."""

import click
import pytest

from asyncapi.cli.commands import Command, Group, run
from asyncapi.cli.options import TEXT, Opt
from asyncapi.errors import ConfigError


def ending(work):
    return Command("it", lambda given: work(), {"Panel": (Opt("x", "--x", "X", "It.", TEXT),)}, help="It.", short="It.")


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("work", "code", "says"),
    [
        (lambda: 7, 7, ""),
        (lambda: None, 0, ""),
        (lambda: fail(ConfigError("the file is bad")), 2, "error: the file is bad\n"),
        (lambda: fail(click.BadParameter("no\n  good")), 2, "error: Invalid value: no good\n"),
        (lambda: fail(KeyboardInterrupt()), 130, ""),
        (lambda: fail(RuntimeError("a\nb")), 1, "error: unexpected RuntimeError: a b (set ASYNCAPI_TRACEBACK=1 to see where)\n"),
    ],
)  # fmt: skip
def test_each_way_to_end_has_its_code_and_its_line(monkeypatch, capsys, work, code, says):
    monkeypatch.setattr("sys.argv", ["it"])
    monkeypatch.delenv("ASYNCAPI_TRACEBACK", raising=False)
    assert run(ending(work), "it") == code
    assert capsys.readouterr().err.strip(" \n") == says.strip()


def test_a_bug_shows_where_it_is_if_asked(monkeypatch):
    monkeypatch.setattr("sys.argv", ["it"])
    monkeypatch.setenv("ASYNCAPI_TRACEBACK", "1")
    with pytest.raises(RuntimeError):
        run(ending(lambda: fail(RuntimeError())), "it")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fecth", "No such command 'fecth': did you mean fetch?"),
        ("xyzzy", "No such command 'xyzzy': the commands are fetch, report, serve, trace, generate"),
        (
            "in.txt",
            "No such command 'in.txt': the commands are fetch, report, serve, trace, generate; to fetch it: asyncapi fetch in.txt",
        ),
        ("https://h/1", "to fetch it: asyncapi fetch https://h/1"),
    ],
)
async def test_a_command_that_is_not_there_gets_a_hint(asyncapi, name, says):
    code, out, err = await asyncapi(name, "-o", "x")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_command_is_imported_when_it_is_needed():
    group = Group("all", {"there": "no.such.module"}, [], help="All.")
    context = click.Context(group)
    assert group.list_commands(context) == ["there"]
    assert group.get_command(context, "elsewhere") is None
    with pytest.raises(ModuleNotFoundError):
        group.get_command(context, "there")
