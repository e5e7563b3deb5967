"""Convert JSON lines to a Parquet file, one row group at a time, and read such a file. `id` is text.

Rules:
1. The result appears whole or not at all: it is written under another name and then renamed.
2. A column whose type nobody has stated (selected, or carried from the input) gets the one that all its values have: it
   is of booleans, integers or numbers. Otherwise it is text, with what is no text as JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from asyncapi.bulk import disk
from asyncapi.bulk.columns import USUAL
from asyncapi.bulk.kept import Kept, kept, other_columns, read_json
from asyncapi.bulk.rows import id_text, json_line
from asyncapi.errors import ConfigError
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from asyncapi.bulk.columns import Column, Columns
    from asyncapi.bulk.rows import Row

_TYPES: dict[str, Any] = {
    "id": pa.string(), "text": pa.string(), "json": pa.string(), "int": pa.int64(), "real": pa.float64(),
    "bool": pa.bool_(), "time": pa.timestamp("ms", tz="UTC"),
}  # fmt: skip
_SMALL = frozenset({"status", "attempts"})
_EXACT = 2**53  # up to which every integer is also a float64

_GROUP_ROWS = 10_000
_GROUP_BYTES = 64 * 1024 * 1024


def convert(spool: Path, result: Path, columns: Columns = USUAL, *, durable: bool = False) -> None:
    """Write the rows of `spool` to `result`.

    Raises:
        OSError: The result can't be written.
    """
    unfinished = result.with_name(result.name + ".new")
    kinds = _kinds(spool, columns)
    schema = pa.schema([
        (column.name, pa.int32() if column.name in _SMALL and not column.of_model else _TYPES[kinds[column.name]])
        for column in columns.columns
    ])  # fmt: skip
    with spool.open("rb") as lines, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        for group in _groups(lines, columns, kinds):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
    if durable:
        disk.sync_path(unfinished)
    disk.replace(unfinished, result)
    if durable:
        disk.sync_folder(result)


def rows(result: Path, columns: Columns) -> Iterator[Kept]:
    """Read the rows of a Parquet file that a job has written; each is encoded as a line for `convert`.

    Raises:
        ConfigError: It is no such file, or has other columns.
        OSError: It can't be read.
    """
    try:
        with pq.ParquetFile(result) as file:
            names = tuple(file.schema_arrow.names)
            if names != columns.names:
                raise other_columns(result.name, ", ".join(names), ", ".join(columns.names))
            for batch in file.iter_batches(_GROUP_ROWS):
                for cells in batch.to_pylist():
                    row = _row(cells, columns)
                    yield kept(row, json_line(row))
    except pa.ArrowException as error:
        raise ConfigError(f"{result.name} can't be read as Parquet: {error}") from None


def _row(cells: dict[str, Any], columns: Columns) -> Row:
    row = {
        column.key: read_json(cells[column.name].encode()) if column.kind == "json" and cells[column.name] is not None
        else cells[column.name]
        for column in columns.columns if not column.of_model
    }  # fmt: skip
    at = cells["at"].astimezone(UTC)
    row["at"] = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"
    row.pop("error" if row["ok"] else "data", None)
    return row


def _kinds(spool: Path, columns: Columns) -> dict[str, str]:
    """Find the kind of every column (rule 2)."""
    open_ones = [(place, column.name) for place, column in enumerate(columns.columns) if column.kind == "any"]
    seen: dict[str, set[str]] = {name: set() for _, name in open_ones}
    if open_ones:
        with spool.open("rb") as lines:
            for line in lines:
                cells = columns.cells(read_json(line))
                for place, name in open_ones:
                    if cells[place] is not None:
                        seen[name].add(_kind_of(cells[place]))
    return {column.name: _joined(seen[column.name]) if column.kind == "any" else column.kind
            for column in columns.columns}  # fmt: skip


def _kind_of(value: Any) -> str:
    if type(value) is bool:
        return "bool"
    if type(value) is int:
        return "int" if -_EXACT <= value <= _EXACT else "big"
    return "real" if type(value) is float else "text"


def _joined(kinds: set[str]) -> str:
    if kinds in ({"bool"}, {"int"}, {"real"}):
        return next(iter(kinds))
    if kinds and kinds <= {"int", "big"}:
        return "int"
    return "real" if kinds == {"int", "real"} else "text"


def _groups(lines: Iterable[bytes], columns: Columns, kinds: dict[str, str]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        cells = columns.cells(read_json(line))
        group.append({
            column.name: _value(column, kinds[column.name], value)
            for column, value in zip(columns.columns, cells, strict=True)
        })  # fmt: skip
        size += len(line)
        if len(group) >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _value(column: Column, kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "id":
        return id_text(value)
    if kind == "time":
        return datetime.fromisoformat(value)
    if column.kind == "any" and kind == "text" and type(value) is not str:
        return written_anyhow(value).decode()
    return value
