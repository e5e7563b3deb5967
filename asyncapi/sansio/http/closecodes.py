"""Decide what follows the end of a WebSocket: by the code of its CLOSE (RFC 6455 section 7.4, and IANA's registry).

    1000 1005                        end        a normal close, with or without a code
    1001 1006 1011 1012 1014         again      the server goes away, fails or restarts; no CLOSE came at all
    1013                             later      "try again later": after a longer wait
    3000 4401                        renew      the credential is refused, or has expired: once with a fresh one
    all others                       fail       the same connection would end in the same way

4000 to 4999 are the application's own: which of them are worth another connection, only its author can say
(`reconnect_on=`). 4401 is what many of them say for 401.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

Next = Literal["end", "again", "later", "renew", "fail"]
ReconnectOn = Collection[int] | Callable[[int, str], bool | Literal["renew"] | None]

NORMAL, GOING_AWAY, NO_CODE, LOST = 1000, 1001, 1005, 1006
MOST_REASON = 123  # bytes: a control frame has room for 125 (RFC 6455 section 5.5), two of them are the code
_NEXT: dict[int, Next] = {
    NORMAL: "end", NO_CODE: "end",
    GOING_AWAY: "again", LOST: "again", 1011: "again", 1012: "again", 1014: "again",
    1013: "later",
    3000: "renew", 4401: "renew",
}  # fmt: skip
_MEANS = {
    1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data", 1005: "no code",
    1006: "no CLOSE came", 1007: "invalid data", 1008: "policy violation", 1009: "message too big",
    1010: "extension required", 1011: "internal error", 1012: "service restart", 1013: "try again later",
    1014: "bad gateway", 3000: "unauthorized", 3003: "forbidden", 3008: "timeout",
}  # fmt: skip


def what_next(code: int, reason: str = "", reconnect_on: ReconnectOn = ()) -> Next:
    """Say what follows a close.

    Args:
        code: Its code.
        reason: Its reason.
        reconnect_on: The user's word, which wins: the codes to connect again after, or a function of the code and the
            reason that returns True (connect again), False (don't), "renew" (once, with a fresh credential), or None
            for what the table says.
    """
    usual = _NEXT.get(code, "fail")
    said = reconnect_on(code, reason) if callable(reconnect_on) else code in reconnect_on or None
    if said is None:
        return usual
    if said == "renew":
        return "renew"
    if said:
        return "later" if usual == "later" else "again"
    return "end" if usual == "end" else "fail"


def describe(code: int) -> str:
    """Return the code with what it means: "1012 (service restart)"."""
    return f"{code} ({_MEANS[code]})" if code in _MEANS else str(code)


def is_sendable(code: int) -> bool:
    """Whether an endpoint may send this code (RFC 6455 section 7.4): not 1005, 1006 and 1015, which only report."""
    return 3000 <= code <= 4999 or (1000 <= code <= 1014 and code not in {1004, 1005, 1006})  # noqa: PLR2004
