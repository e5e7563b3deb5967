"""Decide whether a failed row may be sent once more, long after its run has ended, by what its output row says.

A request that is safe to send twice may always be sent again: GET HEAD OPTIONS TRACE PUT DELETE, or one with an
idempotency key of the user's own. A key that `--idempotency-key auto` made is another one in another run, so it doesn't
count. Any other request may only be sent again if the server did not process it:

    no status          the row failed before anything was sent: no connection was made, a setting of ours refused it, or
                       its credential could not be had
    4xx                the server refused it, except 408 (it may have read the request), 409 (it may have done the work
                       before) and 425 (it may do it yet)
    521 523 529        Cloudflare reached no server; "overloaded" (sansio/failures/resend.py)

A row whose last response came after a redirect says so (`REDIRECTED`): the request itself got another response before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.bulk.prepare import KEY
from asyncapi.bulk.rows import REDIRECTED
from asyncapi.sansio.failures.resend import IDEMPOTENT

if TYPE_CHECKING:
    from asyncapi.bulk.reader import Item

_NOT_SENT = frozenset({
    "ConnectError", "TLSError", "AuthError", "ConfigError", "RejectedError", "CircuitOpen", "DeadlineExceeded",
    "QueueFull", "RateExceeded", "EgressDenied", "BudgetSpent", "NotSent",
})  # fmt: skip
_PERHAPS = frozenset({408, 409, 425})
_UNPROCESSED = frozenset({521, 523, 529})


def may_be_sent_again(item: Item, status: int | None, error: str) -> bool:
    """Whether a row that failed may be sent again without doing its work twice.

    Args:
        item: The row's request, as the input has it.
        status: The status in its output row.
        error: The error in its output row.
    """
    safe = item.method in IDEMPOTENT or isinstance(item.idempotency_key, str) or KEY in item.headers
    if safe if item.idempotent is None else item.idempotent:
        return True
    if error.endswith(REDIRECTED):
        return False
    if status is None:
        return error.partition(":")[0] in _NOT_SENT
    return (400 <= status < 500 and status not in _PERHAPS) or status in _UNPROCESSED  # noqa: PLR2004
