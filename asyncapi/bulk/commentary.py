"""Say on stderr what becomes of single rows, a line each: `Job.verbose`. Secrets are masked.

row 7: GET https://h/items/7: sent again (retry: 503 Service Unavailable)
row 9: GET https://h/items/9: held back by budget
row 7: GET https://h/items/7: failed: ServerError: 503 Service Unavailable
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TextIO

from asyncapi.redact import one_line, redact_url

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.bulk.reader import Item
    from asyncapi.bulk.rows import Row
    from asyncapi.layers.watch import Finished
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request


class Commentary:
    """Writes the lines; also a `Watcher` of the job's client, which tells it of retries.

    Args:
        out: Where to; stderr by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    def held_back(self, item: Request, why: str) -> None:
        """Say what holds a row back, when that first happens."""
        self._write(item, f"held back by {why}")

    def failed(self, item: Item, row: Row) -> None:
        """Say why a row failed."""
        self._write(item, f"failed: {row['error']}")

    def call_started(self, request: Request) -> Request:
        """Remember the row, as `Watcher`."""
        return request

    def attempt_started(self, token: Request, request: Request, headers: CIMultiDict[str]) -> Request:  # noqa: ARG002
        """Say that a row is sent again, as `Watcher`."""
        why = request.call.why
        if not why.startswith(("first", "redirect")):
            last = request.call.attempts[-1].error if request.call.attempts else None
            self._write(token, f"sent again ({why})" if last is None or last in why else f"sent again ({why}; {last})")
        return token

    def attempt_ended(self, token: Request, record: Attempt) -> None:
        """Say nothing, as `Watcher`."""

    def call_ended(self, token: Request, record: Finished) -> None:
        """Say nothing, as `Watcher`."""

    def _write(self, item: Request, what: str) -> None:
        name: Any = getattr(item, "name", None)
        row = f"row {item.id}" if name is None else f"row {item.id} (id {name})"
        line = one_line(f"{row}: {item.method} {redact_url(item.target)}: {what}")
        print(line, file=self._out or sys.stderr)
