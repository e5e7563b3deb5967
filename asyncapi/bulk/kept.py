"""Read the rows of an output that is there: to compare it with its input, or to keep them in a new one.

Only what a job has written is understood: lines that end with LF, quotes only where they are needed. Memory is that of
one row.
"""

from __future__ import annotations

import json
import re
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from asyncapi.bulk.rows import Row, id_text
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.bulk.columns import Columns

_FIELD = {
    mark: re.compile(rf'"([^"]*+(?:""[^"]*+)*+)"(?:{mark}|\Z)|([^{mark}]*+)(?:{mark}|\Z)') for mark in (",", "\t")
}
_TRUE = frozenset({"true", "1"})


class Kept(NamedTuple):
    """A row of an output.

    Attributes:
        name: Its id as text.
        url: Its URL, as in the input.
        ok: Whether there is data.
        status: The last status, or None.
        error: What went wrong, or "".
        encoded: The row as the sink writes it.
    """

    name: str
    url: str
    ok: bool
    status: int | None
    error: str
    encoded: Any


class Delimited(Protocol):
    """What reading CSV needs to know of its sink."""

    path: Path
    columns: Columns

    @property
    def header(self) -> bytes:
        """The header as it must be."""
        ...

    @property
    def delimiter(self) -> str:
        """The character between two fields."""
        ...


def kept(row: Row, encoded: Any) -> Kept:
    """Make the record of a row."""
    return Kept(id_text(row["id"]), row["url"], bool(row["ok"]), row["status"], row.get("error") or "", encoded)


def read_json(line: bytes) -> Row:
    """Read a line of JSON that a job has written.

    Raises:
        ValueError: It isn't JSON.
    """
    from pydantic_core import from_json  # noqa: PLC0415 - it takes long

    try:
        row: Row = from_json(line)
    except ValueError:  # half of a surrogate pair, or nesting, that pydantic refuses
        row = json.loads(line)
    return row


def json_rows(file: IO[bytes], name: str) -> Iterator[Kept]:
    """Read lines of JSON.

    Raises:
        ConfigError: A line is not a row of a job.
    """
    for number, line in enumerate(file, 1):
        try:
            yield kept(read_json(line), line)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _foreign(name, number) from None


def csv_rows(file: IO[bytes], sink: Delimited) -> Iterator[Kept]:
    """Read CSV or TSV.

    Raises:
        ConfigError: The header is another one, or a line is not a row of a job.
    """
    header = file.readline()
    if header != sink.header:
        check_header(sink, header)
        raise _foreign(sink.path.name, 1)
    names = sink.columns.names
    for number, record in enumerate(_records(file), 2):
        try:
            row = dict(zip(names, _fields(record, sink.delimiter), strict=True))
            status = int(row["status"]) if row["status"] else None
            yield Kept(row["id"], row["url"], row["ok"] in _TRUE, status, row["error"], record)
        except (ValueError, KeyError):
            raise _foreign(sink.path.name, number) from None


def check_header(sink: Delimited, line: bytes) -> None:
    """Refuse the header of a job with other columns.

    Raises:
        ConfigError: It is one.
    """
    began = sink.delimiter.join(("id", "url", "")).encode()
    if line != sink.header and line.startswith(began) and line.endswith(b"\n") and b"\r" not in line:
        there, wanted = (", ".join(_fields(header, sink.delimiter)) for header in (line, sink.header))
        raise other_columns(sink.path.name, there, wanted)


def other_columns(name: str, there: str, wanted: str) -> ConfigError:
    """Make the error of an output that has other columns than the job."""
    return ConfigError(
        f"{name} has the columns {there}; this job has {wanted}: give the options that it began with, "
        "or start again with --overwrite"
    )


def _records(file: IO[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    quotes = 0
    for line in file:
        quotes += line.count(b'"')
        parts.append(line)
        if not quotes % 2:
            yield b"".join(parts)
            parts, quotes = [], 0
    if parts:
        yield b"".join(parts)


def _fields(record: bytes, delimiter: str) -> list[str]:
    text = record.decode().removesuffix("\n")
    found, at = [], 0
    while at <= len(text):
        field = _FIELD[delimiter].match(text, at)
        if field is None:
            raise ValueError("not a row")
        found.append(field[2] if field[1] is None else field[1].replace('""', '"'))
        if field.end() == len(text) and not text.endswith(delimiter, at, field.end()):
            break
        at = field.end()
        if at == len(text):
            found.append("")
            break
    return found


def _foreign(name: str, line: int) -> ConfigError:
    return ConfigError(f"{name}:{line}: not a row that a job has written: start again with --overwrite")
