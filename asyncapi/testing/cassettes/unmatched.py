"""Say why no recorded exchange fits an attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.redact import redact_url
from asyncapi.testing.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An exchange as something that a call is compared with."""

    name: str
    place: str
    handshake: bool
    conditions: list[Condition]


def why_unmatched(
    call: MockCall, recorded: Sequence[tuple[Exchange, list[Condition]]], path: Path, mode: str, *, exists: bool
) -> str:
    """Return the message of an attempt that no exchange fits."""
    what = f"{'WebSocket' if call.is_handshake else call.method} {redact_url(call.request.target)}"
    if not exists:
        return f"cassette: {what}: there is no {path}, and mode {mode!r} records nothing: record it with mode 'once'"
    lines = [f"cassette: no exchange of {path} is left for {what}"]
    fitting = [
        exchange
        for exchange, asked in recorded
        if exchange.websocket == call.is_handshake and not any(each.difference(call) for each in asked)
    ]
    if fitting:
        times = "once" if len(fitting) == 1 else f"{len(fitting)} times"
        lines.append(f"  it was recorded {times}, and has been replayed {times} (repeats=True replays the last again)")
    elif not recorded:
        lines.append("  the cassette is empty")
    else:
        candidates = [
            _Candidate(exchange.name, f"exchange {at}", exchange.websocket, asked)
            for at, (exchange, asked) in enumerate(recorded, 1)
        ]
        lines.append("  the nearest exchanges:")
        lines += nearest(call, candidates)
    lines.append(f"  mode {mode!r} doesn't record it: mode 'new' adds it, mode 'all' records everything anew")
    return "\n".join(lines)
