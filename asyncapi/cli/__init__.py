"""The command line: `asyncapi fetch`, `report`, `serve`, `trace`, `generate`. It parses and shows; others do the work.

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


def _complete(context: click.Context, option: click.Parameter, shell: str | None) -> None:
    if shell is not None:
        from asyncapi.cli import completion

        work = completion.install if option.name == "install_completion" else completion.script
        print(work(shell, context.command))
        context.exit()


def _completion_option(flag: str, text: str) -> click.Option:
    return click.Option(
        [flag], is_flag=False, flag_value="auto", expose_value=False, is_eager=True, callback=_complete,
        metavar="[SHELL]", help=text,
    )  # fmt: skip


def _nothing_asked() -> None:
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        show_help(context)


app: Group = Group(
    "asyncapi",
    {
        "fetch": "asyncapi.cli.fetch", "report": "asyncapi.cli.report", "serve": "asyncapi.cli.serve",
        "trace": "asyncapi.cli.trace",
        "generate": "asyncapi.cli.generate",
    },
    [
        click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
            help="Show the version and exit.",
        ),
        _completion_option("--install-completion", "Install the completion of bash, zsh or fish; your own by default."),
        _completion_option("--show-completion", "Print the completion script of a shell."),
    ],
    help="Send requests to HTTP APIs in bulk, write clients of them, or run a local server to try them against.",
)  # fmt: skip
app.callback = _nothing_asked


def main() -> None:
    """Run the command line; the console script calls this."""
    sys.exit(run(app, "asyncapi"))
