"""Read why an authorization server has refused a request, in whatever form it says so.

    {"error": "invalid_grant", "error_description": "..."}      RFC 6749 section 5.2
    {"error": {"code": 191, "message": "..."}}                  Google, Facebook, Azure: an object
    {"message": ...}  {"errors": [{"message": ...}]}  [{"message": ...}]  {"fault": {"faultstring": ...}} ...
    error=...&error_description=...                             a form
    text, HTML, XML                                             the text that a person would see

The text is for people: one line, no control characters, nothing that looks like a token, at most 200 characters.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from asyncapi.redact import MASK, is_secret_field

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 200  # characters
_PARSED = 2**20  # bytes
_READ = 8192  # bytes of a body that is not JSON
_MOST_FIELDS = 100  # of a form
_DEEPEST = 4  # objects within objects
_MOST = 50  # values that are looked at
_CODES = ("error", "errorcode", "error_code", "code", "status", "type")
_TEXTS = (
    "error_description", "errordescription", "message", "error_message", "errormessage", "msg", "detail", "details",
    "description", "error_msg", "faultstring", "errorsummary", "reason", "title", "error_reason", "error_detail",
)  # fmt: skip
_WITHIN = ("error", "errors", "fault", "detail", "details", "errorcauses", "response", "data")
_FORM = re.compile(rb"[!-~]+")
_HEAD_OF_PAGE = re.compile(r"<(?:script|style)\b[^>]{0,500}>[^<]{0,8192}", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,1000}>")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*")
_PAIR = re.compile(r"""([A-Za-z][A-Za-z0-9_-]{0,60})(["']?\s?[=:]\s?["']?)([^\s"'&,;<>{}]{6,})""")


class Refusal(NamedTuple):
    """The reason of a refusal.

    Attributes:
        error: The code, such as `invalid_grant`, or "".
        text: The text for people, or "".
    """

    error: str
    text: str

    def before(self) -> str:
        """The reason as it follows a status: " invalid_grant: expired"."""
        code = shown(self.error)
        if not code:
            return self.after()
        return f" {code}: {self.text}" if self.text else f" {code}"

    def after(self) -> str:
        """The reason as it follows words of ours: ": invalid_grant: expired"."""
        reason = ": ".join(part for part in (shown(self.error), self.text) if part)
        return f": {reason}" if reason else ""

    def quoted(self) -> str:
        """The reason as a quotation: " It says: ..."."""
        reason = self.after()[2:]
        return f" It says: {reason}" if reason else ""


def parse(content: bytes) -> Any:
    """Parse a body: JSON, or else the fields of a form, or else None."""
    if len(content) > _PARSED:
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        pass
    text = content.strip()
    if b"=" not in text or not _FORM.fullmatch(text) or text.startswith(b"<"):
        return None
    try:
        fields = parse_qsl(text.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return dict(fields) if any(name in {"error", "access_token", "error_description"} for name, _ in fields) else None


def read_refusal(content: bytes, *, any_text: bool = True) -> Refusal:
    """Read the reason in the response to a refused request.

    Args:
        content: The body, without the secrets that were sent.
        any_text: Whether text under any other name counts as well.
    """
    parsed = parse(content)
    if isinstance(parsed, dict | list):
        objects = list(_objects(parsed, 0))
        error = next((code for fields in objects if (code := _named(fields, _CODES))), "")
        texts = dict.fromkeys(text for fields in objects if (text := _named(fields, _TEXTS)) and text != error)
        text = shown("; ".join(list(texts)[:3]))
        if error or text or not any_text:
            return Refusal(error, text)
        return Refusal("", shown("; ".join(_leaves(parsed, 0))))
    if not any_text:
        return Refusal("", "")
    if isinstance(parsed, str):
        return Refusal("", shown(parsed))
    return Refusal("", shown(_readable(content[:_READ].decode("utf-8", "replace"))))


def shown(text: str) -> str:
    """A server's text as one short line: no control characters, nothing that looks like a token."""
    text = "".join(character if character.isprintable() else " " for character in text[: 4 * _SHOWN])
    text = _PAIR.sub(_without_secret, _JWT.sub(MASK, " ".join(text.split())))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _without_secret(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}{MASK}" if is_secret_field(pair[1]) else pair[0]


def _objects(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The objects that may have the reason, from the outside in, with lower-case names."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for element in value[:3]:
            yield from _objects(element, depth + 1)
    elif isinstance(value, dict):
        low = {str(name).lower(): each for name, each in list(value.items())[:_MOST]}
        yield low
        for name in _WITHIN:
            if isinstance(low.get(name), dict | list):
                yield from _objects(low[name], depth + 1)
    elif isinstance(value, str) and depth:  # "errors": ["..."]
        yield {"message": value}


def _named(fields: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first text, or number, under one of these names."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**9 else ""
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _leaves(value: Any, depth: int) -> list[str]:
    """All text in a value, except under the names of secrets."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [text for each in value[:_MOST] for text in _leaves(each, depth + 1)]
    if isinstance(value, dict):
        pairs = list(value.items())[:_MOST]
        return [text for name, each in pairs if not is_secret_field(str(name)) for text in _leaves(each, depth + 1)]
    return []


def _readable(text: str) -> str:
    """The text of a page that a person would see."""
    if "<" not in text:
        return text
    return _TAG.sub(" ", _HEAD_OF_PAGE.sub(" ", text))
