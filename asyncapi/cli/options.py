"""Declare options of the command line: each with a metavar in the user's words, a help text, and a panel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable


def option(panel: str, flags: str, metavar: str, text: str, check: Callable[[Any], Any] | None = None) -> Any:
    """Declare an option.

    Args:
        panel: The panel of `--help` that it is in.
        flags: Its names, separated by spaces.
        metavar: What its value is called; "" for an option without a value.
        text: What it does.
        check: Called with the value; raises `typer.BadParameter`.
    """
    shown = metavar or " "  # typer shows the type of an option that has no metavar
    return typer.Option(*flags.split(), metavar=shown, help=text, rich_help_panel=panel, callback=check)
