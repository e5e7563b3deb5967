"""Read JSON text, and notice keys that stand twice."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.openapi.yaml_text import MAX_DEPTH, Parsed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["lines", "parse"]

_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|[\[\]{},:\n]|[^\s"\[\]{},:]+', re.DOTALL)


def parse(text: str) -> Parsed:
    """Read one JSON text.

    Raises:
        ConfigError: It isn't JSON, or is nested too deeply; the message names the line.
    """
    repeated = False

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        made = dict(pairs)
        repeated = repeated or len(made) != len(pairs)
        return made

    try:
        value = json.loads(text, object_pairs_hook=mapping, parse_constant=_no_constant, parse_float=_number)
    except json.JSONDecodeError as error:
        cut = " (is the text cut off?)" if error.pos >= len(text.rstrip()) or "Unterminated" in error.msg else ""
        what = error.msg.removesuffix(" starting at")
        raise ConfigError(f"line {error.lineno}, column {error.colno}: {what}{cut}") from error
    except RecursionError as error:
        raise ConfigError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ConfigError:
        raise
    except ValueError as error:  # Python reads at most 4,300 digits
        raise ConfigError("a number has thousands of digits: shorten it") from error
    return Parsed(value, list(_twice(text)) if repeated else [])


def _no_constant(name: str) -> Any:
    raise ConfigError(f"{name} isn't JSON")


def _number(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ConfigError(f"the number {text:.40} is too large: no reader can hold it")
    return value


def _twice(text: str) -> Iterator[tuple[tuple[str, ...], str, int | None]]:
    seen: set[tuple[str, ...]] = set()
    for path, line in lines(text):
        if path in seen:
            yield path[:-1], path[-1], line
            seen = {each for each in seen if each[: len(path)] != path}  # what stands inside begins anew
        seen.add(path)


def lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the path and the line of every key and item of a JSON text, from its beginning."""
    path: list[str | int] = []
    line, key_next = 1, False
    for match in _PIECE.finditer(text):
        piece = match[0]
        if piece == "\n":
            line += 1
        elif piece in "{[":
            if path and isinstance(path[-1], int):
                yield tuple(map(str, path)), line
            path.append("" if piece == "{" else 0)
            key_next = piece == "{"
        elif piece in "}]":
            path and path.pop()
            key_next = False
        elif piece == ",":
            if path and isinstance(last := path[-1], int):
                path[-1] = last + 1
            key_next = bool(path) and isinstance(path[-1], str)
        elif piece == ":":
            key_next = False
        elif key_next and match[1] is not None:
            path[-1] = json.loads(piece)
            key_next = False
            yield tuple(map(str, path)), line
