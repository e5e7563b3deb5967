"""Say why no recorded exchange fits an attempt."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING

from asyncapi.testing.nearest import nearest

if TYPE_CHECKING:
    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.cassettes.index import Index
    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall

_COMPARED = 50  # exchanges


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An exchange as something that a call is compared with."""

    name: str
    place: str
    handshake: bool
    conditions: list[Condition]


def why_unmatched(call: MockCall, index: Index, path: Path, mode: str, *, exists: bool) -> str:
    """Return the message of an attempt that no exchange fits."""
    what, file = call.line, shown_path(path)
    if not exists:
        return f"cassette: {what}: there is no {file}, and mode {mode!r} records nothing: record it with mode 'once'"
    lines = [f"cassette: no exchange of {file} is left for {what}"]
    fitting = [exchange for exchange in index.near(call) if index.fits(exchange, call)]
    if fitting:
        times = "once" if len(fitting) == 1 else f"{len(fitting)} times"
        lines.append(f"  it was recorded {times}, and has been replayed {times} (repeats=True replays the last again)")
    elif not index.exchanges:
        lines.append("  the cassette is empty")
    else:
        candidates = [
            _Candidate(exchange.name, f"exchange {number}", exchange.websocket, index.asked(exchange))
            for number, exchange in _nearby(call, index)
        ]
        lines.append("  the nearest exchanges:")
        lines += nearest(call, candidates, of=len(index.exchanges))
    lines.append(f"  mode {mode!r} doesn't record it: mode 'new' adds it, mode 'all' records everything anew")
    return "\n".join(lines)


def shown_path(path: Path) -> str:
    """Return a path as messages show it: from the current folder on, if it is in there."""
    with suppress(ValueError, OSError):
        return str(path.absolute().relative_to(Path.cwd()))
    return str(path)


def _alike(one: str, other: str) -> int:
    """Return how many characters two texts begin alike."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _nearby(call: MockCall, index: Index) -> list[tuple[int, Exchange]]:
    """Return the exchanges whose URLs begin like that of a call, with their numbers: as many as are worth comparing."""
    url = str(call.request.target)

    def likeness(numbered: tuple[int, Exchange]) -> tuple[bool, int]:
        exchange = numbered[1]
        return exchange.url == url, _alike(exchange.url, url)

    return sorted(nlargest(_COMPARED, enumerate(index.exchanges, 1), key=likeness))
