"""Read YAML into plain values: dicts with text as keys, lists, text, numbers, booleans and None.

OpenAPI documents are YAML 1.2 with the tags of JSON, and PyYAML's own constructors speak YAML 1.1. So only its parser
is used here, event by event:

1. `no`, `on`, `12:30` and `2020-01-01` are text. `true`, `null`, `12` and `1e3` are what they are in JSON.
2. Every key is the text that was written: `200:` is "200", `no:` is "no".
3. No tag makes an object: those of JSON's kinds are understood, `!!timestamp` and `!!binary` are text, any other is an
   error.
4. An alias is the same object as its anchor, so it costs nothing here. But later readers copy: what the aliases of a
   text would grow to is counted, and refused where it is out of proportion ("billion laughs").
5. `<<` merges. A key that stands twice is noticed, and its last value counts.
6. The text that follows `version:`, `openapi:` or `swagger:` near the top stays text: 1.10 is not 1.1.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from asyncapi.errors import ConfigError

__all__ = ["MAX_DEPTH", "Parsed", "parse"]

MAX_DEPTH = 200  # levels of a document; readers later on recurse
MAX_GROWTH = 20  # an alias-heavy text may grow to this many times its own nodes ...
FREE_NODES = 200_000  # ... once it has more than these

_INT = re.compile(r"[-+]?[0-9]{1,400}\Z")
_BASED = re.compile(r"0o[0-7]{1,200}\Z|0x[0-9a-fA-F]{1,200}\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMBERISH = frozenset("0123456789+-.")
_CORE = "tag:yaml.org,2002:"
_VERBATIM = frozenset({"version", "openapi", "swagger"})


@dataclass(slots=True)
class Parsed:
    """What a text holds. `twice` are the keys that stand twice in a mapping: the mapping's path, the key, its line."""

    value: Any
    twice: list[tuple[tuple[str, ...], str, int | None]] = field(default_factory=list)


class _Level:
    """A mapping or a list that is still open."""

    __slots__ = ("anchor", "key", "merges", "size", "value")

    def __init__(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.size = 1
        self.merges: list[dict[str, Any]] = []


class _Builder:
    """Builds the values of one document from its events."""

    def __init__(self) -> None:
        self.levels: list[_Level] = []
        self.anchors: dict[str, tuple[Any, int] | None] = {}
        self.nodes = 0
        self.result: list[Any] = []
        self.twice: list[tuple[tuple[str, ...], str, int | None]] = []

    def scalar(self, event: Any) -> None:
        level = self.levels[-1] if self.levels else None
        if level is not None and level.key is None and isinstance(level.value, dict):
            self._open_key(level, event)
            return
        key = level.key if level is not None else None
        value = event.value if key in _VERBATIM and len(self.levels) <= 2 else _scalar(event)  # noqa: PLR2004 - rule 6
        if type(value) is float and math.isinf(value):
            raise ConfigError(
                f"line {event.start_mark.line + 1}: the number {event.value:.40} is too large: no reader can hold it"
            )
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)
        self._put(value, 1)

    def _open_key(self, level: _Level, event: Any) -> None:
        level.key = key = event.value
        if event.anchor:
            self.anchors[event.anchor] = (key, 1)
        if key in level.value and key != "<<":
            self.twice.append((self._path(), key, event.start_mark.line + 1))

    def alias(self, event: Any) -> None:
        found = self.anchors.get(event.anchor, ())
        if found is None:
            raise ConfigError(
                f"line {event.start_mark.line + 1}: the alias *{event.anchor} stands inside its own anchor"
            )
        if not found:
            raise ConfigError(f"line {event.start_mark.line + 1}: no anchor &{event.anchor} stands before its alias")
        level = self.levels[-1] if self.levels else None
        if level is not None and level.key is None and isinstance(level.value, dict):
            level.key = found[0] if isinstance(found[0], str) else _no_key(event)
            return
        self._put(*found)

    def open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        level = self.levels[-1] if self.levels else None
        if level is not None and level.key is None and isinstance(level.value, dict):
            _no_key(event)
        if len(self.levels) >= MAX_DEPTH:
            raise ConfigError(f"line {event.start_mark.line + 1}: nested deeper than {MAX_DEPTH} levels")
        if event.tag not in {None, "!", f"{_CORE}map", f"{_CORE}seq", f"{_CORE}omap", f"{_CORE}set"}:
            _bad_tag(event)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.levels.append(_Level(value, event.anchor))

    def close(self) -> None:
        level = self.levels.pop()
        value = level.value
        for merged in level.merges:
            for key, each in merged.items():
                value.setdefault(key, each)  # type: ignore[union-attr]  # only mappings merge
        if level.anchor:
            self.anchors[level.anchor] = (value, level.size)
        self._put(value, level.size)

    def _put(self, value: Any, size: int) -> None:
        self.nodes += 1
        if not self.levels:
            self.result.append(value)
            return
        level = self.levels[-1]
        level.size += size
        if level.size > FREE_NODES and level.size > MAX_GROWTH * self.nodes:
            raise ConfigError("its aliases (*name) would grow to more than 20 times of what it holds: write them out")
        if isinstance(level.value, list):
            level.value.append(value)
            return
        key, level.key = level.key or "", None
        if key == "<<":
            level.merges += [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]
        else:
            level.value[key] = value

    def _path(self) -> tuple[str, ...]:
        return tuple(
            str(len(level.value)) if isinstance(level.value, list) else level.key or "" for level in self.levels[:-1]
        )


