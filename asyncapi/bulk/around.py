"""A sink around another one, for outputs that something is done with once all rows are there."""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.journal import IsOwn
    from asyncapi.bulk.kept import Kept
    from asyncapi.bulk.packed import Packed
    from asyncapi.bulk.rows import Row
    from asyncapi.bulk.sinks import Sink


class Around:
    """A sink that leaves all to another one.

    Args:
        inner: The sink that the rows go to.
    """

    def __init__(self, inner: Sink) -> None:
        self.inner: Sink = inner
        self.name: str = inner.name
        self.resumable: bool = inner.resumable
        self.files: tuple[Path, ...] = inner.files

    @property
    def columns(self) -> Columns:
        """The columns of a table."""
        return self.inner.columns

    @columns.setter
    def columns(self, columns: Columns) -> None:
        self.inner.columns = columns

    @property
    def durable(self) -> bool:
        """Whether rows must survive a power cut."""
        return self.inner.durable

    @durable.setter
    def durable(self, durable: bool) -> None:
        self.inner.durable = durable

    def exists(self) -> bool:
        return self.inner.exists()

    def size(self) -> int:
        return self.inner.size()

    def written(self) -> AbstractContextManager[IsOwn]:
        return self.inner.written()

    def torn(self, begin: int, end: int) -> bool:
        return self.inner.torn(begin, end)

    def open(self, end: int) -> int:
        return self.inner.open(end)

    def encode(self, row: Row) -> Any:
        return self.inner.encode(row)

    def pack(self, batch: Sequence[Any], end: int) -> Packed:
        return self.inner.pack(batch, end)

    def append(self, data: Any) -> None:
        self.inner.append(data)

    def present(self) -> bool:
        return self.inner.present()

    def finish(self) -> None:
        self.inner.finish()

    def close(self) -> None:
        self.inner.close()

    def rows(self) -> Iterator[Kept]:
        return self.inner.rows()
