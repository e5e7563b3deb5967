"""Read numbered lines of text from a file, a pipe or stdin, one at a time, with a digest of all bytes.

Memory is constant: a line has at most 16 MiB. Only UTF-8 is read, with or without a byte order mark.
"""

from __future__ import annotations

import os
import stat
import sys
from hashlib import blake2b
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Line = tuple[int, str]

_MAX_LINE = 16 * 1024 * 1024


class InputError(ConfigError):
    """A row of the input can't be used; the message begins with `file:line:`."""


class Lines:
    """The lines of one input.

    Args:
        path: A file, or `-` for stdin.

    Attributes:
        name: Its name in messages.
        regular: Whether it is a file that can be read twice.
        closed: Set it to True, also from another thread, to end a pass at its next line.

    Raises:
        ConfigError: The input can't be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.name: str = "stdin" if str(path) == "-" else str(path)
        self.path = path
        self.closed = False
        self.regular: bool = self._look()
        self._digest = blake2b(digest_size=16)

    def _look(self) -> bool:
        if str(self.path) == "-":
            return False
        try:
            mode = Path(self.path).stat().st_mode
            if stat.S_ISREG(mode):  # a pipe is opened only once: its writer would see it being closed
                os.close(os.open(self.path, os.O_RDONLY))
        except OSError as error:
            raise ConfigError(f"cannot read the input {self.name}: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise ConfigError(f"cannot read the input {self.name}: it is a folder")
        return stat.S_ISREG(mode)

    def digest(self) -> str:
        """Return the digest of every byte of the last pass."""
        return self._digest.hexdigest()

    def broken(self, number: int, problem: str) -> InputError:
        """Make the error of a line."""
        return InputError(f"{self.name}:{number}: {problem}")

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[Line]:
        """Yield each line with its number, from 1.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A line isn't UTF-8, or is too long.
        """
        self._digest = blake2b(digest_size=16)
        if self.regular:
            with Path(self.path).open("rb") as file:
                yield from self._decoded(_file(file))
        elif str(self.path) == "-":
            yield from self._decoded(_stream(sys.stdin.fileno(), before_read))
        else:
            descriptor = os.open(self.path, os.O_RDONLY)
            try:
                yield from self._decoded(_stream(descriptor, before_read))
            finally:
                os.close(descriptor)

    def _decoded(self, raw: Iterator[bytes]) -> Iterator[Line]:
        for number, line in enumerate(raw, 1):
            if self.closed:
                return
            self._digest.update(line)
            if len(line) > _MAX_LINE:
                raise self.broken(number, f"the line is longer than {_MAX_LINE >> 20} MiB")
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise self.broken(number, f"not valid UTF-8 ({error.reason}): save the file as UTF-8") from None


def _file(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.readline(_MAX_LINE + 1), b"")


def _stream(descriptor: int, before_read: Callable[[], object] | None) -> Iterator[bytes]:
    """Yield the lines of a pipe or a terminal as they come; not through `sys.stdin`, whose lock outlives a thread."""
    rest = b""
    while True:
        if before_read is not None:
            before_read()
        chunk = os.read(descriptor, 65536)
        if not chunk:
            break
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(rest) > _MAX_LINE:
            yield rest
            rest = b""
    if rest:
        yield rest
