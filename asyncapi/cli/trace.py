"""`asyncapi trace`: what can be done with the trace of a client."""

from __future__ import annotations

import click

from asyncapi.cli.commands import Group, show_help


def _nothing_asked() -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        show_help(context)


command: Group = Group(
    "trace", {"what-if": "asyncapi.cli.what_if"}, [],
    help="Ask the trace of a client, which asyncapi.trace.Recorder has saved.",
)  # fmt: skip
command.callback = _nothing_asked
