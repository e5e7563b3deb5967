"""One output row per input row, and its text: a line of JSON, the cells of a table, a line of CSV (RFC 4180).

A row has `id, url, status, ok, data | error, attempts, elapsed_ms, at`; columns.py adds what the user asks for. Rules:
1. Without a model, `data` is the parsed JSON of a JSON response; the text of a text response; a `data:` URL (RFC 2397,
   base64) of anything else; None of an empty body. With a model it is the validated value.
2. `url` is the text of the input, to join on: it is never masked or rewritten. `status` is that of the last attempt.
3. JSON is always valid JSON: NaN and infinities are null, half of a surrogate pair is its escape (RFC 8259, 8.2).
4. An id stays as it is where a column can hold it; else it becomes its JSON text, as `data` does.
5. A CSV field is quoted where it has a comma (in TSV a tab), a quote, CR or LF (RFC 4180, 2.6), and is otherwise
   verbatim; lines end with LF; booleans are `true` and `false`. The csv module leaves CR unquoted before Python 3.11.9
   and 3.12.3.
"""

from __future__ import annotations

import base64
import math
import re
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.bulk.words import word
from asyncapi.errors import DecodeError, StatusError
from asyncapi.messages import decoding
from asyncapi.messages.json_text import written_anyhow
from asyncapi.messages.response import Response
from asyncapi.sansio.failures.resend import IDEMPOTENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.bulk.reader import Item
    from asyncapi.messages.response import Outcome

Row = dict[str, Any]

UNKNOWN = "unknown: was in flight when the job stopped; not sent again"

REDIRECTED = " [redirected]"
"""Ends the error of a request that must not be sent twice: it got a redirect, and what it was redirected to failed."""

POLICY = "policy"
"""Ends the error of a row that learned retries did not send again, in brackets."""

COLUMNS = ("id", "url", "status", "ok", "data", "error", "attempts", "elapsed_ms", "at")

BIGGEST_INT = 2**63  # of SQLite, and of most that read tables
_TO_QUOTE = {",": re.compile('[",\r\n]'), "\t": re.compile('["\t\r\n]')}
_BOOLEANS = {True: "true", False: "false"}
_ERROR_SHOWN = 1000
_TEXT_TYPES = frozenset({"application/xml", "application/javascript", "application/x-www-form-urlencoded"})


def row_of(item: Item, outcome: Outcome[Any], read: Callable[[Response], Any] | None = None) -> Row:
    """Make the row of an outcome; `read` reads the body of a response (by default rule 1)."""
    data, error = outcome.value, outcome.error
    if error is None and type(data) is Response:
        try:
            data = (read or value_of)(data) if data.status < 400 else data.raise_for_status()  # noqa: PLR2004 - where errors begin
        except (DecodeError, StatusError) as problem:
            error = problem
    row: Row = {
        "id": item.index if item.name is None else item.name,
        "url": item.given,
        "status": outcome.status if error is None else last_status(outcome),
        "ok": error is None,
    }
    if error is None:
        row["data"] = data
    else:
        held_by = word(error) or (POLICY if error.held_by == POLICY else None)
        row["error"] = _encodable(f"{type(error).__name__}: {error.message}"[:_ERROR_SHOWN])
        row["error"] += f" [{held_by}]" if held_by is not None else ""
        if item.method not in IDEMPOTENT and any(attempt.why.startswith("redirect") for attempt in outcome.attempts):
            row["error"] += REDIRECTED
    elapsed = outcome.elapsed
    for attempt in outcome.attempts:
        elapsed -= attempt.queued
    row["attempts"] = len(outcome.attempts)
    row["elapsed_ms"] = round(elapsed * 1000, 1) if elapsed > 0 else 0.0
    row["at"] = timestamp()
    return row


def last_status(outcome: Outcome[Any]) -> int | None:
    """Return the status of the last attempt; None if that got no response."""
    attempts = outcome.attempts
    return attempts[-1].status if attempts else outcome.status


def unknown_row(item: Item) -> Row:
    """Make the row of a request that may have reached the server: it was in flight when an earlier run died."""
    return {
        "id": item.index if item.name is None else item.name,
        "url": item.given,
        "status": None,
        "ok": False,
        "error": UNKNOWN,
        "attempts": 1,
        "elapsed_ms": None,
        "at": timestamp(),
    }


def not_sent_row(item: Item, why: str) -> Row:
    """Make the row of a request that is not sent."""
    return unknown_row(item) | {"error": f"NotSent: {why}", "attempts": 0}


def _encodable(text: str) -> str:
    """Escape halves of surrogate pairs, which stray bytes in headers become: no output could hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def timestamp() -> str:
    """Return the time now: ISO 8601 in UTC with milliseconds."""
    second, part = divmod(time.time(), 1)
    return f"{_second(second)}.{int(part * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def value_of(response: Response) -> Any:
    """Turn a body into a value that JSON can hold (rule 1).

    Raises:
        DecodeError: The Content-Type says JSON, and the body isn't valid JSON.
    """
    content = response.content
    if not content:
        return None
    full = response.headers.get("Content-Type", "")
    kind = _body_kind(full)
    if kind == "json":
        try:
            return decoding.from_json()(content)
        except ValueError:
            return response.json()  # tries another charset, or raises with what is wrong
    if kind == "text":
        try:
            return response.text
        except DecodeError:
            return _data_url(full, content)
    return _sniffed(response) if kind == "sniff" else _data_url(full, content)


@lru_cache(maxsize=256)
def _body_kind(content_type: str) -> Literal["json", "text", "sniff", "bytes"]:
    media = content_type.partition(";")[0].strip().lower()
    if media == "application/json" or media.endswith("+json"):
        return "json"
    if media.startswith("text/") or media.endswith("+xml") or media in _TEXT_TYPES:
        return "text"
    return "bytes" if media else "sniff"


def _sniffed(response: Response) -> Any:
    for read in (response.json, lambda: response.text):
        try:
            return read()
        except DecodeError:
            continue
    return _data_url("application/octet-stream", response.content)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind.replace(' ', '')};base64,{base64.b64encode(content).decode('ascii')}"


def json_line(row: Row) -> bytes:
    """Write a row as one line of JSON (rule 3)."""
    return written_anyhow(row) + b"\n"


def id_text(name: Any) -> str:
    """Write an id as text."""
    return name if isinstance(name, str) else written_anyhow(name).decode()


def id_cell(name: Any) -> Any:
    """Turn an id into a number or text that a column can hold (rule 4)."""
    if type(name) is float and math.isfinite(name):
        return name + 0.0  # there is one zero in SQLite
    if isinstance(name, str) or (type(name) is int and -BIGGEST_INT <= name < BIGGEST_INT):
        return name
    return id_text(name)


def cells(row: Row) -> tuple[Any, ...]:
    """Turn a row into the cells of a table: numbers, text, booleans, None."""
    elapsed, ok = row["elapsed_ms"], row["ok"]
    return (
        id_cell(row["id"]), row["url"], row["status"], ok, written_anyhow(row["data"]).decode() if ok else None,
        row.get("error"), row["attempts"], None if elapsed is None else float(elapsed), row["at"],
    )  # fmt: skip


def csv_line(values: Iterable[Any], delimiter: str = ",") -> bytes:
    """Write cells as one line of CSV or TSV (rule 5); None is an empty field."""
    search = _TO_QUOTE[delimiter].search
    fields = [
        "" if value is None
        else _BOOLEANS[value] if value is True or value is False
        else '"' + text.replace('"', '""') + '"' if search(text := str(value)) else text
        for value in values
    ]  # fmt: skip
    return (delimiter.join(fields) + "\n").encode()
