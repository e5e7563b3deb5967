"""Read numbered lines of text from a file, a pipe or stdin, one at a time, with a digest of all bytes.

Memory is constant: a line has at most 16 MiB. Only UTF-8 is read, with or without a byte order mark. gzip and zstd are
unpacked on the way (archives.py); the digest is that of the bytes as they are stored.
"""

from __future__ import annotations

import os
import stat
import sys
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asyncapi.bulk import archives
from asyncapi.bulk.remote import RemoteFile
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Line = tuple[int, str]

_MAX_LINE = 16 * 1024 * 1024
_CHUNK = 64 * 1024  # bytes read at a time
_TABLES = {"Parquet": b"PAR1", "SQLite": b"SQLite format 3"}
_BY_NAME = {"Parquet": "which ends in .parquet", "SQLite": "on this machine"}


class InputError(ConfigError):
    """A row of the input can't be used; the message begins with `file:line:`, and quotes the line."""


def input_error(place: str, problem: str, line: str = "", secrets: Iterable[str] = ()) -> InputError:
    """Make the error of a row.

    Args:
        place: Where it is: `file:line`.
        problem: What is wrong with it.
        line: Its text, which is quoted with its secrets masked.
        secrets: Texts in the line that must not be shown.
    """
    from asyncapi.bulk.excerpts import excerpt  # noqa: PLC0415 - only an error needs it

    quoted = excerpt(line, secrets)
    return InputError(f"{place}: {problem}; the line is: {quoted}" if quoted else f"{place}: {problem}")


class Lines:
    """The lines of one input.

    Args:
        path: A file, or `-` for stdin; or a file of an object store (remote.py).

    Attributes:
        name: Its name in messages.
        plain_name: The same without the ending of an archive.
        regular: Whether it is a file that can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True, also from another thread, to end a pass at its next line.

    Raises:
        ConfigError: The input can't be read.
    """

    def __init__(self, path: str | Path | RemoteFile) -> None:
        self.name: str = "stdin" if str(path) == "-" else str(path)
        self.path = path
        self.closed = False
        self._by_name, self.plain_name = archives.packing_by_name(self.name)
        self._packing: archives.Packing | None = self._by_name
        self.regular: bool = isinstance(path, RemoteFile) or self._look(path)
        self.slow: bool = not self.regular or isinstance(path, RemoteFile)
        self._digest = blake2b(digest_size=16)

    def _look(self, path: str | Path) -> bool:
        if str(path) == "-":
            return False
        try:
            mode = Path(path).stat().st_mode
            if stat.S_ISREG(mode):  # a pipe is opened only once: its writer would see it being closed
                with Path(path).open("rb", buffering=0) as file:
                    self._packing = self._packing_of(file.read(archives.MAGIC_BYTES))
        except OSError as error:
            raise ConfigError(f"cannot read the input {self.name}: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise ConfigError(f"cannot read the input {self.name}: it is a folder")
        return stat.S_ISREG(mode)

    def _packing_of(self, begin: bytes) -> archives.Packing | None:
        packing = archives.packing_of(begin)
        if packing is None and self._by_name is not None:
            problem = f"it is not {self._by_name} data, as its name says" if begin else "it is empty, without any data"
            raise ConfigError(f"cannot read the input {self.name}: {problem}")
        return packing

    @property
    def packed(self) -> bool:
        """Whether it is packed by gzip or zstd; of a stream or an object store, as far as its name says."""
        return self._packing is not None

    def digest(self) -> str:
        """Return the digest of every byte of the last pass."""
        return self._digest.hexdigest()

    def digest_all(self) -> str:
        """Return the digest of every byte of a file, as after a whole pass."""
        self._digest = blake2b(digest_size=16)
        for chunk in self._chunks(None):
            self._digest.update(chunk)
        return self.digest()

    def broken(self, number: int, problem: str, line: str = "", secrets: Iterable[str] = ()) -> InputError:
        """Make the error of a line."""
        return input_error(f"{self.name}:{number}", problem, line, secrets)

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[Line]:
        """Yield each line with its number, from 1.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A line isn't UTF-8, or is too long; or the archive is broken.
            ConfigError: The input can't be read.
        """
        self._digest = blake2b(digest_size=16)
        if self.slow or self._packing is not None:
            yield from self._decoded(_split(self._unpacked(self._chunks(before_read))), _ignore)
            return
        with Path(str(self.path)).open("rb") as file:
            yield from self._decoded(_file(file), self._digest.update)

    def _decoded(self, raw: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[Line]:
        number = 0
        try:
            for number, line in enumerate(raw, 1):
                if self.closed:
                    return
                update(line)
                if len(line) > _MAX_LINE:
                    text = line[:1000].decode(errors="replace")
                    raise self.broken(number, f"the line is longer than {_MAX_LINE >> 20} MiB", text)
                try:
                    text = line.decode() if number > 1 else line.decode("utf-8-sig")
                except UnicodeDecodeError as error:
                    problem = f"not valid UTF-8 ({error.reason}): save the file as UTF-8"
                    raise self.broken(number, problem, line.decode(errors="backslashreplace")) from None
                yield number, text
        except archives.BadArchive as error:
            raise self.broken(number + 1, str(error)) from None

    def _chunks(self, before_read: Callable[[], object] | None) -> Iterator[bytes]:
        """Yield the bytes as they are stored."""
        if isinstance(self.path, RemoteFile):
            yield from self.path.chunks(before_read)
        elif self.regular:
            with Path(self.path).open("rb") as file:
                yield from iter(lambda: b"" if self.closed else file.read(_CHUNK), b"")
        elif str(self.path) == "-":
            yield from _stream(sys.stdin.fileno(), before_read)
        else:
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                yield from _stream(descriptor, before_read)
            finally:
                os.close(descriptor)

    def _unpacked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Digest the bytes as they are stored; yield what they say."""
        begin = b""
        stored = self._digested(chunks)
        for chunk in stored:
            begin += chunk
            if len(begin) >= archives.MAGIC_BYTES or b"\n" in begin:
                break
        for kind, magic in _TABLES.items():
            if begin.startswith(magic):
                raise ConfigError(
                    f"cannot read the input {self.name}: it is {kind}, which can't be read from its beginning to its "
                    f"end: give the file by its name, {_BY_NAME[kind]}"
                )
        self._packing = self._packing_of(begin)
        whole = _chain(begin, stored)
        yield from whole if self._packing is None else archives.unpacked(whole, self._packing)

    def _digested(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._digest.update(chunk)
            yield chunk


def _ignore(_: bytes) -> None:
    return


def _chain(begin: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if begin:
        yield begin
    yield from rest


def _file(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.readline(_MAX_LINE + 1), b"")


def _stream(descriptor: int, before_read: Callable[[], object] | None) -> Iterator[bytes]:
    """Yield what a pipe or a terminal gives, as it comes; not through `sys.stdin`, whose lock outlives a thread."""
    while True:
        if before_read is not None:
            before_read()
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return
        yield chunk


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Split bytes into lines."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > _MAX_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest


def stdin_is_piped() -> bool:
    """Whether stdin is a pipe, a socket or a file: something to read, and no terminal."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or replaced by an object without a descriptor
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)
