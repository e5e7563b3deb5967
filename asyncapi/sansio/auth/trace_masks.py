"""Mask the secrets of a trace, so that equal ones stay equal.

Every secret becomes `***` and a number of its own, so that two users stay two users in a trace, and one stays one.
Secrets are recognised by their names, as everywhere (`asyncapi.redact`): headers, user-info, the keys of queries and
forms, and, by a narrower list, the keys of JSON: predicates on results decide by a `code`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.redact import MASK, is_secret, is_secret_field, redact_pairs, redact_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from yarl import URL

_REPEATS_A_URL = frozenset({"location", "content-location", "link", "refresh", "referer"})
_NO_SECRET = frozenset({"token_type", "issued_token_type", "token_endpoint"})  # RFC 6749, 8693, 8414
_MASK = re.compile(r"\*{3}\d*")
_TEXT_IN_JSON = re.compile(r'"((?:[^"\\]|\\.){1,200})"(\s*:\s*)"((?:[^"\\]|\\.)*)(?:"|\Z)')


class Masks:
    """The masks of one trace, or one cassette.

    Args:
        taken: How many numbers are taken already.

    Attributes:
        secrets: Each secret with its mask.
    """

    def __init__(self, taken: int = 0) -> None:
        self.secrets: dict[str, str] = {}
        self._taken = taken

    def __call__(self, secret: str) -> str:
        """The mask of this secret; of a mask, itself."""
        if _MASK.fullmatch(secret):
            return secret
        return self.secrets.setdefault(secret, f"{MASK}{self._taken + len(self.secrets) + 1}")

    def url(self, url: URL | str) -> str:
        """A URL as text without its secrets."""
        return redact_url(url, self)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Headers without their secrets."""
        return {name: self._header(name, value) for name, value in headers.items()}

    def body(self, content: bytes, kind: str) -> str:
        """A body, or its beginning, as text (Latin-1) without its secrets.

        Args:
            content: The bytes.
            kind: Their Content-Type.
        """
        text = content.decode("latin-1")
        if kind.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
            return redact_pairs(text, self)
        return _TEXT_IN_JSON.sub(self._pair, text)

    def _header(self, name: str, value: str) -> str:
        if is_secret(name):
            return self(value)
        return self.url(value) if name.lower() in _REPEATS_A_URL else value

    def _pair(self, found: re.Match[str]) -> str:
        name, colon, value = found.groups()
        return f'"{name}"{colon}"{self(value)}"' if is_secret_field(name) and name not in _NO_SECRET else found[0]
