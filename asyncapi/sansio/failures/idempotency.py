"""Idempotency keys, and what a call that carries one came to.

A key stands for one request: the same method, URL and body. A server that sees it again answers as it did the first
time; so the same key with another body is an error here, before a server has to guess which of the two was meant.

What one attempt says about a call (draft-ietf-httpapi-idempotency-key-header section 2.6):
    2xx 3xx, most 4xx            it is settled: done, or refused for good (402: declined)
    307 308                      nothing yet, it is to be sent elsewhere; so are 301 and 302, save to a POST
    401 403 407                  the credential was refused before anybody looked at the key
    408 409 425 429 5xx          not now; 409: an earlier attempt is still being worked on
    no connection, 429           nothing was done
    cut off on the way           nobody knows: it may have been done
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

_REMEMBERED = 10_000
_IN_PROGRESS = 409
_OPEN = frozenset({307, 308, 401, 403, 407, 408, _IN_PROGRESS, 425, 429})
_ELSEWHERE = frozenset({301, 302})


class UsedKeys:
    """What the last keys were used for, in bounded memory.

    Args:
        most: Keys remembered.
    """

    __slots__ = ("_most", "_uses")

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._uses: dict[tuple[str, str, str], bytes] = {}

    def fits(self, request: Request) -> bool:
        """Whether the request is the one its key was first used for. A streamed body can't be told."""
        key, body = request.idempotency_key, request.content
        if not isinstance(key, str) or isinstance(body, Body):
            return True
        use = request.method, str(request.url), key
        if use not in self._uses and len(self._uses) >= self._most:
            del self._uses[next(iter(self._uses))]
        digest = blake2b(body or b"", digest_size=16).digest()  # type: ignore[arg-type]  # built: bytes
        return self._uses.setdefault(use, digest) == digest

    @staticmethod
    def describe(request: Request) -> str:
        """What is wrong with a request that does not fit."""
        return (
            f"idempotency_key={request.idempotency_key!r} was used for another body: the same key must mean the same "
            "request; send it as it was, or give a new request a new key"
        )


def in_progress(request: Request, answer: Response) -> bool:
    """Whether an earlier attempt with the same key is still being worked on."""
    return answer.status == _IN_PROGRESS and request.idempotency_key is not None


def unsure(error: BaseException, phase: Phase) -> bool:
    """Whether the server may have done the work of an attempt that ended like this."""
    if isinstance(error, TransportError):
        return not unprocessed(error)
    return not isinstance(error, AsyncAPIError) and phase not in {"queue", "connect"}  # else it was cut off by us


def unknown(method: str, attempts: Sequence[Attempt]) -> bool:
    """Whether nobody knows if the work of a call was done, given all its attempts."""
    own = [one for one in attempts if one.method == method]  # a redirect may have made it a GET: that does no work
    return any(one.unsure for one in own) and not any(_settles(one.status, method) for one in own)


def _settles(status: int | None, method: str) -> bool:
    if status is None or status >= 500 or status in _OPEN:  # noqa: PLR2004 - where server errors begin
        return False
    return status not in _ELSEWHERE or method == "POST"
