"""Write bodies so that people can read them, and read the same bytes again.

Rules:
1. JSON is written as data where writing it in one of the usual styles gives the very same bytes; the style is noted
   where it is not the compact one. Other text is written as text, in UTF-8 or the charset of its Content-Type.
2. What is not text is base64, in lines.
3. What is read is what was written, byte for byte.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, encodebytes
from typing import Any

_STYLES: dict[str, dict[str, Any]] = {
    "compact": {"separators": (",", ":"), "ensure_ascii": False},
    "compact ascii": {"separators": (",", ":")},
    "spaced": {"ensure_ascii": False},
    "spaced ascii": {},
    "indent 2": {"indent": 2, "ensure_ascii": False},
    "indent 2 ascii": {"indent": 2},
    "indent 4": {"indent": 4, "ensure_ascii": False},
    "indent 4 ascii": {"indent": 4},
}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]")
_CHARSET = re.compile(r"""(?i);\s*charset\s*=\s*"?([\w.:-]+)""")
_DEEPEST = 60  # levels of JSON that are written as data


def readable(content: bytes | str, kind: str = "") -> dict[str, Any]:
    """Return the entries of a file that stand for a body; none for an empty one.

    Args:
        content: The body, or the text of a message.
        kind: Its Content-Type.
    """
    if not content:
        return {}
    text, charset = (content, "") if isinstance(content, str) else _text(content, kind)
    if text is None or _UNPRINTABLE.search(text):
        raw = content.encode() if isinstance(content, str) else content
        lines = encodebytes(raw).decode()
        return {"base64": lines if lines.count("\n") > 1 else lines.strip()}
    if not charset and ("json" in kind.lower() or text[:1] in "{["):
        data = _data(text)
        if data is not None:
            return data
    return {"text": text, "charset": charset} if charset else {"text": text}


def content_of(row: dict[str, Any]) -> bytes:
    """Return the body that entries of a file stand for.

    Raises:
        ValueError: They stand for none.
    """
    if "json" in row:
        style, newline = str(row.get("style", "compact")), ""
        if style.endswith(" newline"):
            style, newline = style.removesuffix(" newline"), "\n"
        if style not in _STYLES:
            raise ValueError(f"style {style!r} is none of {', '.join(_STYLES)}")
        return (json.dumps(row["json"], **_STYLES[style]) + newline).encode()
    if "base64" in row:
        return b64decode("".join(str(row["base64"]).split()), validate=True)
    return str(row.get("text", "")).encode(row.get("charset") or "utf-8")


def holds_text(row: dict[str, Any]) -> bool:
    """Whether entries of a file stand for text, not for bytes."""
    return "base64" not in row


def _text(content: bytes, kind: str) -> tuple[str | None, str]:
    try:
        return content.decode(), ""
    except UnicodeDecodeError:
        pass
    named = _CHARSET.search(kind)
    try:
        text = content.decode(named[1]) if named else None
        if named and text is not None and text.encode(named[1]) == content:
            return text, named[1]
    except (LookupError, UnicodeError):
        pass
    return None, ""


def _data(text: str) -> dict[str, Any] | None:
    """Return JSON as data, if one of the styles gives the same text (rule 1)."""
    if _deep(text):
        return None
    try:
        value = json.loads(text)
        bare = text.removesuffix("\n")
        for style, settings in _STYLES.items():
            if json.dumps(value, **settings) == bare:
                json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair
                style += " newline" if bare != text else ""
                return {"json": value} if style == "compact" else {"json": value, "style": style}
    except (ValueError, RecursionError):
        return None
    return None


def _deep(text: str) -> bool:
    level = 0
    for mark in re.findall(r"[\[{}\]]", text):
        level += 1 if mark in "[{" else -1
        if level > _DEEPEST:
            return True
    return False
