"""The trace: recorded calls, the exchanges of their attempts, random draws, and decisions; and its file.

The file is JSON lines, each a kind and a value: `epoch`, `call`, `met` (an exchange), `draw`, `decided`. Kinds and keys
stay as they are, so that old traces can be read; a key that was added later is left out where it says nothing.
"""

from __future__ import annotations

import gzip
import json
import re
import warnings
import zlib
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

Event = Literal["started", "cancelled", "closed"]

_ADDED = {"unprocessed": False, "trailers": {}, "meaning": {}, "idempotent": None}  # later, with what says nothing
_KINDS = {"epoch": False, "call": False, "met": False, "draw": False, "decided": True}  # of lines: are they decisions?
_OTHER_LINES = tuple(f'["{kind}", ' for kind, decided in _KINDS.items() if not decided)  # as `save` writes them
_CALL = '["call", '
_LONGEST_LINE = 64 * 1024 * 1024  # bytes
_NOW_AND_THEN = 4096  # lines
_NUMBER = re.compile(r"\d+(\.\d+)?(e-?\d+)?")


@dataclass(slots=True)
class RecordedCall:
    """A call, and the options in which it differed from its client; times are seconds of the client's clock.

    Attributes:
        at: When it started.
        method: HTTP method.
        url: Its URL, secrets masked.
        headers: All headers, secrets masked.
        key: Its idempotency key.
        body: "" for none, "bytes", or "stream" for one that can be sent once.
        route: The URL's template.
        scope: When the `deadline()` scope around it ended.
        limits: Its own timeout: total, connect, attempt.
        retry: Its own `retry=`: the settings of a `Retry`, or {} for `retry=None`.
        wait: Its own `wait=`.
        priority: Its priority in wait queues.
        tenant: Its tenant.
        left: When its caller cancelled it, and how many calls had started by then.
        streamed: Whether its response was a stream.
        closed: When that stream was closed, and how many calls had started by then.
        idempotent: Its own `idempotent=`.
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
    idempotent: bool | None = None

    def __post_init__(self) -> None:
        """JSON has no tuples."""
        if self.left is not None:
            self.left = self.left[0], self.left[1]
        if self.closed is not None:
            self.closed = self.closed[0], self.closed[1]


@dataclass(slots=True)
class RecordedExchange:
    """One attempt, from `at` to `until`, with its response, or its error by the name of the class.

    Attributes:
        call: The number of its call; -1 for one outside of calls, such as a request for a token.
        target: Method and URL, secrets masked.
        at: When it was sent.
        until: When its response or its error came.
        status: The response's status; 0 where none came.
        headers: The response's headers, secrets masked.
        content: The first 64 KiB of the response's body, one character a byte.
        error: The error's class, "CancelledError" included; "" where there was none.
        message: The error's message.
        phase: The phase that the error came in.
        stale: Whether a kept-alive connection failed before it was used.
        final: Whether the transport says that sending again is of no use.
        unprocessed: Whether it is certain that the server did nothing (`ProtocolError.unprocessed`).
        trailers: The response's trailer fields, secrets masked.
        meaning: What the response meant in the protocol of its call; {} for what its status says.
    """

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
    unprocessed: bool = False
    trailers: dict[str, str] = field(default_factory=dict)
    meaning: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Trace:
    """Recorded inputs and decisions of a client. Secrets whose names say so are masked.

    Attributes:
        epoch: The date at second 0 of the client's clock, seconds since the Unix epoch.
        calls: The calls, in the order in which they started.
        exchanges: The attempts with their responses, in the order in which they were sent.
        draws: Every random draw.
        decisions: For each call, its attempts (number, why, held, then, started, elapsed) and its end. Where a policy
            decided what follows an attempt (`Retry(policy=)`), a mapping is its last item: `{"learned": {...}}`, as in
            `Attempt.state`.
    """

    epoch: float = 0.0
    calls: list[RecordedCall] = field(default_factory=list)
    exchanges: list[RecordedExchange] = field(default_factory=list)
    draws: list[float] = field(default_factory=list)
    decisions: list[list[Any]] = field(default_factory=list)

    @property
    def met(self) -> list[RecordedExchange]:
        """The old name of `exchanges`."""
        warnings.warn("Trace.met is now Trace.exchanges", DeprecationWarning, stacklevel=2)
        return self.exchanges

    @property
    def events(self) -> list[tuple[float, float, int, Event]]:
        """What callers did, in order: the time, a number to sort by, the number of the call, and what happened."""
        events: list[tuple[float, float, int, Event]] = []
        for number, call in enumerate(self.calls):
            events.append((call.at, float(number), number, "started"))
            ends: tuple[tuple[Event, tuple[float, int] | None], ...] = (
                ("cancelled", call.left), ("closed", call.closed),
            )  # fmt: skip
            events += [(end[0], end[1] - 0.5, number, event) for event, end in ends if end is not None]
        return sorted(events)

    @property
    def outline(self) -> list[list[Any]]:
        """The decisions without their durations, which are the same each time only in virtual time."""
        return [[_outlined(step) for step in steps] for steps in self.decisions]

    def save(self, path: str | Path) -> None:
        """Write the trace to a file, as JSON lines."""
        rows: list[list[Any]] = [
            ["epoch", self.epoch],
            *(["call", _without_empty(asdict(call))] for call in self.calls),
        ]
        rows += [["met", _without_empty(asdict(exchange))] for exchange in self.exchanges]
        rows += [["draw", draw] for draw in self.draws]
        rows += [["decided", steps] for steps in self.decisions]
        Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Read a trace from a file, which may be compressed with gzip.

        Raises:
            ConfigError: The file is not a trace.
        """
        trace = cls()
        take: dict[str, Callable[[Any], None]] = {
            "epoch": lambda row: setattr(trace, "epoch", float(row)),
            "call": lambda row: trace.calls.append(RecordedCall(**row)),
            "met": lambda row: trace.exchanges.append(RecordedExchange(**row)),
            "draw": trace.draws.append,
            "decided": trace.decisions.append,
        }
        for number, line in _lines(Path(path), str(path)):
            try:
                kind, row = json.loads(line)
                take[kind](row)
            except (ValueError, TypeError, KeyError, RecursionError):
                raise _not_a_line(str(path), number, line) from None
        return trace


