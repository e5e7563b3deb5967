"""How servers say that there is no next page, and what else stands where its name should.

PHP writes false or [] for nothing, Go leaves null, headers are always text, and some cursors end at 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NOTHING = frozenset({"", "null", "none", "nil", "undefined", "false"})
_NO = NOTHING | {"no", "n", "f", "off"}
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def says_yes(found: Any) -> bool:
    """Whether what stands for "there is more" says so: a text, as a header has it, by what it means."""
    if not isinstance(found, str):
        return bool(found)
    text = found.strip().lower()
    return text not in _NO and text.strip("0.") != ""


def link_of(found: Any, at: str) -> Any:
    """What stands for the next URL, None for nothing; of a link object its "href" (HAL section 5, JSON:API "Links").

    Raises:
        ValueError: It is an object that has none.
    """
    if isinstance(found, Mapping) and found:
        if "href" not in found or found.get("templated"):
            raise ValueError(f"an object: say where it has the URL, like at='{at}.url'")
        found = found["href"]
        if isinstance(found, Mapping) and found:
            raise ValueError(f"an object: say where it has the URL, like at='{at}.href.url'")
    return None if isinstance(found, str) and found.strip().lower() in {"0", *NOTHING} else found


def whole(found: Any) -> int | None:
    """A total as a number, however it is written; None for anything else."""
    if isinstance(found, str) and found.isascii() and found.isdigit():
        return int(found[:18])
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else None


def kind_of(found: Any) -> str:
    """A value by its kind in JSON, for errors."""
    return _KINDS.get(type(found), f"a {type(found).__name__}")
