"""Say why no route takes a call: the nearest routes, and what differs from each. No message shows a secret."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Protocol

from asyncapi.redact import MASK, is_secret, redact_url
from asyncapi.testing.matching import shown
from asyncapi.testing.traces import origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from re import Pattern

    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall
    from asyncapi.testing.script import Script


class UnmatchedCall(AssertionError):
    """A call that no route takes, or no recorded exchange fits: the message names the nearest, and what differs."""

    __module__ = "asyncapi.testing"  # where users find it: reports of pytest show it


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
_TOLD = 5  # problems that one message tells
MOST_EXPLAINED = 20
"""Calls without a route whose nearest routes are looked for: a program may make thousands."""

_NO_SOCKET = "it is not for WebSockets"
_WEIGHTS = {"host": 3.0, "path": 4.0, "method": 2.0, "query": 1.0, "headers": 1.0, "body": 1.0}


def why_unmatched(call: MockCall, routes: Sequence[Script]) -> str:
    """Return the message of a call that no route takes."""
    lines = [f"api_mock: no route takes {call.line}"]
    if call.content:
        lines.append(f"  its body: {_body(call)}")
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
        f"api_mock: {call.line} is one call more than {route.name} has responses "
        f"for  [{route.place}]\n  its {responses} used up: leave times= out where the last one is for all further calls"
    )


def message_of(problem: AssertionError) -> str:
    """Return what a problem says, and where the code under test has made the call, if that is known."""
    place = origin(problem)
    text = str(problem) or repr(problem)
    return f"{text}\n  called at {place}" if place and isinstance(problem, UnmatchedCall) else text


def told(problems: Sequence[str]) -> str:
    """Return several problems as one message: the first of them, and how many more there are."""
    left = len(problems) - _TOLD
    return "\n".join([*problems[:_TOLD], *([f"and {left:,} more calls like these"] if left > 0 else [])])


def named(method: str | None, url: str | Pattern[str] | None, conditions: list[Condition]) -> str:
    """Return what messages call a route.

    Args:
        method: Its method, or what it is.
        url: Its URL.
        conditions: What it asks beside them.
    """
    place = shown(url) if url is not None and not isinstance(url, str) else redact_url(url or "any URL")
    asked = [f"host {each.asked}" if each.part == "host" else each.asked for each in conditions if each.asked]
    more = f" ({', '.join(asked)})" if asked else ""
    return f"{method or 'any method'} {place}{more}"


def _body(call: MockCall) -> str:
    """Return a body as a message shows it."""
    from asyncapi.testing.cassettes.masking import Secrets  # noqa: PLC0415 - only where a call is not matched

    kind = call.headers.get("Content-Type", "")
    if kind.lower().startswith("multipart/"):
        fields = [f"{name}={MASK if is_secret(name) else shown(value)}" for name, value in call.form.items()]
        files = [f"{name} ({len(file.content):,} bytes)" for name, file in call.files.items()]
        return ", ".join(["multipart", *fields, *files])
    try:
        text = call.content.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return f"{len(call.content):,} bytes"
    return shown(Secrets(alike=True).text(text, kind))


def _judged(call: MockCall, route: Candidate, at: int) -> tuple[float, int, Candidate, list[str]]:
    """Return how far a route is from a call, and what differs."""
    distance, wrong = 0.0, []
    if route.handshake != call.is_handshake:
        distance += _WEIGHTS["method"]
        wrong.append("it is for WebSockets" if route.handshake else _NO_SOCKET)
    for condition in route.conditions:
        if text := condition.difference(call):
            wrong.append(text)
            like = SequenceMatcher(None, condition.asked, call.url.path).ratio() if condition.part == "path" else 0.0
            distance += _WEIGHTS[condition.part] * (1 - like / 2)
    return distance, -at, route, wrong
