"""Compress lines as they come: gzip (RFC 1952) or Zstandard (RFC 8878).

Every batch is a gzip member or a Zstandard frame of its own, which every reader joins. So a file can be cut after any
batch and appended to.
"""

from __future__ import annotations

import gzip
import zlib
from typing import IO, TYPE_CHECKING, Any, Protocol

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 16
_GZIP = 31  # zlib's window of 2**15 with gzip's header


class Codec(Protocol):
    """A format of compression."""

    def compress(self, data: bytes) -> bytes:
        """Return the data as one member."""
        ...

    def decompressor(self) -> Any:
        """Return what reads one member, with `decompress`, `eof` and `unused_data`."""
        ...

    def open(self, path: Path) -> IO[bytes]:
        """Open a file for reading, with all its members."""
        ...


class Gzip:
    """gzip, by the standard library."""

    def compress(self, data: bytes) -> bytes:
        """Return the data as one member."""
        return gzip.compress(data, 6, mtime=0)

    def decompressor(self) -> Any:
        """Return what reads one member."""
        return zlib.decompressobj(_GZIP)

    def open(self, path: Path) -> IO[bytes]:
        """Open a file for reading, with all its members."""
        return gzip.open(path, "rb")  # type: ignore[return-value]  # reads bytes


class Zstandard:
    """Zstandard, by the standard library from Python 3.14 on.

    Raises:
        ConfigError: It is not there, and the extra neither.
    """

    def __init__(self) -> None:
        self._zstd = _zstd()

    def compress(self, data: bytes) -> bytes:
        """Return the data as one member."""
        made: bytes = self._zstd.compress(data)
        return made

    def decompressor(self) -> Any:
        """Return what reads one member."""
        return self._zstd.ZstdDecompressor()

    def open(self, path: Path) -> IO[bytes]:
        """Open a file for reading, with all its members."""
        file: IO[bytes] = self._zstd.open(path, "rb")
        return file


def _zstd() -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - Python 3.14
    except ImportError:
        try:
            from backports import zstd  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("Zstandard (.zst) needs an extra: pip install 'asyncapi-sdk[zstd]'") from None
    return zstd


def first_member(codec: Codec, file: IO[bytes]) -> tuple[bytes, int]:
    """Read the first member of a file: its text and its size; nothing where there is none."""
    reader, text, size = codec.decompressor(), b"", 0
    try:
        while not reader.eof and (chunk := file.read(_CHUNK)):
            text += reader.decompress(chunk)
            size += len(chunk)
    except Exception:  # each library has errors of its own: it isn't a member
        return b"", 0
    return text, size - len(reader.unused_data)


def codec_of(ending: str) -> Codec | None:
    """Return the codec of `.gz` or `.zst`; None of any other ending.

    Raises:
        ConfigError: The format needs an extra.
    """
    return Gzip() if ending == ".gz" else Zstandard() if ending == ".zst" else None
