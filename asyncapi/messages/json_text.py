r"""Read and write valid JSON that the fast reader and writer (pydantic-core's) refuse.

- Half of a surrogate pair, as an escape: `"caf\ud83d"`, a text that a server has cut in the middle of an emoji. The
  grammar allows it (RFC 8259 section 8.2), but no text can contain it: it becomes U+FFFD, the replacement character.
  Records (a job's rows, an id) keep it as its escape (`written_anyhow`).
- Nesting deeper than about 200 levels in reading, 255 in writing. `LEVELS` levels are read; deeper nesting is a
  ValueError, never a RecursionError, and so is nesting that the rest of the stack has no room for.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = 500  # of nesting

# An escape of a surrogate with the escaped backslashes before it; the second group is a pair that is whole.
_SURROGATE = re.compile(
    rb"(?<!\\)((?:\\\\)*+)"
    rb"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def mended(content: bytes) -> bytes:
    """Replace each half of a surrogate pair by U+FFFD; returns the same object where there is none."""
    # one scan for most bodies: an escape of a surrogate begins so
    if b"\\ud" not in content and b"\\uD" not in content:
        return content
    made = _SURROGATE.sub(_whole, content)
    return content if made == content else made


def _whole(found: re.Match[bytes]) -> bytes:
    return found[0] if found[2] else found[1] + rb"\ufffd"


def deep(content: bytes | str) -> Any:
    """Read JSON that may be nested deeper than the fast reader goes, as plain data.

    Raises:
        ValueError: The content isn't valid JSON, or is nested deeper than `LEVELS`.
    """
    try:
        value = json.loads(content.decode() if isinstance(content, bytes) else content)
    except RecursionError:
        value = None
        too_deep = True
    else:
        too_deep = _deeper(value)
    if too_deep:
        raise ValueError(f"it is nested deeper than {LEVELS} levels")
    return value


def _deeper(value: Any) -> bool:
    level = [value]
    for _ in range(LEVELS):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer if type(outer) is list else ())
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def strict(content: bytes) -> bool:
    """Whether JSON is valid for every reader: without NaN and Infinity outside of texts."""
    try:
        json.loads(content, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(name: str) -> None:
    raise ValueError(name)


def written(value: Any) -> bytes:
    """Write plain data as JSON.

    Raises:
        ValueError: The data has a value that JSON can't represent, or is nested too deep.
    """
    from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python  # noqa: PLC0415 - it takes long

    try:
        return to_json(value)
    except PydanticSerializationError as error:
        if "depth" not in str(error):  # pydantic-core's "Maximum serialization depth exceeded"
            raise
    return _dumped(value, to_jsonable_python, allow_nan=False)


def written_anyhow(value: Any) -> bytes:
    """Write plain data as JSON for records: null for NaN and Infinity, the text of objects that JSON can't represent.

    Half of a surrogate pair is written as its escape.

    Raises:
        ValueError: The data is nested too deep, or has a key that is no text.
    """
    from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python  # noqa: PLC0415 - it takes long

    try:
        return to_json(value, inf_nan_mode="null", fallback=_shown)  # serialize_unknown would cut deep data off: "..."
    except PydanticSerializationError as error:
        if "depth" not in str(error) and "surrogates not allowed" not in str(error):
            raise
    content = _dumped(value, partial(to_jsonable_python, fallback=_shown), allow_nan=True, escaped=True)
    # NaN deep down: written by Python, read back as None
    value = json.loads(content, parse_constant=_null)
    try:
        return _dumped(value, None, allow_nan=False)
    except UnicodeEncodeError:
        return _dumped(value, None, allow_nan=False, escaped=True)


def _shown(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _null(_: str) -> None:
    return None


def _dumped(value: Any, default: Callable[[Any], Any] | None, *, allow_nan: bool, escaped: bool = False) -> bytes:
    """JSON by Python's own writer, which goes deeper."""
    try:
        text = json.dumps(value, ensure_ascii=escaped, separators=(",", ":"), default=default, allow_nan=allow_nan)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    except TypeError as error:  # a key that JSON can't represent
        raise ValueError(str(error)) from None
    return text.encode()
