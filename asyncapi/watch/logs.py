"""Write structured logs to stdlib `logging`: one record per finished call, one per attempt at DEBUG.

Each has a readable message, and its fields as attributes of the log record (`extra=`), where JSON formatters and
structlog's `ExtraAdder` find them. Secrets in URLs are masked; headers and bodies are left out.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from asyncapi.layers.watch import ending, failed

if TYPE_CHECKING:
    from multidict import CIMultiDict

    from asyncapi.layers.watch import Finished
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request


class Logs:
    """Logs a client's calls: `Client(watch=[Logs()])`.

    Fields of a call: `kind` ("call"), `method`, `url`, `host`, `route`, `status`, `error`, `elapsed` (seconds),
    `attempts` (how many), `queued` (seconds in our queues), `degraded`. Of an attempt: `kind` ("attempt"), `method`,
    `url`, `route`, `status`, `error`, `elapsed`, `number`, `why`, `queued`.

    Args:
        logger: The logger, or its name.
        level: The level of calls that succeed.
        failed: The level of calls that end with 4xx or 5xx, or with an error.
        attempts: The level of attempts.
    """

    def __init__(
        self,
        logger: str | logging.Logger = "asyncapi.calls",
        *,
        level: int = logging.INFO,
        failed: int = logging.WARNING,
        attempts: int = logging.DEBUG,
    ) -> None:
        self._log = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level, self._failed, self._attempts = level, failed, attempts

    def call_started(self, request: Request) -> str | None:
        """Log nothing yet."""
        return request.route

    def attempt_started(self, token: str | None, request: Request, headers: CIMultiDict[str]) -> str | None:  # noqa: ARG002
        """Log nothing yet."""
        return token

    def attempt_ended(self, token: str | None, record: Attempt) -> None:
        """Log the attempt."""
        if self._log.isEnabledFor(self._attempts):
            fields = {"number": record.number, "why": record.why, "queued": record.queued}
            self._write(self._attempts, "attempt", record, {"route": token, **fields})

    def call_ended(self, token: str | None, record: Finished) -> None:
        """Log the call."""
        level = self._failed if failed(record) else self._level
        if self._log.isEnabledFor(level):
            queued = sum(attempt.queued for attempt in record.attempts)
            fields = {"attempts": len(record.attempts), "queued": queued, "degraded": record.degraded}
            fields["background"] = record.background
            self._write(level, "call", record, {"host": record.host, "route": token, **fields})

    def _write(self, level: int, kind: str, record: Attempt | Finished, fields: dict[str, Any]) -> None:
        url, milliseconds = record.url, record.elapsed * 1000
        shared = {"kind": kind, "method": record.method, "url": url, "status": record.status, "error": record.error}
        message = "%s %s: %s in %.0f ms", record.method, url, ending(record), milliseconds
        self._log.log(level, *message, extra={**shared, "elapsed": record.elapsed, **fields})