def parse(text: str) -> Parsed:
    """Read one YAML document.

    Raises:
        ConfigError: It isn't YAML, or goes beyond what a document may be; the message names the line.
    """
    import yaml  # noqa: PLC0415 - an extra, and slow to import

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        builder = _Builder()
        _feed(builder, loader, yaml)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        begun = error.context_mark
        inside = f", in what begins on line {begun.line + 1}" if begun and mark and begun.line != mark.line else ""
        what = error.problem or error.context or "broken YAML"
        if mark and "cannot start any token" in what and _is_tab(text, mark):
            what = "a tab: YAML is indented by spaces alone"
        raise ConfigError(f"{where}{what}{inside}") from error
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(str(error).split())) from error
    finally:
        loader.dispose()
    return Parsed(builder.result[0] if builder.result else None, builder.twice)


def _is_tab(text: str, mark: Any) -> bool:
    lines = text.splitlines()
    return bool(mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t")


def _feed(builder: _Builder, loader: Any, yaml: Any) -> None:
    documents = 0
    while (event := loader.get_event()) is not None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            builder.scalar(event)
        elif kind is yaml.MappingStartEvent:
            builder.open({}, event)
        elif kind is yaml.SequenceStartEvent:
            builder.open([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            builder.close()
        elif kind is yaml.AliasEvent:
            builder.alias(event)
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1:
                raise ConfigError(
                    f"line {event.start_mark.line + 1}: a second document begins (---): keep one in a file"
                )


def _scalar(event: Any) -> Any:
    text, tag = event.value, event.tag
    if tag is None:
        return _plain(text) if not event.style else text
    kind = tag.removeprefix(_CORE)
    if kind in {"str", "!", "timestamp", "binary"}:
        return text
    if kind in {"int", "float", "bool", "null"}:
        return _plain(text)
    return _bad_tag(event)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBERISH:
        return text
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    if _BASED.match(text):
        return int(text, 0)
    return text


def _bad_tag(event: Any) -> Any:
    raise ConfigError(
        f"line {event.start_mark.line + 1}: the tag {event.tag} isn't part of OpenAPI. If a tool of yours gives it its "
        "meaning (as !include has), let that tool write the whole document first"
    )


def _no_key(event: Any) -> Any:
    raise ConfigError(f"line {event.start_mark.line + 1}: a mapping's key is a mapping or a list; keys are text")
