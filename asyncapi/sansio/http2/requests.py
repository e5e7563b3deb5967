"""Turn the head of a request into the field lines of HTTP/2 (RFC 9113 sections 8.2 and 8.3.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.redact import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MEMORY = 256  # heads that are remembered

# Section 8.2.2; `authority` stands for Host, section 8.3.1.
_LEFT_OUT = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "host"})
Line = tuple[bytes, bytes]

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_NOT_IN_VALUES = re.compile(r"[\0\r\n]")  # section 8.2.1; other control characters are the user's to send


def lowered(fields: Iterable[tuple[str, str]]) -> list[Line]:
    """Make the header lines of a request fit HTTP/2: names in lower case, without what only HTTP/1.1 knows.

    Raises:
        ValueError: A name or value can't stand in a header.
    """
    taken = []
    named = {
        name.strip().lower() for field, value in fields if field.lower() == "connection" for name in value.split(",")
    }
    for name, value in fields:
        low = name.lower()
        if _NAME.fullmatch(low) is None:
            raise ValueError("the name of a header has a character that no header may have")
        if low in _LEFT_OUT or low in named or (low == "te" and value.strip().lower() != "trailers"):
            continue
        taken.append((low.encode(), octets(value.strip(" \t"))))
    return taken


class Heads:
    """Lay out the heads of requests, and remember those whose fields come again.

    Args:
        never: Makes a line that is never to be kept in a table, from its name and value.
    """

    def __init__(self, never: Callable[[bytes, bytes], Line]) -> None:
        self._never = never
        self._known: dict[tuple[object, ...], tuple[list[Line], list[Line]]] = {}

    def lines(
        self, method: str, scheme: str, authority: str, path: str, fields: Iterable[tuple[str, str]]
    ) -> list[Line]:
        """Return the lines of a request's head.

        Raises:
            ValueError: A name or value can't stand in a header.
        """
        key = (method, scheme, authority, fields) if type(fields) is tuple else None
        parts = self._known.get(key) if key is not None else None
        if parts is None:
            pseudo: list[Line] = [
                (b":method", octets(method)), (b":scheme", octets(scheme)), (b":authority", octets(authority)),
            ]  # fmt: skip
            regular = lowered(tuple(fields))
            parts = pseudo, [self._never(*line) if secret(line[0]) else line for line in regular]
            if key is not None:
                if len(self._known) >= _MEMORY:
                    self._known.clear()
                self._known[key] = parts
        return [*parts[0], (b":path", octets(path)), *parts[1]]


def octets(value: str) -> bytes:
    """Encode a value as it goes on the wire.

    Raises:
        ValueError: The value has a line break or a NUL.
    """
    if _NOT_IN_VALUES.search(value) is not None:
        raise ValueError("the value of a header has a line break or a NUL")
    return value.encode("utf-8", "surrogateescape")


def secret(name: bytes) -> bool:
    """Whether a field is never to be kept in a table: RFC 7541 section 7.1.3."""
    return is_secret(name.decode())
