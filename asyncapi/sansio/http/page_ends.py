"""Recognise how servers say that there is no next page.

PHP writes false or [] for nothing, Go writes null, headers are always text, and some cursors end at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = frozenset({"", "null", "none", "nil", "undefined", "false"})
_NO = NOTHING | {"no", "n", "f", "off"}
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def says_yes(value: Any) -> bool:
    """Whether the value of a "there is more" says so; text, as in a header, counts by what it means."""
    if not isinstance(value, str):
        return bool(value)
    text = value.strip().lower()
    return text not in _NO and text.strip("0.") != ""


def link_of(value: Any, at: str) -> Any:
    """The next URL, None for none; of a link object its "href" (HAL section 5, JSON:API "Links").

    Raises:
        ValueError: The value is an object without a usable "href".
    """
    if isinstance(value, Mapping) and value:
        if "href" not in value or value.get("templated"):
            raise ValueError(f"an object: say where it has the URL, like at='{at}.url'")
        value = value["href"]
        if isinstance(value, Mapping) and value:
            raise ValueError(f"an object: say where it has the URL, like at='{at}.href.url'")
    return None if isinstance(value, str) and value.strip().lower() in {"0", *NOTHING} else value


def whole(value: Any) -> int | None:
    """A total as a number, however it is written; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def kind_of(value: Any) -> str:
    """Name a value by its kind in JSON, for errors."""
    return _KINDS.get(type(value), f"a {type(value).__name__}")
