"""The settings of fallbacks: what a call returns when it fails."""

from dataclasses import KW_ONLY
from functools import cached_property
from typing import Annotated, Any

from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.messages.response import Response
from asyncapi.messages.uri import parse_url
from asyncapi.redact import redact_url
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.checks import Bounds
from asyncapi.types import UNSET

_SERVER_ERRORS = frozenset(range(500, 600))
_NETWORK_SHARE = 0.4  # of the call's remaining time, reserved for another place
_LOCAL_SHARE = 0.05  # of the call's remaining time, reserved for a response that is in memory already


@settings
class Fallback:
    """Return another response when a call fails: give one fallback, or several to be tried in order.

        Client("https://api.example.com", fallback=[
            Fallback(to="https://eu.api.example.com"),
            Fallback(stale=3600),
            Fallback(value={"items": []}),
        ])

    `response.degraded` says which fallback it came from and why; it is "" for a response from the usual place.

    Attributes:
        to: Another base URL of the same API, asked only where it is safe to send the request again. Credentials belong
            to their own origin: name those of both places in
            `auth={"https://api.example.com": ..., "https://eu.api.example.com": ...}`.
        stale: Return the last good response to the same GET with the same headers, if it is not older than this many
            seconds. At most 32 MiB of responses are kept, and never a `no-store`.
        value: A default: data (returned as JSON), a `Response`, or a function `(request, failure)` that returns either,
            or None if it has no default; it may be async.
        statuses: Statuses that count as failures, all 5xx by default; an attempt without a response always does.
    """

    to: str | None = None
    _: KW_ONLY
    stale: Seconds | None = None
    value: Any = UNSET
    statuses: frozenset[Annotated[int, Bounds(ge=400, le=599)]] = _SERVER_ERRORS

    def __post_init__(self) -> None:
        """Check that it is one fallback, and a usable one."""
        count = (self.to is not None) + (self.stale is not None) + (self.value is not UNSET)
        if count != 1:
            raise ConfigError("Fallback: give one of to=, stale= and value=; a list of Fallbacks for several")
        if self.target is not None and (self.target.scheme not in {"http", "https"} or not self.target.host):
            raise ConfigError(f"Fallback(to={self.to!r}): give an absolute base URL, like https://eu.api.example.com")
        if self.value is not UNSET and not callable(self.value) and not isinstance(self.value, Response):
            from pydantic_core import to_json  # noqa: PLC0415 - it takes long

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
        """The share of the call's remaining time that is reserved for this fallback."""
        return _NETWORK_SHARE if self.to is not None or callable(self.value) else _LOCAL_SHARE
