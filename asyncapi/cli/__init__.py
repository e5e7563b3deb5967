"""The command line: `asyncapi fetch` and `asyncapi serve`. It parses and shows; the work is in `asyncapi.bulk`.

Rules:
1. No traceback ever reaches the user.
2. What people read goes to stderr, so that stdout is free for rows.
3. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import sys

import click

from asyncapi.cli.commands import Group, run, show_help


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        from asyncapi import __version__

        print(f"asyncapi {__version__}")
        context.exit()


def _nothing_asked() -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        show_help(context)


app: Group = Group(
    "asyncapi",
    {"fetch": "asyncapi.cli.fetch", "serve": "asyncapi.cli.serve"},
    [
        click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
            help="Show the version and exit.",
        )
    ],
    help="Send requests to HTTP APIs in bulk, or run a local server to try them against.",
)  # fmt: skip
app.callback = _nothing_asked


def main() -> None:
    """Run the command line; the console script calls this."""
    sys.exit(run(app, "asyncapi"))
