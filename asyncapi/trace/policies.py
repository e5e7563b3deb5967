"""Other retry policies, by name or by their settings, and how likely each wait is under them.

none                       no retries
default                    what a client does by default: 4 attempts, full jitter from 0.5 s on, at most 30 s
learned                    the policy that the trace has recorded
attempts=6,base=1,cap=10   full jitter; what is left out is as in `default`
wait=0.5,attempts=3        always the same wait; 4 attempts by default
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from math import inf, isfinite

from asyncapi.errors import ConfigError
from asyncapi.sansio.failures.learned import LONGEST, WAITS

NAMES: tuple[str, ...] = ("none", "default", "learned")
_SETTINGS = ("attempts", "base", "cap", "wait")
_MOST_DOUBLINGS = 64

# A wait of another policy goes for the recorded wait that is nearest to it.
_EDGES = (0.0, *((one + other) / 2 for one, other in zip(LONGEST, WAITS[1:], strict=False)), LONGEST[-1])


@dataclass(frozen=True, slots=True)
class Spec:
    """A retry policy that draws its waits evenly from 0 to a bound that doubles, or always waits as long.

    Attributes:
        attempts: Attempts at most.
        base: The bound of the first wait, seconds.
        cap: The bound of every wait, seconds.
        wait: The wait that is always the same, seconds; None for drawn ones.
    """

    attempts: int = 4
    base: float = 0.5
    cap: float = 30.0
    wait: float | None = None

    def chances(self, retry: int) -> tuple[tuple[float, ...], float]:
        """How likely each recorded wait is before a retry (1 for the first), and a longer one."""
        bins = tuple(pairwise(_EDGES))
        if self.wait is not None:
            told = tuple(float(low <= self.wait < high) for low, high in bins)
            return told, 1.0 - sum(told)
        bound = min(self.cap, self.base * 2.0 ** min(retry - 1, _MOST_DOUBLINGS))
        if not bound:
            return (1.0, *([0.0] * (len(bins) - 1))), 0.0
        told = tuple(max(0.0, min(high, bound) - low) / bound for low, high in bins)
        return told, max(0.0, 1.0 - _EDGES[-1] / bound)


def policy_of(text: str) -> Spec | None:
    """Read a policy; None for the recorded one.

    Raises:
        ConfigError: It is none.
    """
    plain = text.strip().lower()
    if plain in NAMES:
        return {"none": Spec(attempts=1), "default": Spec(), "learned": None}[plain]
    if "=" not in plain:
        near = get_close_matches(plain, NAMES, n=1)
        raise ConfigError(
            f"there is no policy {text!r}: {f'did you mean {near[0]!r}? ' if near else ''}"
            "Give none, default, learned, attempts=6,base=1,cap=10, or wait=0.5"
        )
    given: dict[str, float] = {}
    for part in plain.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _SETTINGS:
            near = get_close_matches(name, _SETTINGS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigError(f"policy {text!r}: there is no setting {name!r}: {hint}There are {', '.join(_SETTINGS)}")
        if name in given:
            raise ConfigError(f"policy {text!r}: {name} is there twice")
        given[name] = _number(text, name, value)
    if "wait" in given and {"base", "cap"} & given.keys():
        raise ConfigError(f"policy {text!r}: wait= is a fixed wait; base= and cap= are of drawn ones: give one kind")
    return Spec(int(given.get("attempts", 4)), given.get("base", 0.5), given.get("cap", 30.0), given.get("wait"))


def _number(text: str, name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = inf
    if name == "attempts":
        if not isfinite(number) or number != int(number) or number < 1:
            raise ConfigError(f"policy {text!r}: attempts={value!r}: give a whole number, at least 1")
    elif not isfinite(number) or number < 0:
        raise ConfigError(f"policy {text!r}: {name}={value!r}: give seconds, at least 0")
    return number
