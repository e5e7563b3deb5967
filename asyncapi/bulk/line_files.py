"""Lines of JSON, or of CSV or TSV with a header, in a file.

Rules:
1. The size of the file is what counts, also where it is compressed. A plain row ends at its line's end; one of a
   compressed batch ends with the batch, which is there whole or not at all.
2. A header is written when the file is empty. A file with another one is not continued.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import io
import os
import zlib
from contextlib import contextmanager
from itertools import accumulate
from typing import IO, TYPE_CHECKING
from zlib import crc32

from asyncapi.bulk import disk
from asyncapi.bulk.columns import USUAL, Columns
from asyncapi.bulk.compression import first_member
from asyncapi.bulk.kept import Kept, check_header, csv_rows, json_rows
from asyncapi.bulk.packed import Packed
from asyncapi.bulk.rows import csv_line, json_line
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from asyncapi.bulk.compression import Codec
    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.rows import Row

_CHUNK = 1 << 20  # bytes read at a time
_NULS_OF_GZIP = 4  # with which a member may end: its size (RFC 1952 section 2.3.1)


class LinesFile:
    """Lines of JSON, or of CSV with a header, in a file that may be compressed.

    Args:
        path: The file.
        delimiter: The character between two fields of CSV; "" for JSON.
        codec: Compresses it, or None.
    """

    def __init__(self, path: Path, delimiter: str = "", codec: Codec | None = None) -> None:
        self.name: str = str(path)
        self.files: tuple[Path, ...] = (path,)
        self.resumable = True
        self.columns: Columns = USUAL
        self.durable = False
        self.path = path
        self.delimiter = delimiter
        self._codec = codec
        self._descriptor = -1

    @property
    def header(self) -> bytes:
        """The line before the first row, or nothing."""
        return csv_line(self.columns.names, self.delimiter) if self.delimiter else b""

    def exists(self) -> bool:
        return self.path.exists()

    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @contextmanager
    def written(self) -> Iterator[IsOwn]:
        at, last = 0, None

        def is_own(end: int, checksum: int | None) -> bool:
            nonlocal at, last
            if end != at or last is None:  # else one more row of a compressed batch
                begin, at = at, end
                if not begin and self.header:
                    begin = self._after_header(file)
                last = _checksum(file, end - begin)
            return last is not None and checksum in {None, last}

        with self.path.open("rb") if self.path.exists() else io.BytesIO() as file:
            yield is_own

    def _after_header(self, file: IO[bytes]) -> int:
        """Go to the end of the header, and return where it is; 0 if there is none."""
        if self._codec is None:
            line = file.readline()
            size = len(line)
        else:
            line, size = first_member(self._codec, file)
        if line != self.header:
            check_header(self, line)
            size = 0
        file.seek(size)
        return size

    def torn(self, begin: int, end: int) -> bool:
        at = last = begin  # where the last byte ends that is no NUL
        with self.path.open("rb") as file:
            file.seek(begin)
            while chunk := file.read(_CHUNK):
                text = chunk.rstrip(b"\0")
                last = at + len(text) if text else last
                at += len(chunk)
        nuls = 0 if self._codec is None else _NULS_OF_GZIP
        return last < end and at - last > nuls

    def open(self, end: int) -> int:
        self._descriptor = disk.open_append(self.path)
        disk.cut(self._descriptor, end)
        if end == 0 and self.header:
            first = self._coded(self.header)
            disk.write_all(self._descriptor, first)
            end = len(first)
        if self.durable:
            disk.sync(self._descriptor)
            disk.sync_folder(self.path)
        return end

    def encode(self, row: Row) -> bytes:
        return csv_line(self.columns.cells(row), self.delimiter) if self.delimiter else json_line(row)

    def pack(self, batch: Sequence[bytes], end: int) -> Packed:
        data, count = b"".join(batch), len(batch)
        if self._codec is None:
            ends = list(accumulate(map(len, batch), initial=end))
            return Packed(ends[1:], list(map(crc32, batch)), data)
        data = self._coded(data)
        return Packed((end + len(data),) * count, (crc32(data),) * count, data, whole=True)

    def append(self, data: bytes) -> None:
        disk.write_all(self._descriptor, data)
        if self.durable:
            disk.sync(self._descriptor)

    def _coded(self, data: bytes) -> bytes:
        return data if self._codec is None else self._codec.compress(data)

    def present(self) -> bool:
        try:
            return os.path.samestat(self.path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def finish(self) -> None:
        pass

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def rows(self) -> Iterator[Kept]:
        try:
            with self.path.open("rb") if self._codec is None else self._codec.open(self.path) as file:
                yield from csv_rows(file, self) if self.delimiter else json_rows(file, self.path.name)
        except (EOFError, zlib.error) as error:
            raise ConfigError(f"{self.path.name} can't be decompressed: {error}") from None


def _checksum(file: IO[bytes], count: int) -> int | None:
    """Return the checksum of the next `count` bytes; None if there are fewer."""
    checksum = 0
    while count > 0 and (chunk := file.read(min(count, _CHUNK))):
        checksum, count = crc32(chunk, checksum), count - len(chunk)
    return None if count else checksum
