"""Draw `--help`: a few paragraphs, and the options in panels, as wide as the terminal up to 120 columns.

Paragraphs stay as they are written. No library that draws is imported: --help is there at once.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from asyncapi.cli.options import Option

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDEST, _NARROWEST = 120, 40  # columns
_GAP = 2  # columns between an option and what it does
_HARD = "\xa0"  # a space at which no line ends
_BORDER = 4  # columns: a line and a space on both sides

_PLAIN = str.maketrans("╭╮╰╯│─", "++++|-")

Entry = tuple[str, str]  # what is explained, and the explanation


def width() -> int:
    """Return the columns that help may take."""
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns))


def drawn(context: click.Context, command: click.Command) -> str:
    """Return the help of a command."""
    usage = command.collect_usage_pieces(context)
    parts = [f"Usage: {' '.join([context.command_path, *usage])}", (command.help or "").strip()]
    panels = [panel(name, entries, width()) for name, entries in _entries(context, command)]
    parts += ["\n".join(panels), (command.epilog or "").strip()]
    return _encodable("\n\n".join(part for part in parts if part))


def _encodable(text: str) -> str:
    """Return a text that stdout can show: some terminals have no lines for panels."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return text.translate(_PLAIN)
    return text


def _entries(context: click.Context, command: click.Command) -> Iterator[tuple[str, list[Entry]]]:
    panels: dict[str, list[Entry]] = {}
    own = "Options"  # the panel of click's own options
    if isinstance(command, click.Group):
        found = {name: command.get_command(context, name) for name in command.list_commands(context)}
        panels["Commands"] = [(name, each.short_help or "") for name, each in found.items() if each is not None]
    for parameter in command.get_params(context):
        if isinstance(parameter, Option):
            row, own = parameter.row, parameter.panel
            default = f" [default:{_HARD}{row.default}]" if row.default else ""
            panels.setdefault(parameter.panel, []).append(
                (" ".join(filter(None, (row.flags, row.metavar))), row.text + default)
            )
        elif isinstance(parameter, click.Option):
            name = " ".join([*sorted(parameter.opts, key=len, reverse=True), parameter.metavar or ""]).strip()
            panels.setdefault(own, []).append((name, parameter.help or ""))
    yield from panels.items()


def panel(title: str, entries: list[Entry], columns: int) -> str:
    """Draw a panel: what is explained on the left, all explanations one below the other on the right."""
    left = max(len(name) for name, _ in entries) + _GAP
    right = columns - _BORDER - left
    head = click.style(f" {title} ", bold=True)
    lines = [f"╭─{head}{'─' * (columns - len(title) - 5)}╮"]
    for name, text in entries:
        for at, part in enumerate(textwrap.wrap(text, right, break_on_hyphens=False) or [""]):
            line = part.replace(_HARD, " ")
            shown = click.style(name, fg="cyan") + " " * (left - len(name)) if at == 0 else " " * left
            lines.append(f"│ {shown}{line}{' ' * (right - len(part))} │")
    return "\n".join([*lines, f"╰{'─' * (columns - 2)}╯"])
