"""One output row per input row: `id, url, status, ok, data | error, attempts, elapsed_ms, at`.

What `data` is, without a model: the parsed JSON of a JSON answer; the text of a text answer; a `data:` URL (RFC 2397,
base64) of anything else; None of an empty body. With a model it is the validated value. Secrets in `url` are masked.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncapi.errors import DecodeError
from asyncapi.redact import redact_url
from asyncapi.types import Response

if TYPE_CHECKING:
    from asyncapi.bulk.reader import Item
    from asyncapi.types import Outcome

Row = dict[str, Any]

UNKNOWN = "unknown: was in flight when the job stopped; not sent again"

_ERROR_SHOWN = 1000
_TEXT_TYPES = frozenset({"application/xml", "application/javascript", "application/x-www-form-urlencoded"})


def row_of(item: Item, outcome: Outcome[Any]) -> Row:
    """The row of one outcome."""
    data, error = outcome.value, outcome.error
    if error is None and type(data) is Response:
        try:
            data = plain(data)
        except DecodeError as problem:
            error = problem
    row: Row = {
        "id": item.index if item.name is None else item.name,
        "url": redact_url(item.url),
        "status": outcome.status,
        "ok": error is None,
    }
    if error is None:
        row["data"] = data
    else:
        row["error"] = f"{type(error).__name__}: {error.message}"[:_ERROR_SHOWN]
    row["attempts"] = len(outcome.attempts)
    queued = sum([attempt.queued for attempt in outcome.attempts])
    row["elapsed_ms"] = round(max(0.0, outcome.elapsed - queued) * 1000, 1)
    row["at"] = now()
    return row


def unknown_row(item: Item) -> Row:
    """The row of a request that may have reached the server: it was under way when an earlier run died."""
    return {
        "id": item.index if item.name is None else item.name,
        "url": redact_url(item.url),
        "status": None,
        "ok": False,
        "error": UNKNOWN,
        "attempts": 1,
        "elapsed_ms": None,
        "at": now(),
    }


def now() -> str:
    """This moment, ISO 8601 in UTC with milliseconds."""
    return datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def plain(response: Response) -> Any:
    """The body as a value that JSON can carry.

    Raises:
        DecodeError: It says that it is JSON, and is not.
    """
    content = response.content
    if not content:
        return None
    full = response.headers.get("Content-Type", "")
    kind = full.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return response.json()
    if kind.startswith("text/") or kind.endswith("+xml") or kind in _TEXT_TYPES:
        try:
            return response.text
        except DecodeError:
            return _data_url(full, content)
    if not kind:
        return _sniffed(response)
    return _data_url(full, content)


def _sniffed(response: Response) -> Any:
    for read in (response.json, lambda: response.text):
        try:
            return read()
        except DecodeError:
            continue
    return _data_url("application/octet-stream", response.content)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind.replace(' ', '')};base64,{base64.b64encode(content).decode('ascii')}"
