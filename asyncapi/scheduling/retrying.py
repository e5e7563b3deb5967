"""Know the call that retries around another one (only the outermost retries), and call tenacity's strategies."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from asyncapi.messages.call import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tenacity import RetryCallState

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


async def verdict_of(strategy: Callable[[RetryCallState], Any], state: RetryCallState | None) -> Any:
    """Call a strategy, be it a function or a coroutine function."""
    verdict = strategy(state)  # type: ignore[arg-type]  # a policy with strategies has a state
    return await verdict if inspect.isawaitable(verdict) else verdict