def decisions_of(
    path: str | Path, *, name: str = "", read: Callable[[int], object] = lambda _: None
) -> Iterator[list[Any]]:
    """Read the decisions of a saved trace, one call after the other: it may be larger than memory.

    Args:
        path: The file; it may be compressed with gzip.
        name: What errors call it; by default its path.
        read: Called with the number of the line, now and then.

    Raises:
        ConfigError: The file is not a trace.
    """
    name, number, calls, decided = name or str(path), 0, 0, 0
    for number, line in _lines(Path(path), name):
        if not number % _NOW_AND_THEN:
            read(number)
        if line.startswith(_OTHER_LINES) and line.endswith("]\n"):
            calls += line.startswith(_CALL)
            continue
        try:
            kind, row = json.loads(line)
            is_decided = _KINDS[kind]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise _not_a_line(name, number, line) from None
        if is_decided:
            decided += 1
            yield row
        else:
            calls += kind == "call"
    if not number:
        raise ConfigError(f"{name}: the file is empty")
    if decided < calls:
        raise ConfigError(f"{name}: the file is cut off: it has {calls:,} calls, and the decisions of {decided:,}")


def _lines(path: Path, name: str) -> Iterator[tuple[int, str]]:
    """Read the lines of a file, which may be compressed with gzip (RFC 1952).

    Raises:
        ConfigError: It is no text, or it is cut off.
        OSError: It can't be read.
    """
    with path.open("rb") as file:
        packed = file.peek(2).startswith(b"\x1f\x8b")
        lines: gzip.GzipFile | BufferedReader = gzip.GzipFile(fileobj=file) if packed else file
        try:
            for number in count(1):
                line = lines.readline(_LONGEST_LINE)
                if not line:
                    return
                if len(line) == _LONGEST_LINE:
                    raise ConfigError(f"{name}:{number}: not a line of a trace: it is longer than 64 MiB")
                yield number, line.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"{name}: not a trace: it is no UTF-8 text") from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ConfigError(f"{name}: the gzip file is not whole: {error}") from None


def _not_a_line(name: str, number: int, line: str) -> ConfigError:
    if line.startswith("[") and not line.endswith("\n"):
        return ConfigError(f"{name}:{number}: the file is cut off in this line: it is not the whole trace")
    return ConfigError(f"{name}:{number}: not a line of a trace")


def _without_empty(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out the keys that were added later where they say nothing."""
    return {name: value for name, value in row.items() if name not in _ADDED or value != _ADDED[name]}


def _outlined(step: Any) -> Any:
    if isinstance(step, str):
        return _NUMBER.sub("#", step)
    if isinstance(step, dict):
        return {name: _outlined(part) for name, part in step.items()}
    return [_outlined(part) for part in step] if isinstance(step, list) else None if isinstance(step, float) else step
