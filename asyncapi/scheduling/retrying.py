"""Know the call that retries around another one: only the outermost retries."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from asyncapi.messages.call import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

retrying_call: ContextVar[Call | None] = ContextVar("asyncapi_retrying", default=None)
"""The call around this one that retries; it may have ended."""


@contextmanager
def no_retries() -> Iterator[None]:
    """Open a scope whose calls make one attempt each, because a caller above it retries already."""
    above = Call(0.0, "")
    token = retrying_call.set(above)
    try:
        yield
    finally:
        above.running = False  # tasks that were started inside and outlive it retry again
        retrying_call.reset(token)
