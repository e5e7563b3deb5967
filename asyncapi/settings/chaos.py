"""The settings of chaos: faults on purpose, for tests."""

from collections.abc import Mapping
from dataclasses import KW_ONLY
from functools import cached_property
from math import inf
from typing import Annotated, Any, Self

from asyncapi.errors import ConfigError
from asyncapi.settings.base import Seconds, settings
from asyncapi.settings.chaos_presets import PRESETS, settings_of
from asyncapi.settings.checks import After, Bounds

Share = Annotated[float, Bounds(ge=0, le=1)]

_TOO_MUCH = "drops, throttle and errors are shares of all attempts: together at most 1"


def _span(latency: float | tuple[float, float]) -> float | tuple[float, float]:
    shortest, longest = latency if isinstance(latency, tuple) else (latency, latency)
    if not 0 <= shortest <= longest < inf:
        raise ValueError("give seconds, or a pair (shortest, longest)")
    return latency


def _statuses(errors: float | Mapping[int, float]) -> dict[int, float]:
    return dict(errors) if isinstance(errors, Mapping) else {503: errors}


def _shares(errors: float | Mapping[int, float]) -> float | Mapping[int, float]:
    shares = _statuses(errors)
    if not all(200 <= status <= 599 and share >= 0 for status, share in shares.items()):  # noqa: PLR2004 - final statuses
        raise ValueError("give a share from 0 to 1, or one for each status, {500: 0.1, 404: 0.01}")
    if sum(shares.values()) > 1:
        raise ValueError(_TOO_MUCH)
    return errors


@settings
class Chaos:
    """Make a share of the attempts fail, the same ones in every run: for tests of code that uses this SDK.

    What happens to an attempt depends on the seed, on its method and URL, and on how often that URL was requested
    before; never on time or on the order of other requests. Nothing fails by default.

    Attributes:
        latency: Seconds added to an attempt, or a pair `(shortest, longest)` to draw from evenly; 0 by default.
        slow: The share of attempts that get the latency, from 0 to 1; all by default.
        drops: The share of attempts whose connection breaks: half of them before the request is sent, half after the
            server has done its work.
        throttle: The share of attempts that get a 429 with a Retry-After.
        retry_after: The Retry-After of these, in seconds; 1 by default.
        errors: The share of attempts that get a 503; or a share for each status, `{500: 0.1, 404: 0.01}`.
        truncate: The share of responses whose connection breaks in the middle of the body (where there is one); of a
            WebSocket, after some messages.
        outages: The share of attempts that find nobody who listens, several in a row: as while a server restarts.
        outage_length: How many attempts of a method and URL such an outage lasts; 3 by default.
        seed: Another seed picks other attempts; 0 by default.
    """

    _: KW_ONLY
    latency: Annotated[float | tuple[float, float], After(_span)] = 0.0
    slow: Share = 1.0
    drops: Share = 0.0
    throttle: Share = 0.0
    retry_after: Seconds = 1.0
    errors: Annotated[float | Mapping[int, float], After(_shares)] = 0.0
    truncate: Share = 0.0
    outages: Share = 0.0
    outage_length: Annotated[int, Bounds(ge=1)] = 3
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that the shares are no more than all attempts."""
        if self.drops + self.throttle + sum(self.shares.values()) > 1:
            raise ConfigError(f"Chaos(errors={self.errors!r}): {_TOO_MUCH}")

    @classmethod
    def preset(cls, name: str, *, seed: int = 0) -> Self:
        """Return the settings of a preset: "slow", "flaky network", "brown-out" ... (docs/testing.md has them all).

        Args:
            name: Its name; blanks, hyphens and underscores are the same.
            seed: Another seed picks other attempts.

        Raises:
            ConfigError: There is no such preset; the message lists them.
        """
        if not isinstance(name, str):
            raise ConfigError(f"Chaos.preset({name!r}): give the name of a preset: {', '.join(map(repr, PRESETS))}")
        return cls(**settings_of(name), seed=seed)

    @classmethod
    def presets(cls) -> tuple[str, ...]:
        """Return the names of the presets."""
        return tuple(PRESETS)

    @cached_property
    def latencies(self) -> tuple[float, float]:
        """The shortest and the longest added latency, seconds."""
        return self.latency if isinstance(self.latency, tuple) else (self.latency, self.latency)

    @cached_property
    def shares(self) -> dict[int, float]:
        """The share of attempts that get each status."""
        return _statuses(self.errors)


def chaos_of(given: Any) -> Chaos:
    """Read `chaos=`: settings, or the name of a preset.

    Raises:
        ConfigError: It is neither.
    """
    if isinstance(given, Chaos):
        return given
    if isinstance(given, str):
        return Chaos.preset(given)
    raise ConfigError(f"chaos={given!r}: give Chaos(...), or the name of a preset: {', '.join(map(repr, PRESETS))}")
