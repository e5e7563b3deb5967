"""What an authorization server says of its refusal, in whatever shape it says it.

    {"error": "invalid_grant", "error_description": "..."}      RFC 6749 section 5.2
    {"error": {"code": 191, "message": "..."}}                  Google, Facebook, Azure: an object
    {"message": ...}  {"errors": [{"message": ...}]}  [{"message": ...}]  {"fault": {"faultstring": ...}} ...
    error=...&error_description=...                             a form
    text, HTML, XML                                             what a person would read of it

It is shown to people: one line, no control characters, nothing that looks like a token, at most 200 characters.
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
_READ = 8192  # bytes of a body that is no JSON
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
    """What was said.

    Attributes:
        error: The code, as `invalid_grant`, or "".
        text: What a person is told of it, or "".
    """

    error: str
    text: str

    def before(self) -> str:
        """Behind a status: " invalid_grant: expired"."""
        code = shown(self.error)
        if not code:
            return self.after()
        return f" {code}: {self.text}" if self.text else f" {code}"

    def after(self) -> str:
        """Behind words of ours: ": invalid_grant: expired"."""
        told = ": ".join(part for part in (shown(self.error), self.text) if part)
        return f": {told}" if told else ""

    def quoted(self) -> str:
        """The same, as somebody else's words."""
        told = self.after()[2:]
        return f" It says: {told}" if told else ""


def parse(content: bytes) -> Any:
    """What a body holds: JSON, or else the fields of a form, or else None."""
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
    """What an answer says of why it is no success.

    Args:
        content: The body, without the secrets that were sent.
        any_text: Whether text under no telling name is taken as well.
    """
    given = parse(content)
    if isinstance(given, dict | list):
        found = list(_objects(given, 0))
        error = next((code for each in found if (code := _named(each, _CODES))), "")
        texts = dict.fromkeys(text for each in found if (text := _named(each, _TEXTS)) and text != error)
        text = shown("; ".join(list(texts)[:3]))
        if error or text or not any_text:
            return Refusal(error, text)
        return Refusal("", shown("; ".join(_leaves(given, 0))))
    if not any_text:
        return Refusal("", "")
    if isinstance(given, str):
        return Refusal("", shown(given))
    return Refusal("", shown(_readable(content[:_READ].decode("utf-8", "replace"))))


def shown(text: str) -> str:
    """Text of a server as one short line: no control characters, nothing that looks like a token."""
    text = "".join(each if each.isprintable() else " " for each in text[: 4 * _SHOWN])
    text = _PAIR.sub(_without_secret, _JWT.sub(MASK, " ".join(text.split())))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _without_secret(pair: re.Match[str]) -> str:
    return f"{pair[1]}{pair[2]}{MASK}" if is_secret_field(pair[1]) else pair[0]


def _objects(given: Any, depth: int) -> Iterator[dict[str, Any]]:
    """The objects that may say why, from the outside in."""
    if depth > _DEEPEST:
        return
    if isinstance(given, list):
        for each in given[:3]:
            yield from _objects(each, depth + 1)
    elif isinstance(given, dict):
        low = {str(name).lower(): value for name, value in list(given.items())[:_MOST]}
        yield low
        for name in _WITHIN:
            if isinstance(low.get(name), dict | list):
                yield from _objects(low[name], depth + 1)
    elif isinstance(given, str) and depth:  # "errors": ["..."]
        yield {"message": given}


def _named(given: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first text, or number, under one of these names."""
    for name in names:
        value = given.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value) if abs(value) < 10**9 else ""
        if isinstance(value, str) and value.strip():
            return value
    return ""


def _leaves(given: Any, depth: int) -> list[str]:
    """All text in it that has no secret's name."""
    if depth > _DEEPEST:
        return []
    if isinstance(given, str):
        return [given]
    if isinstance(given, list):
        return [text for each in given[:_MOST] for text in _leaves(each, depth + 1)]
    if isinstance(given, dict):
        pairs = list(given.items())[:_MOST]
        return [text for name, each in pairs if not is_secret_field(str(name)) for text in _leaves(each, depth + 1)]
    return []


def _readable(text: str) -> str:
    """What a person would read of a page."""
    if "<" not in text:
        return text
    return _TAG.sub(" ", _HEAD_OF_PAGE.sub(" ", text))
