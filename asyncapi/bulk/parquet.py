"""Convert JSON lines to a Parquet file, one row group at a time. `data` is JSON text, `id` is text.

The result appears whole or not at all: it is written under another name and then renamed.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from asyncapi.bulk.rows import id_text
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("status", pa.int32()),
        ("ok", pa.bool_()),
        ("data", pa.string()),
        ("error", pa.string()),
        ("attempts", pa.int32()),
        ("elapsed_ms", pa.float64()),
        ("at", pa.timestamp("ms", tz="UTC")),
    ]
)

_GROUP_ROWS = 10_000
_GROUP_BYTES = 64 * 1024 * 1024


def convert(spool: Path, result: Path) -> None:
    """Write the rows of `spool` to `result`.

    Raises:
        OSError: The result can't be written.
    """
    unfinished = result.with_name(result.name + ".new")
    with spool.open("rb") as lines, pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for group in _groups(lines):
            writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
    unfinished.replace(result)


def _groups(lines: Iterable[bytes]) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        group.append(_columns(_read(line)))
        size += len(line)
        if len(group) >= _GROUP_ROWS or size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _read(line: bytes) -> dict[str, Any]:
    try:
        row: dict[str, Any] = from_json(line)
    except ValueError:  # half of a surrogate pair, or nesting, that pydantic refuses
        row = json.loads(line)
    return row


def _columns(row: dict[str, Any]) -> dict[str, Any]:
    row["id"] = id_text(row["id"])
    row["at"] = datetime.fromisoformat(row["at"])
    if row["ok"]:
        row["data"] = written_anyhow(row["data"]).decode()
    return row
