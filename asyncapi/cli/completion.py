"""Shell completion for bash, zsh and fish: print the script, or install it.

The script asks the command itself for completions, by click's protocol: `_ASYNCAPI_COMPLETE=bash_complete asyncapi`.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_ASYNCAPI_COMPLETE"
_START = {"bash": ".bashrc", "zsh": ".zshrc"}  # what the shell reads when it starts; fish finds its file by itself


def _shell(name: str) -> str:
    """Return the shell that is meant: "auto" is the user's own."""
    shell = Path(os.environ.get("SHELL", "")).name if name == "auto" else name
    if shell not in SHELLS:
        known = "bash, zsh or fish"
        raise click.UsageError(
            f"the shell {shell!r} has no completion here: name {known}" if shell else f"name the shell: {known}"
        )
    return shell


def script(name: str, command: click.Command) -> str:
    """Return the completion script of a shell.

    Raises:
        click.UsageError: There is none for it.
    """
    made = get_completion_class(_shell(name))
    if made is None:  # a click that doesn't know the shell
        raise click.UsageError(f"click has no completion for {name}")
    source = made(command, {}, "asyncapi", _VARIABLE)
    return source.source_template % source.source_vars()


def install(name: str, command: click.Command) -> str:
    """Write the completion script to where the shell finds it, and return what to tell the user.

    Raises:
        click.UsageError: The shell is unknown, or a file can't be written.
    """
    shell = _shell(name)
    home = Path.home()
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    place = (
        settings / "fish/completions/asyncapi.fish" if shell == "fish" else settings / f"asyncapi/completion.{shell}"
    )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(script(shell, command), encoding="utf-8")
        start = home / _START[shell] if shell in _START else None
        if start is not None:
            _add_line(start, f". '{place}'  # completion of asyncapi")
    except OSError as error:
        raise click.UsageError(f"cannot write {error.filename or place}: {error.strerror}") from None
    also = f" {start} reads it." if start is not None else ""
    return f"Wrote {place}.{also} Start a new shell to use it."


def _add_line(start: Path, line: str) -> None:
    text = start.read_text(encoding="utf-8", errors="surrogateescape") if start.exists() else ""
    if line not in text:
        with start.open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{'' if not text or text.endswith(chr(10)) else chr(10)}{line}\n")
