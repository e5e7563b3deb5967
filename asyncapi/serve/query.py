"""Read values from paths, queries and bodies: a value, or a 400 that says what would be right."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from asyncapi.serve.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp import web


def whole(text: str, name: str, low: int, high: int) -> int:
    """Read a whole number from `low` to `high`.

    Raises:
        Refusal: The text is not such a number (400).
    """
    digits = text[1:] if text[:1] == "-" else text
    value = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= len(str(high)) else None
    if value is None or not low <= value <= high:
        raise Refusal(400, f"{name} is a whole number from {low} to {high}, not {text!r}")
    return value


def seconds(text: str, name: str, high: float = 3600.0) -> float:
    """Read seconds from 0 to `high`.

    Raises:
        Refusal: The text is not such a number (400).
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= high:
        raise Refusal(400, f"{name} is seconds from 0 to {high:g}, not {text!r}")
    return value


def whole_in(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """The whole number at `name` in the query, or the default."""
    text = query.get(name)
    return default if text is None else whole(text, name, low, high)


def seconds_in(query: Mapping[str, str], name: str, default: float) -> float:
    """The seconds at `name` in the query, or the default."""
    text = query.get(name)
    return default if text is None else seconds(text, name)


async def json_object(request: web.BaseRequest, name: str) -> dict[str, Any]:
    """Read the request body, a JSON object.

    Raises:
        Refusal: The body is not a JSON object (400).
    """
    try:
        data = from_json(await request.read())
    except ValueError as error:
        raise Refusal(400, f"{name} is a JSON object: {error}") from None
    if not isinstance(data, dict):
        raise Refusal(400, f"{name} is a JSON object, not {type(data).__name__}")
    return data


def header_value(text: str, name: str) -> str:
    """Return text that is safe in a header.

    Raises:
        Refusal: The text has control characters, or characters that a header can't carry (400).
    """
    if not (text.isprintable() and text.isascii()):
        raise Refusal(400, f"{name} goes into a header: printable ASCII only, not {text!r}")
    return text
