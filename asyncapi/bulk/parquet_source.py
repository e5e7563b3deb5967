"""Read the rows of a Parquet file, a batch at a time, so that memory doesn't grow with the file or its row groups."""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.lines import InputError, input_error
from asyncapi.bulk.remote import RemoteFile
from asyncapi.bulk.template import shown_row
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_BATCH = 1000  # rows
_BUFFER = 1 << 20  # bytes of a column read at a time
_CHUNK = 1 << 20


class ParquetSource:
    """The rows of a Parquet file.

    Args:
        path: The file, here or in an object store.

    Attributes:
        name: Its name in messages.
        path: The file.
        regular: Whether it can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True, also from another thread, to end a pass at its next row.
        columns: The names of its columns.
        wanted: The columns to read, or None for all.

    Raises:
        ConfigError: It isn't a Parquet file, or pyarrow is missing.
    """

    def __init__(self, path: str | Path | RemoteFile) -> None:
        self.name: str = str(path)
        self.regular: bool = True
        self.slow: bool = isinstance(path, RemoteFile)
        self.closed: bool = False
        self.wanted: set[str] | None = None
        self.path = path
        self._digest = blake2b(digest_size=16)
        try:
            import pyarrow.parquet  # noqa: F401, PLC0415 - an extra
        except ImportError:
            raise ConfigError(
                f"the input {self.name} needs pyarrow: pip install 'asyncapi-sdk[parquet]', "
                "or convert the file to CSV or JSONL"
            ) from None
        with self._opened() as file:
            self.columns: tuple[str, ...] = tuple(file.schema_arrow.names)

    def digest(self) -> str:
        """Return the digest of every byte of the file."""
        return self.digest_all()

    def digest_all(self) -> str:
        """Return the digest of every byte of the file."""
        digest = blake2b(digest_size=16)
        if isinstance(self.path, RemoteFile):
            for chunk in self.path.chunks():
                digest.update(chunk)
        else:
            with Path(self.path).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        return digest.hexdigest()

    def broken(self, number: int, problem: str, row: Mapping[str, Any]) -> InputError:
        """Make the error of a row."""
        return input_error(f"{self.name}:{number}", problem, *shown_row(row))

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number, from 1.

        Args:
            before_read: Called before each read, which may block.

        Raises:
            ConfigError: The file can't be read.
        """
        number = 0
        with self._opened() as file:
            names = None if self.wanted is None else [name for name in self.columns if name in self.wanted]
            batches = file.iter_batches(batch_size=_BATCH, columns=names, use_threads=False)
            while True:
                if before_read is not None:
                    before_read()
                batch = self._next(batches)
                if batch is None:
                    return
                for row in self._rows(batch):
                    if self.closed:
                        return
                    number += 1
                    yield number, row

    def _next(self, batches: Iterator[Any]) -> Any:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        try:
            return next(batches, None)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    def _rows(self, batch: Any) -> list[dict[str, Any]]:
        import pyarrow as pa  # noqa: PLC0415 - an extra

        try:
            return rows_of(batch)
        except (UnicodeError, OverflowError, pa.ArrowException) as error:
            raise self._unreadable(error) from None

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

        try:
            source = self.path.open() if isinstance(self.path, RemoteFile) else str(self.path)
            file = pq.ParquetFile(source, buffer_size=_BUFFER, pre_buffer=False)
        except (OSError, UnicodeError, pa.ArrowException) as error:
            raise self._unreadable(error) from None
        try:
            yield file
        finally:
            file.close(force=True)

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(f"cannot read the input {self.name}: {one_line(str(error), 300)}")


def rows_of(batch: Any) -> list[dict[str, Any]]:
    """Turn an Arrow record batch into rows of Python's own types."""
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*map(values_of, batch.columns), strict=True)]


def values_of(column: Any) -> list[Any]:
    """Turn an Arrow array into values of Python's own types."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    kind, types = column.type, pa.types
    if types.is_timestamp(kind) and kind.unit == "ns":  # datetime has microseconds
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    elif types.is_duration(kind) and kind.unit == "ns":
        column = column.cast(pa.duration("us"), safe=False)
    elif types.is_time64(kind) and kind.unit == "ns":
        column = column.cast(pa.time64("us"), safe=False)
    values: list[Any] = column.to_pylist()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        return [None if value is None else text_of(value) for value in values]
    return values


def text_of(value: bytes) -> str:
    """Turn bytes into text: UTF-8, or else a `data:` URL (RFC 2397), as in the output."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        import base64  # noqa: PLC0415 - rare

        return f"data:application/octet-stream;base64,{base64.b64encode(value).decode('ascii')}"
