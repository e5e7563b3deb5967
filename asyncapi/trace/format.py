"""What a recorder writes down: calls that came, what their attempts met, draws of chance, and what was decided."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

Event = Literal["came", "left", "closed"]

_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


@dataclass(slots=True)
class Came:
    """A call that came, and what it asked for otherwise than its client; times are the clock's.

    Attributes:
        at: When.
        method: HTTP method.
        url: Where to, secrets masked.
        headers: All of them, secrets masked.
        key: Its idempotency key.
        body: "" for none, "bytes", or "stream" for one that can be sent once.
        route: The URL's template.
        scope: When the `deadline()` scope around it ended.
        limits: Its own timeout: total, connect, attempt.
        retry: Its own `retry=`: the settings of a `Retry`, or attempts 1 where it had none.
        wait: Its own `wait=`.
        priority: Its place in our lines.
        tenant: On whose behalf.
        left: When its caller cancelled it, and how many calls had come by then.
        streamed: Whether it was to be answered by a stream.
        closed: When that stream was closed, and how many calls had come by then.
    """

    at: float
    method: str
    url: str
    headers: dict[str, str]
    key: str | None = None
    body: str = ""
    route: str | None = None
    scope: float | None = None
    limits: list[float | None] | None = None
    retry: dict[str, Any] | None = None
    wait: bool | float | None = None
    priority: int = 0
    tenant: str = ""
    left: tuple[float, int] | None = None
    streamed: bool = False
    closed: tuple[float, int] | None = None

    def __post_init__(self) -> None:
        """JSON has no tuples."""
        if self.left is not None:
            self.left = self.left[0], self.left[1]
        if self.closed is not None:
            self.closed = self.closed[0], self.closed[1]


@dataclass(slots=True)
class Met:
    """What one attempt met from `at` to `until`: an answer, or an error by its class; `call` is -1 outside of calls."""

    call: int
    target: str
    at: float
    until: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: str = ""
    error: str = ""
    message: str = ""
    phase: str = ""
    stale: bool = False
    final: bool = False


@dataclass(slots=True)
class Trace:
    """What came from outside, and what was decided; no secret is in it that its name tells.

    Attributes:
        epoch: What the date was at second 0 of the clock, seconds since the Unix epoch.
        calls: In the order in which they came.
        met: What each attempt met, in the order in which they were sent.
        draws: Every draw of chance.
        decisions: For each call, its attempts (number, why, held, then, started, elapsed) and its end.
    """

    epoch: float = 0.0
    calls: list[Came] = field(default_factory=list)
    met: list[Met] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    decisions: list[list[Any]] = field(default_factory=list)

    @property
    def events(self) -> list[tuple[float, float, int, Event]]:
        """What callers did, in order: when, a number to sort by, which call, and what."""
        events: list[tuple[float, float, int, Event]] = []
        for number, came in enumerate(self.calls):
            events.append((came.at, float(number), number, "came"))
            ends: tuple[tuple[Event, tuple[float, int] | None], ...] = ("left", came.left), ("closed", came.closed)
            events += [(end[0], end[1] - 0.5, number, what) for what, end in ends if end is not None]
        return sorted(events)

    @property
    def outline(self) -> list[list[Any]]:
        """The decisions without their durations: what a trace of real time keeps."""
        return [[_outlined(step) for step in steps] for steps in self.decisions]

    def save(self, path: str | Path) -> None:
        """Write it as JSON lines."""
        rows: list[list[Any]] = [["epoch", self.epoch], *(["call", asdict(one)] for one in self.calls)]
        rows += [["met", asdict(one)] for one in self.met]
        rows += [["draw", one] for one in self.draws]
        rows += [["decided", one] for one in self.decisions]
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read it back.

        Raises:
            ConfigError: It is no trace.
        """
        trace = cls()
        take: dict[str, Callable[[Any], None]] = {
            "epoch": lambda row: setattr(trace, "epoch", float(row)),
            "call": lambda row: trace.calls.append(Came(**row)),
            "met": lambda row: trace.met.append(Met(**row)),
            "draw": trace.draws.append,
            "decided": trace.decisions.append,
        }
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            try:
                kind, row = json.loads(line)
                take[kind](row)
            except (ValueError, TypeError, KeyError, RecursionError):
                raise ConfigError(f"{path}:{number}: not a line of a trace") from None
        return trace


def _outlined(step: Any) -> Any:
    if isinstance(step, str):
        return _NUMBER.sub("#", step)
    return [_outlined(part) for part in step] if isinstance(step, list) else None if isinstance(step, float) else step
