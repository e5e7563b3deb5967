"""Write a client into a file or a package: what is new, what people have added, and whole or not at all.

Rules:
1. A name that ends with `.py` is one file; a folder, or a name with a slash at its end, is a package: `models.py` and
   `client.py`.
2. A file that is there and has no notes of an earlier run is somebody else's: it is refused.
3. Everything is decided before the first byte is written; each file then takes its place at once (`os.replace`).
"""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.openapi import layout, merging
from asyncapi.openapi.digests import split
from asyncapi.openapi.formatting import formatted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.openapi.layout import Draft

_OLD_STEM = "client.py"


@dataclass
class Written:
    """One file of a client.

    Attributes:
        path: Where it goes.
        before: What is there now, or None.
        after: What will be there.
        report: What becomes of its definitions.
    """

    path: Path
    before: str | None
    after: str
    report: merging.Report = field(default_factory=merging.Report)

    @property
    def is_changed(self) -> bool:
        """Whether anything is to be written."""
        return self.before != self.after

    def diff(self) -> str:
        """The difference, as `diff -u` shows it."""
        before = (self.before or "").splitlines(keepends=True)
        name = str(self.path)
        return "".join(difflib.unified_diff(before, self.after.splitlines(keepends=True), name, name))


def is_package(out: str) -> bool:
    """Whether an output is a folder."""
    return out.endswith(("/", os.sep)) or Path(out).is_dir() or not Path(out).suffix


def known_class(out: str) -> str:
    """Return the name of the client in what an earlier run has written, or nothing.

    Raises:
        ConfigError: What is there is no client, or can't be read.
    """
    path = Path(out) / _OLD_STEM if is_package(out) else Path(out)
    text = _read(path)
    if text is None:
        return ""
    _check_ours(path, text)
    return merging.renamed(text, str(path))


def planned(draft: Draft, out: str) -> list[Written]:
    """Decide what is written, without writing it.

    Raises:
        ConfigError: A file that is there is no client, or can't be read.
    """
    if not is_package(out):
        return [_one(Path(out), formatted(layout.module(draft)), draft.name)]
    folder = Path(out)
    made = []
    sources = {name: formatted(text) for name, text in layout.package(draft).items()}
    needed: set[str] = set()
    for name in sorted(sources):  # the client before its models: it says which it needs
        made.append(_one(folder / name, sources[name], draft.name, needed if name == "models.py" else set()))
        if name == "client.py":
            needed = merging.used_from(made[-1].after, ".models")
    return made


def _one(path: Path, source: str, client: str, needed: set[str] | None = None) -> Written:
    before = _read(path)
    if before is None or not before.strip():
        return Written(path, before, merging.marked(source, client))
    _check_ours(path, before)
    after, report = merging.renewed(before.replace("\r\n", "\n"), source, client, where=str(path), needed=needed or ())
    return Written(path, before, after.replace("\n", "\r\n") if "\r\n" in before else after, report)


def _check_ours(path: Path, text: str) -> None:
    if text.strip() and split(text.replace("\r\n", "\n"))[1] is None:
        raise ConfigError(f"{path} is there, and `asyncapi generate` has not written it: give another name, or move it")


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"can't read {path}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}") from None


def write(files: list[Written]) -> None:
    """Write the files that have changed: all are complete beside their places before the first takes its place.

    Raises:
        ConfigError: One can't be written.
    """
    with contextlib.ExitStack() as stack:
        ready = [(stack.enter_context(_beside(one)), one) for one in files if one.is_changed]
        for temporary, one in ready:
            try:
                temporary.replace(_target(one.path))
            except OSError as error:
                raise ConfigError(f"can't write {one.path}: {error.strerror}") from None


def _target(path: Path) -> Path:
    """The file itself, where its name is a link to it."""
    return path.resolve() if path.is_symlink() else path


@contextlib.contextmanager
def _beside(one: Written) -> Iterator[Path]:
    """Write a file completely, under another name in the same folder."""
    target = _target(one.path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise ConfigError(f"can't write {one.path}: {error.strerror}") from None
    temporary = Path(name)
    try:
        try:
            with os.fdopen(number, "wb") as file:
                file.write(one.after.encode())
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        except OSError as error:
            raise ConfigError(f"can't write {one.path}: {error.strerror}") from None
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
