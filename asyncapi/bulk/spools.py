"""Parquet as an output: it can't be appended to, so rows are collected as JSON lines beside it, in `OUT.parquet.part`.

`finish` turns them into Parquet, once all are there.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.bulk import disk
from asyncapi.bulk.line_files import LinesFile
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.bulk.kept import Kept


class Parquet(LinesFile):
    """Writes JSON lines while the job runs, and converts them at its end."""

    def __init__(self, path: Path) -> None:
        try:
            from asyncapi.bulk import parquet  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError("Parquet output needs pyarrow: pip install 'asyncapi-sdk[parquet]'") from None
        super().__init__(path.with_name(path.name + ".part"))
        self.name: str = str(path)
        self._result = path
        self._parquet = parquet
        self.files: tuple[Path, ...] = (path, self.path)
        self._finished = False

    def exists(self) -> bool:
        return self._result.exists()

    def finish(self) -> None:
        self._parquet.convert(self.path, self._result, self.columns, durable=self.durable)
        self._finished = True

    def close(self) -> None:
        super().close()
        if self._finished:  # not before the journal is removed, which needs the spool
            disk.remove(self.path)

    def rows(self) -> Iterator[Kept]:
        return self._parquet.rows(self._result, self.columns)
