"""Check the use of idempotency keys, and tell whether a call may have been processed.

A key stands for one request: the same method, URL and body. A server that sees it again responds as it did the first
time; so the same key with another body is an error here, before a server has to guess which of the two was meant.

Keys are made in `calls/builder.py`; `layers/idempotency.py` acts on what is decided here.

What one attempt says about a call (draft-ietf-httpapi-idempotency-key-header section 2.6):
    2xx 3xx, most 4xx            it is settled: done, or refused for good (402: declined)
    307 308                      nothing yet, it is to be sent elsewhere; so are 301 and 302, save to a POST
    401 403 407                  the credential was refused before anybody looked at the key
    408 409 425 429 5xx          not now; 409: an earlier attempt is still being worked on
    no connection, 429           nothing was done
    broken off on the way        nobody knows: it may have been processed
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError, TransportError
from asyncapi.messages.request import Body
from asyncapi.sansio.failures.resend import unprocessed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.errors import Phase
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

_REMEMBERED = 10_000  # keys
_IN_PROGRESS = 409
_OPEN = frozenset({307, 308, 401, 403, 407, 408, _IN_PROGRESS, 425, 429})
_ELSEWHERE = frozenset({301, 302})


class UsedKeys:
    """The requests that the last keys were used for, in bounded memory.

    Args:
        max_keys: How many keys are remembered.
    """

    __slots__ = ("_max_keys", "_uses")

    def __init__(self, max_keys: int = _REMEMBERED) -> None:
        self._max_keys = max_keys
        self._uses: dict[tuple[str, str, str], bytes] = {}

    def fits(self, request: Request) -> bool:
        """Whether the request is the one its key was first used for; a streamed body is not compared."""
        key, body = request.idempotency_key, request.content
        if not isinstance(key, str) or isinstance(body, Body):
            return True
        use = request.method, request.target.text, key
        if use not in self._uses and len(self._uses) >= self._max_keys:
            del self._uses[next(iter(self._uses))]
        digest = blake2b(body or b"", digest_size=16).digest()  # type: ignore[arg-type]  # built: bytes
        return self._uses.setdefault(use, digest) == digest

    @staticmethod
    def describe(request: Request) -> str:
        """Say what is wrong with a request that does not fit."""
        return (
            f"idempotency_key={request.idempotency_key!r} was used for another body: the same key must mean the same "
            "request; send the same body, or give the new request a new key"
        )


def in_progress(request: Request, response: Response) -> bool:
    """Whether an earlier attempt with the same key is still being worked on."""
    return response.status == _IN_PROGRESS and request.idempotency_key is not None


def maybe_processed(error: BaseException, phase: Phase) -> bool:
    """Whether the server may have done the work of an attempt that ended with this error."""
    if isinstance(error, TransportError):
        return not unprocessed(error)
    return not isinstance(error, AsyncAPIError) and phase not in {"queue", "connect"}  # else it was cut off by us


def outcome_unknown(method: str, attempts: Sequence[Attempt]) -> bool:
    """Whether nobody knows if the work of a call was done, given all its attempts."""
    # a redirect may have made the request a GET (RFC 9110 section 15.4.4): that does no work
    own = [attempt for attempt in attempts if attempt.method == method]
    settled = any(_settles(attempt.effective_status, method) for attempt in own)
    return not settled and any(attempt.unsure for attempt in own)


def _settles(status: int | None, method: str) -> bool:
    """Whether a response with this status says what became of the work."""
    if status is None or status >= 500 or status in _OPEN:  # noqa: PLR2004 - where server errors begin
        return False
    return status not in _ELSEWHERE or method == "POST"
