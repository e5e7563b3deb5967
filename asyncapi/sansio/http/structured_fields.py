"""Parse structured fields (RFC 9651): lists and dictionaries of items with parameters.

The parsing is strict, as section 4.2 has it: a field that does not parse has no value, not even in part. It goes
forward only. Values come as Python has them: int, float (Decimal), str (String and Display String), `Token`, bytes,
bool, `Date`, and a list of items (Inner List).
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from asyncapi.sansio.http.fields import LONGEST

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*+")
_NUMBER = re.compile(r"(-?)([0-9]++)(?:\.([0-9]*+))?")
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]++|\\["\\])*+)"')
_ESCAPED = re.compile(r"\\(.)")
_BYTES = re.compile(r":([A-Za-z0-9+/]*+={0,2}+):")
_DISPLAY = re.compile(r'%"((?:[\x20\x21\x23\x24\x26-\x7e]++|%[0-9a-f]{2})*+)"')
_COUNT = re.compile(r"; *+([a-z*][a-z0-9_\-.*]*+)=([0-9]{1,15}+)(?![0-9.])")
_SPACES, _OWS = re.compile(r" *+"), re.compile(r"[ \t]*+")
_MOST_DIGITS, _MOST_WHOLE, _MOST_FRACTION = 15, 12, 3  # section 4.2.4

Parameters = dict[str, Any]


class Item(NamedTuple):
    """A bare item, or an inner list of items, with its parameters."""

    value: Any
    parameters: Parameters


class Token(str):
    """A Token: text that was written without quotes."""

    __slots__ = ()


class Date(int):
    """A Date: seconds since the Unix epoch."""

    __slots__ = ()


def parse_list(text: str) -> list[Item] | None:
    """The members of a List (section 4.2.1); None if the text is not a List."""
    return _parsed(text, _Scanner.list)


def parse_dictionary(text: str) -> dict[str, Item] | None:
    """The members of a Dictionary (section 4.2.2); None if the text is not a Dictionary."""
    return _parsed(text, _Scanner.dictionary)


def _parsed(text: str, read: Callable[[_Scanner], T]) -> T | None:
    if len(text) > LONGEST or not text.isascii():
        return None
    try:
        return read(_Scanner(text.strip(" ")))
    except ValueError:
        return None


class _Scanner:
    """A position in a text that only moves forward. Its methods raise ValueError if the text is not what they read."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def list(self) -> list[Item]:
        members: list[Item] = []
        while self._left():
            members.append(self._member())
            self._comma()
        return members

    def dictionary(self) -> dict[str, Item]:
        members: dict[str, Item] = {}
        while self._left():
            key = self._take(_KEY)[0]
            member = self._member() if self._skip("=") else Item(value=True, parameters=self._parameters())
            members.pop(key, None)  # section 4.2.2: the last of a key counts, and its place
            members[key] = member
            self._comma()
        return members

    def _left(self) -> bool:
        return self._at < len(self._text)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, character: str) -> bool:
        found = self._next() == character
        self._at += found
        return found

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError(self._at)
        self._at = found.end()
        return found

    def _comma(self) -> None:
        """Skip to the next member; a comma with nothing behind it is an error (sections 4.2.1 and 4.2.2)."""
        self._take(_OWS)
        if not self._left():
            return
        if not self._skip(","):
            raise ValueError(self._at)
        self._take(_OWS)
        if not self._left():
            raise ValueError(self._at)

    def _member(self) -> Item:
        return self._inner_list() if self._skip("(") else self._item()

    def _item(self) -> Item:
        return Item(self._bare(), self._parameters())

    def _inner_list(self) -> Item:
        items: list[Item] = []
        while True:
            self._take(_SPACES)
            if self._skip(")"):
                return Item(items, self._parameters())
            items.append(self._item())
            if self._next() not in {" ", ")"}:
                raise ValueError(self._at)

    def _parameters(self) -> Parameters:
        found: Parameters = {}
        while True:
            if (common := _COUNT.match(self._text, self._at)) is not None:  # nearly all parameters
                self._at = common.end()
                found.pop(common[1], None)
                found[common[1]] = int(common[2])
                continue
            if not self._skip(";"):
                return found
            self._take(_SPACES)
            key = self._take(_KEY)[0]
            value = self._bare() if self._skip("=") else True
            found.pop(key, None)
            found[key] = value

    def _bare(self) -> Any:
        first = self._next()
        if first == '"':
            text = self._take(_STRING)[1]
            return _ESCAPED.sub(r"\1", text) if "\\" in text else text
        if first == "-" or first.isdigit():  # section 4.2.4
            return self._number()
        if first == ":":  # section 4.2.7
            return b64decode(self._take(_BYTES)[1].rstrip("=") + "==")
        if first == "%":  # section 4.2.10
            return _display(self._take(_DISPLAY)[1])
        if first == "?":  # section 4.2.8
            self._at += 1
            flag = self._next()
            self._at += 1
            return {"0": False, "1": True}[flag] if flag in {"0", "1"} else _fail(self._at)
        if first == "@":  # section 4.2.9
            self._at += 1
            whole = self._number()
            return Date(whole) if isinstance(whole, int) else _fail(self._at)
        return Token(self._take(_TOKEN)[0])

    def _number(self) -> int | float:
        sign, whole, fraction = self._take(_NUMBER).groups()
        if fraction is None:
            return int(sign + whole) if len(whole) <= _MOST_DIGITS else _fail(self._at)
        if len(whole) > _MOST_WHOLE or not 1 <= len(fraction) <= _MOST_FRACTION:
            _fail(self._at)
        return float(f"{sign}{whole}.{fraction}")


def _display(text: str) -> str:
    """Percent-encoded UTF-8 (section 4.2.10)."""
    first, *coded = text.split("%")
    return b"".join([first.encode(), *(bytes([int(part[:2], 16)]) + part[2:].encode() for part in coded)]).decode()


def _fail(at: int) -> Any:
    raise ValueError(at)
