"""Rows as text: a line of JSON, the cells of a table, a line of CSV (RFC 4180, with LF ends).

Rules:
1. JSON is always valid JSON: NaN and infinities are null, half of a surrogate pair is its escape (RFC 8259, 8.2).
2. An id is kept as it is where a column can hold it, else as its JSON text, as `data` is.
3. A CSV field is quoted where it has a comma, a quote, CR or LF (section 2.6), and is otherwise verbatim. The csv
   module leaves CR unquoted before Python 3.11.9 and 3.12.3.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.bulk.rows import Row

COLUMNS = ("id", "url", "status", "ok", "data", "error", "attempts", "elapsed_ms", "at")

_BIGGEST_INT = 2**63  # of SQLite, and of most that read tables
_TO_QUOTE = re.compile('[",\r\n]')


def json_line(row: Row) -> bytes:
    """A row as one line of JSON."""
    return written_anyhow(row) + b"\n"


def id_text(name: Any) -> str:
    """An id as text."""
    return name if isinstance(name, str) else written_anyhow(name).decode()


def cells(row: Row) -> tuple[Any, ...]:
    """A row as the cells of a table: numbers, text, None."""
    name = row["id"]
    if type(name) is float and math.isfinite(name):
        name += 0.0  # there is one zero in SQLite
    elif not (isinstance(name, str) or (type(name) is int and -_BIGGEST_INT <= name < _BIGGEST_INT)):
        name = id_text(name)
    elapsed = row["elapsed_ms"]
    return (
        name, row["url"], row["status"], int(row["ok"]), written_anyhow(row["data"]).decode() if row["ok"] else None,
        row.get("error"), row["attempts"], None if elapsed is None else float(elapsed), row["at"],
    )  # fmt: skip


def csv_line(values: Iterable[Any]) -> bytes:
    """Cells as one line of CSV; None is an empty field."""
    return (",".join(map(_field, values)) + "\n").encode()


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text
