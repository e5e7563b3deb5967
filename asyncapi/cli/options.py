"""Declare the options of a command in a table, and make click's options of it.

Rules:
1. A table says everything once: the setting, the flags, what the value is called, what it does, its default.
2. An option that isn't given is None, so that a job file and the defaults of `Job` still count.
3. Text from the command line and values of a job file go through the same `Kind`, and get the same errors.
4. A switch has a hidden `--no-` form: it overrides a job file.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Table = Mapping[str, tuple["Opt", ...]]  # the panels of --help, with the options in each


@dataclass(frozen=True, slots=True)
class Kind:
    """What values an option takes.

    Attributes:
        read: Turns a text, or a value of a job file, into a setting; raises ValueError.
        many: Whether the option may be repeated; `read` then gets all its values as a tuple.
        switch: Whether it takes no value.
        words: What a shell completes: the words to choose from.
        files: Whether it is the name of a file: relative to a job file that has it, and completed by shells.
        at_file: Whether it is a text, or @FILE for the text in a file.
    """

    read: Callable[[Any], Any]
    many: bool = False
    switch: bool = False
    words: tuple[str, ...] = ()
    files: bool = False
    at_file: bool = False


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"give a text, not {_shown(value)}")  # noqa: TRY004 - one kind for a bad value
    return str(value)


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"give the name of a file, not {_shown(value)}")
    return value


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"give true or false, not {_shown(value)}")  # noqa: TRY004 - the same
    return value


def _shown(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)


def parts(value: Any) -> list[str | int]:
    """Split what may be repeated, a list, or separated by commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, (list, tuple)):
        return [part for each in value for part in parts(each)]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"give a list, not {_shown(value)}")  # noqa: TRY004 - the same
    return [value]


def content(text: str) -> str:
    """Return the text that a body option means: its own, or with @FILE that of a file; @- is stdin.

    Raises:
        ValueError: The file can't be read.
    """
    if not text.startswith("@"):
        return text
    try:
        if text == "@-":
            with sys.stdin:  # closed: it is no input of the job any more
                return sys.stdin.read()
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ValueError(f"cannot read {text[1:]}: {reason}") from None


def choice(*words: str) -> Kind:
    """Make the kind of an option that takes one of a few words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{_shown(value)} is not one of {', '.join(map(repr, words))}")
        return str(value)

    return Kind(read, words=words)


def whole(least: int) -> Kind:
    """Make the kind of an option that takes a whole number of at least `least`."""

    def read(value: Any) -> int:
        try:
            number = int(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, bool) or not isinstance(number, int):
            raise ValueError(f"{_shown(value)} is not a whole number")  # noqa: TRY004 - the same
        if number < least:
            raise ValueError(f"{number} is too small: give {least} or more")
        return number

    return Kind(read)


def number(least: float) -> Kind:
    """Make the kind of an option that takes a number of at least `least`."""

    def read(value: Any) -> float:
        try:
            found = None if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            found = None
        if found is None:
            raise ValueError(f"{_shown(value)} is not a number")
        if not found >= least:  # nan also
            raise ValueError(f"{found:g} is too small: give {least:g} or more")
        return found

    return Kind(read)


TEXT = Kind(_text)
PATH = Kind(_path, files=True)
SWITCH = Kind(_switch, switch=True)


@dataclass(frozen=True, slots=True)
class Opt:
    """One option of a command (rule 1).

    Attributes:
        name: The setting it becomes.
        flags: Its flags, separated by spaces; the first is its name in errors and job files.
        metavar: What its value is called, with its unit.
        text: What it does.
        kind: What values it takes.
        default: Its default, as --help shows it.
    """

    name: str
    flags: str
    metavar: str
    text: str
    kind: Kind = TEXT
    default: str = ""

    @property
    def long(self) -> str:
        """Its first flag."""
        return self.flags.split()[0].partition("/")[0]


class Option(click.Option):
    """An option of click that knows its row of the table.

    Attributes:
        row: What the table says about it.
        panel: The panel of --help that it is in.
    """

    def __init__(self, row: Opt, panel: str) -> None:
        first, *others = row.flags.split()
        if row.kind.switch and "/" not in first:
            first = f"{first}/--no-{first.removeprefix('--')}"  # rule 4
        super().__init__(
            [row.name, first, *others],
            type=click.BOOL if row.kind.switch else click.UNPROCESSED,
            default=None,
            is_flag=row.kind.switch,
            multiple=row.kind.many,
            metavar=row.metavar,
            help=row.text,
            callback=lambda _context, _option, value: _checked(row, value),
        )
        self.row: Opt = row
        self.panel: str = panel

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        """Complete the value of the option."""
        from click.shell_completion import CompletionItem

        if self.row.kind.files:
            return [CompletionItem(incomplete, type="file")]
        if self.row.metavar == "VARIABLE":
            return [CompletionItem(name) for name in sorted(os.environ) if name.startswith(incomplete)]
        return [CompletionItem(word) for word in self.row.kind.words if word.startswith(incomplete)]


def _checked(row: Opt, value: Any) -> Any:
    if value is None or value == ():  # rule 2
        return None
    try:
        return row.kind.read(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=f"'{row.long}'") from None


def complete_files(_context: click.Context, _argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell complete the names of files; for click's `shell_complete=`."""
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def options_of(table: Table) -> list[click.Parameter]:
    """Make click's options of a table."""
    return [Option(row, panel) for panel, rows in table.items() for row in rows]
