"""Say why no route takes a call: the nearest routes, and what differs from each."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Protocol

from asyncapi.redact import redact_url
from asyncapi.testing.matching import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall
    from asyncapi.testing.mock_route import Script


class Candidate(Protocol):
    """What a call is compared with: a route, or something that was recorded."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def place(self) -> str:
        """Where it is written."""
        ...

    @property
    def handshake(self) -> bool:
        """Whether it is for WebSockets."""
        ...

    @property
    def conditions(self) -> list[Condition]:
        """What it asks."""
        ...


_MOST = 3  # routes that are named
_WEIGHTS = {"host": 3.0, "path": 4.0, "method": 2.0, "query": 1.0, "headers": 1.0, "body": 1.0}


def why_unmatched(call: MockCall, routes: Sequence[Script]) -> str:
    """Return the message of a call that no route takes."""
    what = f"{'WebSocket' if call.is_handshake else call.method} {redact_url(call.request.target)}"
    lines = [f"api_mock: no route takes {what}"]
    if call.content:
        lines.append(f"  its body: {shown(call.text)}")
    if not routes:
        lines.append("  no routes are declared: api_mock.get(...), api_mock.post(...), api_mock.route(...)")
    if routes:
        lines.append("  the nearest routes:")
        lines += nearest(call, routes)
    return "\n".join(lines)


def nearest(call: MockCall, candidates: Sequence[Candidate], *, of: int | None = None) -> list[str]:
    """Return the lines that name what is nearest to a call, and what differs.

    Args:
        call: The call.
        candidates: What it is compared with.
        of: How many there are in all, where these are the nearest of more.
    """
    lines = []
    judged = sorted((_judged(call, route, at) for at, route in enumerate(candidates)), key=lambda one: one[:2])
    for _, _, route, wrong in judged[:_MOST]:
        lines.append(f"    {route.name}  [{route.place}]")
        lines += [f"      {text}" for text in wrong]
    if (left := (of or len(judged)) - _MOST) > 0:
        lines.append(f"    and {left} more")
    return lines


def why_used_up(call: MockCall, route: Script) -> str:
    """Return the message of a call to a route whose script is used up."""
    responses = "response is" if len(route.calls) == 1 else f"{len(route.calls)} responses are"
    return (
        f"api_mock: {call.method} {redact_url(call.request.target)} is one call more than {route.name} has responses "
        f"for  [{route.place}]\n  its {responses} used up: leave times= out where the last one is for all further calls"
    )


def _judged(call: MockCall, route: Candidate, at: int) -> tuple[float, int, Candidate, list[str]]:
    """Return how far a route is from a call, and what differs."""
    distance, wrong = 0.0, []
    if route.handshake != call.is_handshake:
        distance += _WEIGHTS["method"]
        wrong.append("it is for WebSockets" if route.handshake else "it is not for WebSockets")
    for condition in route.conditions:
        if text := condition.difference(call):
            wrong.append(text)
            like = SequenceMatcher(None, condition.asked, call.url.path).ratio() if condition.part == "path" else 0.0
            distance += _WEIGHTS[condition.part] * (1 - like / 2)
    return distance, -at, route, wrong
