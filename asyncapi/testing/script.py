"""The script of a route: its steps one after the other, and the calls that it has had."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Self

from asyncapi.errors import ConfigError
from asyncapi.testing.mock_calls import Calls
from asyncapi.testing.steps import Step

if TYPE_CHECKING:
    from asyncapi.messages.response import Response
    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall

LISTED = 10
"""How many calls a message names."""


def _nothing(_: MockCall) -> Response:
    """Stand for a response of the network: `APIMock` looks for it before a call is carried."""
    raise AssertionError


class Script:
    """What routes of all protocols have in common: the steps of the script, and the calls.

    A call takes the first step that is not used up. A step is for one call where another follows it; the last one is
    for all that come. `times=` says how many a step is for; when the last one is used up, the next call fails the test.
    """

    def __init__(self, name: str, conditions: list[Condition], place: str, *, required: bool, handshake: bool) -> None:
        self.name: str = name
        self.conditions: list[Condition] = conditions
        self.place: str = place
        self.required: bool = required
        self.handshake: bool = handshake
        self.calls: Calls = Calls()
        self._steps: list[Step] = []
        self._continues = False

    @property
    def then(self) -> Self:
        """The same route: the next `reply`, `fail` or `accept` adds a step instead of starting the script anew."""
        self._continues = True
        return self

    def add(self, step: Step, times: int | None) -> Self:
        """Add a step, or start the script anew with it."""
        if times is not None and (type(times) is not int or times < 1):
            raise ConfigError(f"times={times!r}: give a number of calls, at least 1")
        step.times = inf if times is None else times
        if not self._continues:
            self._steps = []
        elif self._steps and self._steps[-1].times == inf:
            self._steps[-1].times = 1
        self._continues = False
        self._steps.append(step)
        return self

    def pass_through(self, *, times: int | None = None) -> Self:
        """Let calls go to the network; they are noted here all the same.

        Args:
            times: For how many calls.

        Raises:
            ConfigError: It makes no sense.
        """
        return self.add(Step(_nothing), times)

    @property
    def passes(self) -> bool:
        """Whether the next call goes to the network."""
        step = next((each for each in self._steps if each.taken < each.times), None)
        return step is not None and step.make is _nothing

    def next_step(self) -> Step | None:
        """Take the step of the next call; None where the script is used up."""
        for step in self._steps:
            if step.taken < step.times:
                step.taken += 1
                return step
        return None

    def default(self) -> Step:
        """Return what it does without a script."""
        raise NotImplementedError

    @property
    def is_empty(self) -> bool:
        """Whether nothing says how it responds."""
        return not self._steps

    @property
    def called(self) -> bool:
        """Whether there was a call."""
        return bool(self.calls)

    @property
    def call_count(self) -> int:
        """The number of calls: attempts, retries included."""
        return len(self.calls)

    def assert_called(self, times: int | None = None) -> None:
        """Check that there was a call, or exactly so many."""
        __tracebackhide__ = True
        if times is not None and len(self.calls) != times:
            raise AssertionError(f"{self.name} had {counted(len(self.calls))}, not {times}{self._listed()}")
        if not self.calls:
            raise AssertionError(f"{self.name} was not called")

    def assert_called_once(self) -> None:
        """Check that there was exactly one call."""
        __tracebackhide__ = True
        self.assert_called(1)

    def assert_not_called(self) -> None:
        """Check that there was no call."""
        __tracebackhide__ = True
        if self.calls:
            raise AssertionError(f"{self.name} had {counted(len(self.calls))}, not none{self._listed()}")

    def _listed(self) -> str:
        more = f"\n  and {len(self.calls) - LISTED} more" if len(self.calls) > LISTED else ""
        return "".join(f"\n  {call.line}" for call in self.calls[:LISTED]) + more

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}, {counted(len(self.calls))}>"


def first_step(route: Script) -> Step:
    """Return the first step of a route's script."""
    return route._steps[0]  # noqa: SLF001 - of its own room


def counted(number: int) -> str:
    """Return a number of calls in words."""
    return "1 call" if number == 1 else f"{number} calls"
