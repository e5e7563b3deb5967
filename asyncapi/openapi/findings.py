"""Collect what the checks of a document find, and give each finding its line."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.openapi import json_text, sources
from asyncapi.openapi.document import Problem
from asyncapi.openapi.files import tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asyncapi.openapi.document import Document
    from asyncapi.openapi.files import Place

__all__ = ["Findings", "nearest", "with_lines"]


class Findings:
    """The problems found so far; the same one at the same place counts once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Problem] = {}

    def error(self, at: Place | str, what: str, hint: str = "") -> None:
        """Keep what breaks the rules of the specification."""
        self._found.setdefault((str(at), what), Problem(str(at), what, hint))

    def warn(self, at: Place | str, what: str, hint: str = "") -> None:
        """Keep what is allowed, but hardly meant, or hard to use."""
        self._found.setdefault((str(at), what), Problem(str(at), what, hint, "warning"))

    def add(self, problems: Iterable[Problem]) -> None:
        """Keep what reading has found."""
        for each in problems:
            self._found.setdefault((each.where, each.what), each)

    @property
    def problems(self) -> list[Problem]:
        """All of them, in the order in which they were found."""
        return list(self._found.values())


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is spelled most like this one, "" if none is like it."""
    from difflib import get_close_matches  # noqa: PLC0415 - only where something is wrong

    return next(iter(get_close_matches(name, list(known), n=1, cutoff=0.75)), "")


def with_lines(problems: list[Problem], document: Document) -> list[Problem]:
    """Give the problems their lines, where the text can be read again."""
    by_file: dict[str, dict[tuple[str, ...], int | None]] = {}
    for each in problems:
        file, _, pointer = each.where.partition("#")
        by_file.setdefault(file, {})[tuple(tokens(pointer))] = None
    for file, wanted in by_file.items():
        _find(document.data if not file else _loaded(file), wanted)
    made = []
    for each in problems:
        file, _, pointer = each.where.partition("#")
        line = by_file[file][tuple(tokens(pointer))]
        made.append(each if each.line is not None or line is None else dataclasses.replace(each, line=line))
    return made


def _loaded(file: str) -> bytes:
    try:
        return b"" if sources.is_url(file) else sources.load(file)
    except ConfigError:
        return b""


def _find(data: bytes, wanted: dict[tuple[str, ...], int | None]) -> None:
    """Fill in the lines: of what is wanted itself, or else of the nearest thing around it."""
    text = data.decode(json.detect_encoding(data), "replace").removeprefix("\ufeff")
    found: dict[tuple[str, ...], int] = {(): 1}
    needed = {path[:length] for path in wanted for length in range(len(path) + 1)}
    for path, line in json_text.lines(text) if text.lstrip()[:1] in {"{", "["} else _yaml_lines(text, needed):
        if path in needed:
            found.setdefault(path, line)
    for path in wanted:
        near = path
        while near not in found:
            near = near[:-1]
        wanted[path] = found[near] if near or not path else None


def _yaml_lines(text: str, needed: set[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], int]]:
    import yaml  # noqa: PLC0415 - an extra, and slow to import

    try:
        top = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return
    stack: list[tuple[tuple[str, ...], Any]] = [((), top)]
    while stack:
        path, node = stack.pop()
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                inner = (*path, str(key.value))
                if inner in needed:
                    yield inner, key.start_mark.line + 1
                    stack.append((inner, value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                inner = (*path, str(index))
                if inner in needed:
                    yield inner, value.start_mark.line + 1
                    stack.append((inner, value))
