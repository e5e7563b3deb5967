"""Commands of click in the style of the house: help in panels, errors in one line, modules that load when needed."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from asyncapi.cli.options import Table, options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_BAD_USAGE, _INTERRUPTED = 2, 130


class _WithPanels(click.Command):
    """Help in panels."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from asyncapi.cli.help import drawn

        formatter.write(drawn(ctx, self) + "\n")


class Command(_WithPanels):
    """A command whose options are a table.

    Attributes:
        table: Its options.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[Mapping[str, Any]], int | None],
        table: Table,
        *,
        arguments: Sequence[click.Parameter] = (),
        help: str,  # noqa: A002 - click's name
        short: str,
        epilog: str = "",
    ) -> None:
        settings = {"help_option_names": ["-h", "--help"]}
        super().__init__(
            name, params=[*arguments, *options_of(table)], help=help, short_help=short, epilog=epilog,
            context_settings=settings,
        )  # fmt: skip
        self.table: Table = table
        self._run = run

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; an option that isn't there is an error with a hint."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from asyncapi.cli.foreign import instead_of

            known = [
                flag for rows in self.table.values() for row in rows for flag in row.flags.replace("/", " ").split()
            ]
            hint = instead_of(error.option_name, known)
            raise click.UsageError(f"No such option {error.option_name}{hint}", ctx) from None

    def invoke(self, ctx: click.Context) -> int | None:
        """Run the command with its options: those that are not given are None."""
        return self._run(ctx.params)


class Group(_WithPanels, click.Group):
    """Commands, each in a module that is imported when it is needed.

    Attributes:
        modules: The module of each command; it has the command under the name `command`.
    """

    def __init__(self, name: str, modules: dict[str, str], params: list[click.Parameter], *, help: str) -> None:  # noqa: A002
        settings = {"help_option_names": ["-h", "--help"]}
        super().__init__(name, params=params, help=help, context_settings=settings, invoke_without_command=True)
        self.modules: dict[str, str] = modules

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the names of the commands."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        """Import a command; None if there is none of the name."""
        if cmd_name not in self.modules:
            return None
        command: click.Command = importlib.import_module(self.modules[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the arguments; one that isn't there is an error with a hint."""
        name = args[0]
        if name in self.modules or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from asyncapi.cli.foreign import instead_of

        hint = instead_of(name, self.modules)
        if not hint:
            hint = f": the commands are {', '.join(self.modules)}"
            hint += f"; to fetch it: asyncapi fetch {name}" if "." in name or "/" in name else ""
        raise click.UsageError(f"No such command {name!r}{hint}", ctx)


def show_help(context: click.Context) -> None:
    """Show the help because nothing was asked for, and exit with 2."""
    click.echo(context.get_help(), err=True)
    context.exit(_BAD_USAGE)


def run(command: click.Command, name: str) -> int:
    """Run a command of the command line, and return its exit code. No traceback reaches the user."""
    from asyncapi.errors import AsyncAPIError
    from asyncapi.redact import one_line

    try:
        code = command.main(prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        print(f"error: {_said(error)}", file=sys.stderr)
        return error.exit_code
    except AsyncAPIError as error:
        print(f"error: {error}", file=sys.stderr)
        return _BAD_USAGE
    except (KeyboardInterrupt, click.Abort):
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of what is printed has left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        if os.environ.get("ASYNCAPI_TRACEBACK"):
            raise
        problem = f"unexpected {type(error).__name__}: {one_line(str(error))}"
        print(f"error: {problem} (set ASYNCAPI_TRACEBACK=1 to see where)", file=sys.stderr)
        return 1


def _said(error: click.ClickException) -> str:
    return " ".join(error.format_message().split())
