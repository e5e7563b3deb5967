"""Select values of a response's JSON by paths such as `data.items[0].name`, each for a column of its own.

Rules:
1. A path is keys with dots between them. `items[0]`, `items.0` and `items[-1]` take one element of a list; `["a.b"]` is
   a key that has a dot, a bracket or a comma.
2. A list where the path has a key is mapped over: `items.name` is the list of all names. `items[].name` says the same.
3. What is not there is null; nothing fails because of it.
4. `data.` at the beginning, the key of the row, may be written or left out; where the JSON itself has a key `data`, it
   means that one. `.` is the whole JSON.
5. A column is named after the last key of its path, or as `NAME=PATH` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_STEP = re.compile(
    r"""
    \[ \s*
        (?: (?P<index> -?\d+ ) | (?P<each> \*? ) | "(?P<double> (?: [^"\\] | \\. )+ )" | '(?P<single> [^']+ )' )
    \s* \]
    | (?P<key> [^\s.,\[\]"'=] (?: [^.,\[\]"'=]* [^\s.,\[\]"'=] )? )
    """,
    re.VERBOSE,
)
_NAME = re.compile(r"\s*([^\[\].,=\"']*[^\[\].,=\"'\s])\s*=")
_INDEX = re.compile(r"-?\d+")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path.

    Attributes:
        key: The key that it takes of an object; None for every element of a list.
        index: The place that it takes of a list, or None.
    """

    key: str | None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """A path, and the name of its column."""

    name: str
    steps: tuple[Step, ...]

    def take(self, value: Any) -> Any:
        """Return the value at the path; None if there is none."""
        steps = self.steps
        if steps and steps[0] == _DATA and not (type(value) is dict and "data" in value):
            steps = steps[1:]  # rule 4
        return _taken(value, steps)


_DATA = Step("data")


def selection(texts: Iterable[str]) -> tuple[Path, ...]:
    """Parse paths; each text may hold several, with commas between them.

    Raises:
        ConfigError: A path can't be read, or two columns would have one name.
    """
    paths = tuple(path for text in texts for path in _Parser(text).paths())
    names = [path.name for path in paths]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(
            f"--select makes two columns named {twice!r}: name one of them, as in --select 'other={twice}'"
        )
    return paths


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def paths(self) -> list[Path]:
        found = [self._path()]
        while self._at < len(self._text):  # a path ends at a comma or at the end
            self._at += 1
            found.append(self._path())
        return found

    def _path(self) -> Path:
        name = _NAME.match(self._text, self._at)
        begin = self._at = name.end() if name else self._at
        self._skip(" \t")
        if self._next("$.") or self._next("$["):  # as JSONPath begins
            self._at += 2 if self._next("$.") else 1
        whole = self._take(".")
        steps: list[Step] = []
        while not self._ended():
            steps.append(self._step())
            self._skip(" \t")
            if self._ended():
                break
            if not self._take(".") and not self._next("["):
                raise self._wrong(f"unexpected {self._text[self._at]!r}")
            if self._ended():
                raise self._wrong("it ends with a dot")
        if not steps and not whole:
            raise self._wrong("a path is empty")
        if name is None and not any(step.key is not None and step.index is None for step in steps):
            if steps:
                path = self._text[begin : self._at].strip()
                raise self._wrong(f"no key names its column: write NAME={path}")
            return Path("data", ())
        named = [step.key for step in steps if step.key is not None and step.index is None]
        return Path(name[1] if name else str(named[-1]), tuple(steps))

    def _step(self) -> Step:
        found = _STEP.match(self._text, self._at)
        if found is None:
            raise self._wrong(f"a key or [index] expected at {self._text[self._at :]!r}")
        self._at = found.end()
        if found["key"] is not None:
            key = found["key"]
            return Step(key, int(key) if _INDEX.fullmatch(key) else None)
        if found["index"] is not None:
            return Step(found["index"], int(found["index"]))
        if found["each"] is not None:
            return Step(None)
        return Step(_ESCAPE.sub(r"\1", found["double"]) if found["double"] else found["single"])

    def _ended(self) -> bool:
        return self._at >= len(self._text) or self._text[self._at] == ","

    def _next(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _take(self, text: str) -> bool:
        found = self._next(text)
        self._at += found
        return found

    def _skip(self, spaces: str) -> None:
        while not self._ended() and self._text[self._at] in spaces:
            self._at += 1

    def _wrong(self, problem: str) -> ConfigError:
        return ConfigError(
            f"cannot read --select {self._text!r}: {problem}; a path is keys with dots, such as data.items[0].name"
        )


def _taken(value: Any, steps: tuple[Step, ...]) -> Any:
    for place, step in enumerate(steps):
        if type(value) is list:
            if step.index is None:  # rule 2
                rest = steps[place + (step.key is None) :]
                return [_taken(element, rest) for element in value]
            value = value[step.index] if -len(value) <= step.index < len(value) else None
        elif type(value) is dict and step.key is not None:
            value = value.get(step.key)
        else:
            return None  # rule 3
    return value
