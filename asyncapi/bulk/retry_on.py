"""Retry what the user names, in place of the usual failures: statuses (503) and errors ("ConnectError").

A name stands for all errors of its class (`asyncapi.errors`): "TransportError" for every failure without a response,
"ServerError" for every 5xx. 429 stands for every rate limit, also for those that are 403s. The rules of safety hold all
the same: a request that the server may have processed is not sent twice, unless it is safe to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from asyncapi import errors
from asyncapi.errors import ConfigError, StatusError, TransportError, status_class
from asyncapi.sansio.limits.rate_limited import is_rate_limited

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenacity import RetryCallState

_TOO_MANY_REQUESTS = 429
_STATUSES = range(400, 600)


@dataclass(frozen=True)
class RetryOn:
    """A tenacity retry strategy.

    Attributes:
        statuses: Statuses to retry.
        kinds: Classes of errors to retry where there is no response.
    """

    statuses: frozenset[int]
    kinds: tuple[type[TransportError], ...]
    names_kinds: ClassVar[bool] = True  # and leaves to `Retry(policy=)` whether a retry pays

    @classmethod
    def of(cls, chosen: Iterable[int | str]) -> RetryOn:
        """Read statuses and names of errors.

        Raises:
            ConfigError: One of them is neither.
        """
        statuses: set[int] = set()
        kinds: list[type[TransportError]] = []
        for each in chosen:
            text = str(each).strip()
            if text.isascii() and text.isdigit() and int(text) in _STATUSES:
                statuses.add(int(text))
            elif text not in NAMES:
                raise ConfigError(
                    f"--retry-on {text!r} is neither a status nor an error that can be retried: "
                    f"write a status such as 503, or one of {', '.join(sorted(NAMES))}"
                )
            elif issubclass(kind := NAMES[text], TransportError):
                kinds.append(kind)
            else:
                statuses.update(status for status in _STATUSES if issubclass(status_class(status), kind))
        return cls(frozenset(statuses), tuple(kinds))

    def __call__(self, state: RetryCallState) -> bool:
        """Whether to retry what an attempt ended with."""
        error = None if state.outcome is None else state.outcome.exception()
        if isinstance(error, StatusError):
            limited = _TOO_MANY_REQUESTS in self.statuses and is_rate_limited(error.status, error.response.headers)
            return limited or error.status in self.statuses
        return isinstance(error, self.kinds) and not getattr(error, "final", False)


NAMES: dict[str, type[TransportError | StatusError]] = {
    name: kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, TransportError | StatusError)
    and not issubclass(kind, errors.RejectedError)
}
"""The errors that an attempt can end with."""
