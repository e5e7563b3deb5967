"""A dip: for ten seconds a server that queues without a bound has 6 of its 16 places, and then all of them again.

Its queue is then longer than any attempt waits: all that it works on is what nobody waits for any more. Without retries
it works that off and is well again. Retries of what timed out are work on top of it: with enough of them the trouble
outlives its cause (a metastable failure: Bronson et al., HotOS 2021).

answered    of all calls
normal      seconds from the end of the dip until it is as before, as in storm.py; None if not within the run
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi import Timeout

from .server import Condition
from .storm import Scenario, measure

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACES, LEFT = 16, 6  # sixteen places of 0.105 s carry 152 calls a second, six of them 57
RATES = (120, 140)  # calls a second
START, END = 20, 30
SECONDS = 150
POLICIES: dict[str, dict[str, Any]] = {"retry=None": {"retry": None}, "default": {}}


@dataclass(frozen=True)
class Dipped:
    """What came out, for each seed; see the top of this file."""

    answered: tuple[float, ...]
    normal: tuple[float | None, ...]


def scenario(rate: float, **settings: Any) -> Scenario:
    """The dip, at so many calls a second, for a Client with these settings."""
    usual, less = Condition(workers=PLACES, queue=10**9), Condition(START, workers=LEFT, queue=10**9)
    again = Condition(END, workers=PLACES, queue=10**9)
    armed = {"timeout": Timeout(30.0, attempt=1.0), "concurrency": 1000, **settings}
    return Scenario("A dip", (usual, less, again), (START, END), rate=rate, seconds=SECONDS, armed=armed)


def dip(rate: float, seeds: Sequence[int] = (1, 2, 3), **settings: Any) -> Dipped:
    """The dip, at so many calls a second, for a Client with these settings."""
    runs = [measure(scenario(rate, **settings), "asyncapi, armed", seed=seed) for seed in seeds]
    return Dipped(tuple(one.success for one in runs), tuple(one.recovery for one in runs))
