"""The command line: `asyncapi fetch`, `asyncapi serve`. Parsing and screens only; the work is in `asyncapi.bulk`.

Rules: no traceback ever reaches the user; what a person reads goes to stderr, so that stdout is free for rows; heavy
imports wait until a command runs.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from asyncapi.cli.fetch import fetch
from asyncapi.cli.serve import serve
from asyncapi.redact import one_line

app = typer.Typer(
    name="asyncapi",
    help="Call other people's APIs concurrently, resiliently, fast.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(no_args_is_help=True)(fetch)
app.command()(serve)


def _print_version(value: bool) -> None:
    if value:
        from asyncapi import __version__

        print(f"asyncapi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Call other people's APIs concurrently, resiliently, fast."""


def main() -> None:
    """The console script."""
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
    except Exception as error:
        if os.environ.get("ASYNCAPI_TRACEBACK"):
            raise
        what = f"unexpected {type(error).__name__}: {one_line(str(error))}"
        print(f"error: {what} (ASYNCAPI_TRACEBACK=1 shows where)", file=sys.stderr)
        sys.exit(1)
