"""Quote a line of the user's input in an error: short, on one line, and without its secrets.

Secrets are what `asyncapi/redact.py` takes for them: user-info of URLs, values of query parameters, JSON keys and
columns whose names suggest one, and what follows `Bearer` or `Basic`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.redact import MASK, is_secret, is_secret_field, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_READ = 4000  # characters that are looked at
_SHOWN = 100  # characters that are shown
_USER_INFO = re.compile(r"//[^/?#\s\"']*@")
_PAIR = re.compile(r"([\w.%\-\[\]]+)=([^&#\s\"',;]+)")
_MEMBER = re.compile(r'"((?:[^"\\]|\\.){1,80})"(\s*:\s*)("(?:[^"\\]|\\.)*+"?|[^",{\[\]}\s]+)')
_CONTAINER = re.compile(r'"((?:[^"\\]|\\.){1,80})"\s*:\s*[\[{]')
_SCHEME = re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[^\s\"',;}&]+")


def excerpt(line: str, secrets: Iterable[str] = ()) -> str:
    """Return the beginning of a line as it can be shown.

    Args:
        line: The line, or what is left of it.
        secrets: Texts in it that must not be shown.
    """
    text = line[:_READ].strip()
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _USER_INFO.sub(f"//{MASK}@", text)
    text = _without_containers(_MEMBER.sub(_member, text))
    text = _PAIR.sub(lambda found: f"{found[1]}={MASK}" if is_secret(found[1]) else found[0], text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    return one_line(text, _SHOWN)


def _member(found: re.Match[str]) -> str:
    if not (is_secret(found[1]) or is_secret_field(found[1])):
        return found[0]
    return f'"{found[1]}"{found[2]}"{MASK}"'


def _without_containers(text: str) -> str:
    """Cut a text at the first array or object whose name suggests a secret."""
    for found in _CONTAINER.finditer(text):
        if is_secret(found[1]) or is_secret_field(found[1]):
            return text[: found.end() - 1] + MASK
    return text


def secrets_of(row: Mapping[str, object]) -> list[str]:
    """Return the values of the columns whose names suggest a secret."""
    return [str(value) for name, value in row.items() if is_secret(str(name)) and value is not None and value != ""]
