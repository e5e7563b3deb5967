"""One output row per input row: `id, url, status, ok, data | error, attempts, elapsed_ms, at`.

What `data` is, without a model: the parsed JSON of a JSON answer; the text of a text answer; a `data:` URL (RFC 2397,
base64) of anything else; None of an empty body. With a model it is the validated value. Secrets in `url` are masked.
"""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import from_json

from asyncapi.bulk.words import word
from asyncapi.errors import DecodeError, StatusError
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncapi.bulk.reader import Item
    from asyncapi.messages.response import Outcome

Row = dict[str, Any]

UNKNOWN = "unknown: was in flight when the job stopped; not sent again"

_ERROR_SHOWN = 1000
_TEXT_TYPES = frozenset({"application/xml", "application/javascript", "application/x-www-form-urlencoded"})


def row_of(item: Item, outcome: Outcome[Any]) -> Row:
    """The row of one outcome."""
    data, error = outcome.value, outcome.error
    if error is None and type(data) is Response:
        try:
            data = plain(data) if data.status < 400 else data.raise_for_status()  # noqa: PLR2004 - where errors begin
        except (DecodeError, StatusError) as problem:
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
        who = word(error)
        row["error"] = _encodable(f"{type(error).__name__}: {error.message}"[:_ERROR_SHOWN])
        row["error"] += f" [{who}]" if who is not None else ""
    elapsed = outcome.elapsed
    for attempt in outcome.attempts:
        elapsed -= attempt.queued
    row["attempts"] = len(outcome.attempts)
    row["elapsed_ms"] = round(elapsed * 1000, 1) if elapsed > 0 else 0.0
    row["at"] = now()
    return row


def retries_of(outcome: Outcome[Any]) -> int:
    """How many of its attempts repeated a failed one; following a redirect is none."""
    if len(outcome.attempts) <= 1:
        return 0
    return sum(not attempt.why.startswith("redirect") for attempt in outcome.attempts[1:])


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


def _encodable(text: str) -> str:
    """The text without halves of surrogate pairs, as a header's stray bytes become: no output could hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def now() -> str:
    """This moment, ISO 8601 in UTC with milliseconds."""
    second, part = divmod(time.time(), 1)
    return f"{_second(second)}.{int(part * 1000):03}Z"


@lru_cache(maxsize=2)
def _second(second: float) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def plain(response: Response) -> Any:
    """The body as a value that JSON can carry.

    Raises:
        DecodeError: It says that it is JSON, and is not.
    """
    content = response.content
    if not content:
        return None
    full = response.headers.get("Content-Type", "")
    read = _reading(full)
    if read == "json":
        try:
            return from_json(content)
        except ValueError:
            return response.json()  # says what is wrong, or tries another charset
    if read == "text":
        try:
            return response.text
        except DecodeError:
            return _data_url(full, content)
    return _sniffed(response) if read == "sniff" else _data_url(full, content)


@lru_cache(maxsize=256)
def _reading(content_type: str) -> Literal["json", "text", "sniff", "bytes"]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return "json"
    if kind.startswith("text/") or kind.endswith("+xml") or kind in _TEXT_TYPES:
        return "text"
    return "bytes" if kind else "sniff"


def _sniffed(response: Response) -> Any:
    for read in (response.json, lambda: response.text):
        try:
            return read()
        except DecodeError:
            continue
    return _data_url("application/octet-stream", response.content)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind.replace(' ', '')};base64,{base64.b64encode(content).decode('ascii')}"
