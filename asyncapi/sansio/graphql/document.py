"""Read which operations a GraphQL document has, without parsing it: the server does that.

The specification (spec.graphql.org, section 2, "Language") lets a definition begin with `{`, with the name of its kind,
or with a description; it ends with the brace that closes its selection set. In between, only texts and comments can
hold a brace that doesn't count. For a valid document the result is that of a parser; an invalid one may pass here, and
is refused by the server.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, cast

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["query", "mutation", "subscription"]

_KINDS = ("query", "mutation", "subscription")
_IGNORED = re.compile(r"(?:[\t\n\r ,\ufeff]++|#[^\n\r]*+)*+")  # section 2.1.7
_NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*+")  # section 2.1.9
# A text, or one in triple quotes (section 2.9.4); its end is missing where only a quote is found.
_TEXT = r'"""(?:[^"\\]|\\(?:""")?+|"(?!""))*+"""|"(?!"")(?:[^"\\\n\r]|\\[^\n\r])*+"'
_DESCRIPTION = re.compile(_TEXT)
_MARK = re.compile(rf'#[^\n\r]*+|{_TEXT}|["{{}}()\[\]]')
_CLOSES = {"}": "{", ")": "(", "]": "["}
_SHOWN = 40


class Operation:
    """One operation of a document.

    Attributes:
        document: The whole text that the server gets.
        kind: "query", "mutation" or "subscription".
        name: Its name; None for one without.
        only: Whether the document has no other.
    """

    def __init__(self, document: str, kind: Kind, name: str | None, *, only: bool) -> None:
        self.document: str = document
        self.kind: Kind = kind
        self.name: str | None = name
        self.only: bool = only

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the document in hexadecimal, by which servers keep it."""
        return sha256(self.document.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"<Operation {self.kind} {self.name or ''}>"


def operation_of(document: str, operation: str | None = None) -> Operation:
    """Find the operation that a document asks for.

    Args:
        document: The text.
        operation: The name of the one to take, where there are several.

    Raises:
        ConfigError: The text is no document with that operation.
    """
    if not isinstance(document, str):
        raise ConfigError(f"document: give its text, not {type(document).__name__}")
    return _operation_of(document, operation)


@lru_cache(maxsize=256)
def _operation_of(document: str, operation: str | None) -> Operation:
    found = operations(document)
    if operation is None:
        if len(found) == 1:
            return Operation(document, *found[0], only=True)
        if found:
            names = ", ".join(repr(name) for _, name in found)
            raise ConfigError(f"the document has {len(found)} operations ({names}): name one, operation=")
        raise ConfigError("the document has no operation: it begins with query, mutation, subscription or a brace")
    for kind, name in found:
        if name == operation:
            return Operation(document, kind, name, only=len(found) == 1)
    names = ", ".join(repr(name) for _, name in found if name) or "none with a name"
    raise ConfigError(f"operation={operation!r}: the document has {names}")


def operations(document: str) -> list[tuple[Kind, str | None]]:
    """List the operations of a document, in its order, as (kind, name).

    Raises:
        ConfigError: A text or a brace isn't closed, or something else than an operation or a fragment begins.
    """
    return [(cast("Kind", kind), name) for kind, name in _definitions(document) if kind != "fragment"]


def _definitions(text: str) -> Iterator[tuple[str, str | None]]:
    at = _skipped(text, 0)
    while at < len(text):
        kind, name = "query", None  # `{ ... }` alone is a query (section 2.3)
        if text[at] != "{":
            if (description := _DESCRIPTION.match(text, at)) is not None:
                at = _skipped(text, description.end())
            word = _NAME.match(text, at)
            kind = "" if word is None else word[0]
            if word is None or (kind not in _KINDS and kind != "fragment"):
                raise ConfigError(f"the document has neither an operation nor a fragment at {_shown(text, at)}")
            at = _skipped(text, word.end())
            if (named := _NAME.match(text, at)) is not None:
                name = named[0]
        at = _skipped(text, _end(text, at))
        yield kind, name


def _skipped(text: str, at: int) -> int:
    found = _IGNORED.match(text, at)
    return at if found is None else found.end()


def _end(text: str, at: int) -> int:
    """Find the end of the definition whose head or selection set begins at `at`."""
    opened: list[str] = []
    for mark in _MARK.finditer(text, at):
        sign = mark[0]
        if sign in "{([":
            opened.append(sign)
        elif sign in "})]":
            if not opened or opened.pop() != _CLOSES[sign]:
                raise ConfigError(f"the document closes what isn't open at {_shown(text, mark.start())}")
            if not opened and sign == "}":
                return mark.end()
        elif sign == '"':
            raise ConfigError(f"the document has a text that isn't closed at {_shown(text, mark.start())}")
    raise ConfigError("the document ends before its last definition does: is a brace missing?")


def _shown(text: str, at: int) -> str:
    rest = text[at : at + _SHOWN].partition("\n")[0]
    return f"line {text.count(chr(10), 0, at) + 1}: {rest!r}" if rest else "its end"
