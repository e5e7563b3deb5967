"""The command line: `asyncapi fetch` and `asyncapi serve`. It parses and shows; the work is in `asyncapi.bulk`.

Rules:
1. No traceback ever reaches the user.
2. What people read goes to stderr, so that stdout is free for rows.
3. Heavy imports wait until a command runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from asyncapi.cli.fetch import EPILOG as FETCH_EXAMPLES
from asyncapi.cli.fetch import fetch
from asyncapi.cli.serve import EPILOG as SERVE_EXAMPLES
from asyncapi.cli.serve import serve
from asyncapi.redact import one_line


def _untyped(option: Any) -> Any:
    """Keep typer from showing the type of --help."""
    if option is not None:
        option.metavar = " "
    return option


class _Command(TyperCommand):
    def get_help_option(self, ctx: Any) -> Any:
        return _untyped(super().get_help_option(ctx))


class _Group(TyperGroup):
    def get_help_option(self, ctx: Any) -> Any:
        return _untyped(super().get_help_option(ctx))


app: typer.Typer = typer.Typer(
    cls=_Group,
    name="asyncapi",
    help="Send requests to HTTP APIs in bulk, or run a local server to try them against.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=_Command, no_args_is_help=True, epilog=FETCH_EXAMPLES)(fetch)
app.command(cls=_Command, epilog=SERVE_EXAMPLES)(serve)


def _print_version(value: bool) -> None:
    if value:
        from asyncapi import __version__

        print(f"asyncapi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar=" ", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Send requests to HTTP APIs in bulk, or run a local server to try them against."""


def main() -> None:
    """Run the command line; the console script calls this."""
    from asyncapi.errors import AsyncAPIError

    try:
        app()
    except AsyncAPIError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:  # rule 1
        if os.environ.get("ASYNCAPI_TRACEBACK"):
            raise
        problem = f"unexpected {type(error).__name__}: {one_line(str(error))}"
        print(f"error: {problem} (set ASYNCAPI_TRACEBACK=1 to see where)", file=sys.stderr)
        sys.exit(1)
