"""The settings of degradation."""

from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field
from pydantic_core import to_json
from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.messages.decoding import parse_url
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.settings.base import Seconds, settings
from asyncapi.types import UNSET

_SERVER_ERRORS = frozenset(range(500, 600))
_NETWORK_SHARE = 0.4  # of the time that is left, kept for asking elsewhere
_LOCAL_SHARE = 0.05  # ... for an answer that is here already


@settings
class Fallback:
    """Another way to an answer when a call fails; give one, or several to be tried in order.

        Client("https://api.example.com", fallback=[
            Fallback(to="https://eu.api.example.com"),
            Fallback(stale=3600),
            Fallback(value={"items": []}),
        ])

    The answer's `.degraded` says which way it came, and why; it is "" otherwise.

    Attributes:
        to: Another base URL of the same API. Credentials are for their own origin: name those of both places in
            `auth={"https://api.example.com": ..., "https://eu.api.example.com": ...}`.
        stale: The last good answer to the same GET with the same headers, if it is not older than so many seconds; at
            most 32 MiB of them are kept.
        value: A default: data (answered as JSON), a `Response`, or a function `(request, failure)` that gives either,
            or None if it has none; it may be async.
        statuses: Statuses that count as failed, beside no answer at all.
    """

    to: str | None = None
    _: KW_ONLY
    stale: Seconds | None = None
    value: Any = UNSET
    statuses: frozenset[Annotated[int, Field(ge=400, le=599)]] = _SERVER_ERRORS

    def __post_init__(self) -> None:
        """One way at a time."""
        given = (self.to is not None) + (self.stale is not None) + (self.value is not UNSET)
        if given != 1:
            raise ConfigError("Fallback: give one of to=, stale= and value=; a list of Fallbacks for several")
        if self.target is not None and (self.target.scheme not in {"http", "https"} or not self.target.host):
            raise ConfigError(f"Fallback(to={self.to!r}): give an absolute base URL, like https://eu.api.example.com")
        if self.value is not UNSET and not callable(self.value) and not isinstance(self.value, Response):
            try:
                to_json(self.value)
            except ValueError as error:
                raise ConfigError(
                    f"Fallback(value=...): give data that JSON can represent, a Response or a function: {error}"
                ) from None

    def describe(self) -> str:
        """As `explain()` shows it."""
        if self.to is not None:
            return redact_url(self.to)
        return f"stale up to {self.stale:g} s" if self.stale is not None else "a default value"

    @cached_property
    def target(self) -> URL | None:
        """The other base URL, or None."""
        return None if self.to is None else parse_url(self.to)

    @cached_property
    def share(self) -> float:
        """The share of the remaining time that is kept for it."""
        return _NETWORK_SHARE if self.to is not None or callable(self.value) else _LOCAL_SHARE
