"""Keys of requests: equal ones, recorded or sent, have equal keys, so that they are found without comparing.

Rules:
1. The key to the letter has the query and the body as they are, but for a multipart boundary.
2. The loose key has queries and forms in any order, JSON as data, without the names that are ignored; and one mask for
   all secrets that are known by their names. Both sides are masked the same way.
3. Two requests that `conditions` finds alike may have different loose keys where a mask was found by its value, or
   where the body of one has no kind. Requests with equal keys are alike, but for what a mask hides.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from yarl import URL

from asyncapi.redact import MASK
from asyncapi.testing.cassettes import conditions
from asyncapi.testing.cassettes.masking import forms_of
from asyncapi.testing.cassettes.sweep import SHORTEST

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable

    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.cassettes.masking import Secrets
    from asyncapi.testing.mock_calls import MockCall

_NUMBERED = re.compile(r"\*{3}\d+")
_FORM = "x-www-form-urlencoded"
_SOFT = ("accept", "accept-language", "content-type", "if-none-match", "if-modified-since", "authorization")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was recorded, or that is sent.

    Attributes:
        method: The HTTP method.
        url: The absolute URL.
        handshake: Whether it asks for a WebSocket.
        range: The header `Range`.
        kind: The Content-Type of the body.
        body: The body, or what stands for a large one; None where it is not compared.
        soft: Headers that needn't be the same; the credential is the last.
        hidden: What a credential has added to it.
        filtered: As of an `Exchange`.
    """

    method: str
    url: URL
    handshake: bool
    range: str
    kind: str
    body: bytes | None
    soft: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    filtered: bool = False


def of_exchange(exchange: Exchange) -> Asked:
    """Return what an exchange was recorded for."""
    kind = exchange.first("content-type", sent=True)
    body = exchange.digest.encode() or _bounded(conditions.normal(exchange.body, kind))
    return Asked(
        exchange.method,
        URL(exchange.url, encoded=True),
        exchange.websocket,
        exchange.first("range", sent=True),
        kind,
        None if exchange.partial or exchange.websocket else body,
        tuple(conditions.normal_kind(exchange.first(name, sent=True)) for name in _SOFT),
        filtered=exchange.filtered,
    )


def of_call(call: MockCall) -> Asked:
    """Return what an attempt asks for."""
    headers = call.headers
    kind, signature = headers.get("Content-Type", ""), call.request.call.signature
    return Asked(
        call.method,
        call.url,
        call.is_handshake,
        headers.get("Range", ""),
        kind,
        None if call.is_handshake else _bounded(conditions.normal(call.content, kind)),
        tuple(conditions.normal_kind(headers.get(name, "")) for name in _SOFT),
        () if signature is None else tuple(secret for secret in signature.secrets if len(secret) >= SHORTEST),
    )


class Keys:
    """Makes the keys of one cassette's requests.

    Args:
        parts: The parts of a request that are compared.
        ignored: The names that are not.
        secrets: Masks what is known by its name, all alike.
    """

    def __init__(self, parts: Collection[str], ignored: Collection[str], secrets: Secrets) -> None:
        self._parts = parts
        self._ignored = ignored
        self._secrets = secrets

    def place(self, asked: Asked) -> Hashable:
        """Return the key of all requests with this method, host and path."""
        url = asked.url
        each = {
            "method": asked.method,
            "scheme": conditions.scheme_of(url),
            "host": (url.raw_host or "").lower(),
            "port": url.port,
            "path": conditions.path_of(url),
        }
        return (asked.handshake, *(value for part, value in each.items() if part in self._parts))

    def letter(self, asked: Asked) -> Hashable:
        """Return the key of equal requests (rule 1)."""
        query = asked.url.query_string if "query" in self._parts else ""
        return (self.place(asked), query, *self._rest(asked, asked.body))

    def loose(self, asked: Asked) -> Hashable:
        """Return the key of requests that are alike (rule 2)."""
        text = self._blind(self._secrets.swept(self._secrets.url(str(asked.url))), asked.hidden)
        url = URL(text, encoded=True)
        pairs = tuple(self._pairs(url.raw_query_string)) if "query" in self._parts else ()
        body: Any = asked.body
        if body is not None and "body" in self._parts:
            body = self._body(body, asked.kind, asked.hidden)
        place = Asked(asked.method, url, asked.handshake, "", "", None, ())
        return (self.place(place), pairs, *self._rest(asked, body))

    def _rest(self, asked: Asked, body: Any) -> tuple[Hashable, ...]:
        sent_range = asked.range if "range" in self._parts else ""
        return (sent_range, body if "body" in self._parts else None)

    def _body(self, body: bytes, kind: str, hidden: tuple[str, ...]) -> Hashable:
        """Return what is the same for bodies that are alike (rule 2)."""
        masked: bytes = self._secrets.swept(self._secrets.content(body, kind))
        try:
            text = self._blind(masked.decode(), hidden)
        except UnicodeDecodeError:
            return masked
        if _FORM in kind.lower():
            return tuple(self._pairs(text))
        if text[:1] in {"{", "["}:
            try:
                return json.dumps(_plain(json.loads(text), self._ignored), sort_keys=True)
            except (ValueError, RecursionError):
                pass
        return text

    def _pairs(self, text: str) -> list[tuple[str, str]]:
        pairs = parse_qsl(text, keep_blank_values=True)
        return sorted((name, value) for name, value in pairs if name.lower() not in self._ignored)

    @staticmethod
    def _blind(text: str, hidden: tuple[str, ...]) -> str:
        for form in sorted({form for secret in hidden for form in forms_of(secret)}, key=len, reverse=True):
            text = text.replace(form, MASK)
        return _NUMBERED.sub(MASK, text)


def is_doubtful(asked: Asked) -> bool:
    """Whether requests may be like this recorded one that have another loose key (rule 3)."""
    body = asked.body
    if asked.filtered:
        return True
    if body is None:
        return MASK in str(asked.url) or not asked.handshake
    unknown = bool(body) and (not asked.kind or (body[:1] in {b"{", b"["} and "json" not in asked.kind.lower()))
    return unknown or MASK.encode() in body or MASK in str(asked.url)


def _bounded(content: bytes) -> bytes:
    return conditions.digest(content).encode() if len(content) > conditions.LARGEST else content


def _plain(data: Any, ignored: Collection[str]) -> Any:
    """Return JSON data without the names that are ignored, and with one form of equal numbers."""
    if isinstance(data, dict):
        return {name: _plain(value, ignored) for name, value in data.items() if name.lower() not in ignored}
    if isinstance(data, list):
        return [_plain(value, ignored) for value in data]
    return int(data) if isinstance(data, float) and data.is_integer() else data
