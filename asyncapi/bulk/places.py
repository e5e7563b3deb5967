"""Check where a job writes to, before anything is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.bulk.sinks import Sink


def journal_path(sink: Sink) -> Path:
    """Return the path of an output's journal."""
    return sink.files[0].with_name(sink.files[0].name + ".journal")


def check_output(sink: Sink, source: str | Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to overwrite or mix outputs, before anything is opened.

    Raises:
        ConfigError: The output exists, or can't be resumed; the message says what to pass.
    """
    if resume and overwrite:
        raise ConfigError("--resume continues the output, --overwrite replaces it: give one of them")
    if not sink.resumable:
        if resume:
            raise ConfigError("stdout and pipes cannot be resumed: write to a file with -o")
        return
    _check_place(sink.files[0], source)
    output, journal = sink.name, journal_path(sink)
    if resume or overwrite:
        return
    if journal.exists():
        raise ConfigError(f"{output} belongs to a stopped job: --resume continues it, --overwrite starts again")
    if sink.exists():
        raise ConfigError(f"{output} exists: --overwrite replaces it, --resume continues a job that was stopped")


def check_apart(places: Iterable[tuple[str, object]]) -> None:
    """Refuse to write two things to one file, or over the input.

    Args:
        places: What is read or written, and where: a path, None, `-`, or an address that is no path.

    Raises:
        ConfigError: Two are the same file.
    """
    taken: dict[Path, str] = {}
    for what, place in places:
        if place is None or str(place) == "-" or "://" in str(place):
            continue
        path = Path(str(place))
        if path.exists() and not path.is_file():  # a pipe or a device may be there twice
            continue
        other = taken.setdefault(path.resolve(), what)
        if other != what:
            raise ConfigError(f"{other} and {what} are the same file, {path}: name another one")


def _check_place(output: Path, source: str | Path) -> None:
    if not output.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {output.parent}")
    if str(source) != "-" and output.exists() and output.samefile(source):
        raise ConfigError(f"the output {output} is also the input: name another output")


def check_empty(sink: Sink) -> None:
    """Refuse to resume an output that has no journal.

    Raises:
        ConfigError: There is one.
    """
    filled = any(file.exists() and file.stat().st_size for file in sink.files)
    if filled or (sink.exists() and not sink.files[0].exists()):
        raise ConfigError(
            f"{sink.name} has no journal ({journal_path(sink).name}) to resume from: it is complete, or was "
            "written by something else; --overwrite starts again"
        )
