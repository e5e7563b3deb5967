"""What a recorded exchange asks of an attempt that it replays for.

Rules:
1. By default: the method, the host (with scheme and port), the path, the query in any order, the body, and `Range`.
   Other headers are not compared: keys of idempotency, dates, traces and credentials change with every run.
2. JSON is compared as data, a form as its fields in any order, a multipart body whatever its boundary is.
3. A mask stands for any secret. Where several exchanges fit, one that fits to the letter goes first, then the oldest.
4. Names that are ignored are left out of the query, of forms and of JSON, at any depth; of what others have recorded
   and filtered, what is named like a secret, too.
"""

from __future__ import annotations

import json
import re
from functools import cache, lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from yarl import URL

from asyncapi.redact import MASK, is_secret, is_secret_field, redact_url
from asyncapi.testing.matching import Condition, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.mock_calls import MockCall

PARTS = ("method", "scheme", "host", "port", "path", "query", "body", "range")
IGNORED = frozenset({"idempotency_key", "idempotencykey", "x-amz-date"})  # as names are compared: in lower case
LARGEST = 1 << 20  # bytes of a request's body that are kept; of a larger one, its digest
_MASK = re.compile(r"\*{3}\d*")
_BOUNDARY = re.compile(r"""(?i)boundary=("?)([^";,\s]+)\1""")
_SOFT = ("accept", "accept-language", "content-type", "if-none-match", "if-modified-since", "authorization")


def conditions_of(exchange: Exchange, parts: Collection[str], ignored: Collection[str]) -> list[Condition]:
    """Return what an exchange asks (rule 1)."""
    url = URL(exchange.url, encoded=True)
    if exchange.filtered:
        ignored = _AlsoSecrets(ignored)
    found = []
    if "method" in parts:
        found.append(_same("method", exchange.method, lambda call: call.method))
    if "scheme" in parts:
        found.append(_same("host", f"{scheme_of(url)}://", lambda call: f"{scheme_of(call.url)}://"))
    if "host" in parts:
        found.append(_same("host", (url.raw_host or "").lower(), lambda call: (call.url.raw_host or "").lower()))
    if "port" in parts:
        found.append(_same("host", f":{url.port}", lambda call: f":{call.url.port}"))
    if "path" in parts:
        found.append(_same("path", path_of(url), lambda call: path_of(call.url)))
    if "query" in parts:
        found.append(_query_is(url, ignored))
    if "range" in parts:
        found.append(_range_is(exchange))
    if "body" in parts and not exchange.partial and not exchange.websocket:
        found.append(_body_is(exchange, ignored))
    return found


class _AlsoSecrets(frozenset[str]):
    """Names that are not compared: some, and all that are named like a secret."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or is_secret(str(name))


def likeness(exchange: Exchange, call: MockCall) -> tuple[bool, int]:
    """Return how well an exchange fits that meets its conditions (rule 3)."""
    url, body = URL(exchange.url, encoded=True), normal(exchange.body, exchange.first("content-type", sent=True))
    sent = normal(call.content, call.headers.get("Content-Type", ""))
    exact = url.query_string == call.url.query_string and url.path == call.url.path and (body == sent or not body)
    return exact, sum(exchange.first(name, sent=True) == call.headers.get(name, "") for name in _SOFT)


def same(recorded: Any, sent: Any) -> bool:
    """Whether a recorded value stands for one that was sent (rule 3)."""
    if isinstance(recorded, str) and MASK in recorded:
        if recorded == sent or not isinstance(sent, str):
            return recorded == sent or _MASK.fullmatch(recorded) is not None
        return _pattern(recorded).fullmatch(sent) is not None
    return bool(recorded == sent)


def same_bytes(recorded: bytes, sent: bytes) -> bool:
    """Whether recorded bytes stand for those that were sent: secrets in them were overwritten with `*`."""
    if recorded == sent:
        return True
    try:
        return same(recorded.decode(), sent.decode())
    except UnicodeDecodeError:
        pairs = zip(recorded, sent, strict=False)
        return len(recorded) == len(sent) and b"****" in recorded and all(a in {b, ord("*")} for a, b in pairs)


def normal(content: bytes, kind: str) -> bytes:
    """Return a body with a boundary that is always the same (rule 2)."""
    named = _BOUNDARY.search(kind)
    return content.replace(named[2].encode(), b"boundary") if named else content


def normal_kind(kind: str) -> str:
    """Return a Content-Type with that boundary."""
    return _BOUNDARY.sub("boundary=boundary", kind)


def digest(content: bytes) -> str:
    """Return what stands for a body that is too large to be kept."""
    return f"sha256:{sha256(content).hexdigest()} of {len(content)} bytes"


def unlike(recorded: Any, sent: Any, ignored: Collection[str], place: str = "$") -> str:
    """Return where JSON that was sent differs from what was recorded, or ""."""
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for key in [*recorded, *(key for key in sent if key not in recorded)]:
            if key.lower() in ignored:
                continue
            if key not in sent:
                return f"{place}.{key} is missing"
            if key not in recorded:
                return f"{place}.{key} was not there"
            if text := unlike(recorded[key], sent[key], ignored, f"{place}.{key}"):
                return text
        return ""
    if isinstance(recorded, list) and isinstance(sent, list):
        if len(recorded) != len(sent):
            return f"{place} has {len(sent)} elements, not {len(recorded)}"
        pairs = enumerate(zip(recorded, sent, strict=True))
        return next((text for at, (a, b) in pairs if (text := unlike(a, b, ignored, f"{place}[{at}]"))), "")
    return _unlike_values(recorded, sent, place)


def _unlike_values(recorded: Any, sent: Any, place: str) -> str:
    alike = type(recorded) is type(sent) or (not isinstance(recorded, bool) and not isinstance(sent, bool))
    if alike and same(recorded, sent):
        return ""
    if is_secret_field(place.rpartition(".")[2]):
        return f"{place} differs (it is named like a secret, and not shown)"
    return f"{place} is {shown(sent)}, not {shown(recorded)}"


def _same(part: str, recorded: str, of: Callable[[MockCall], str]) -> Condition:
    def difference(call: MockCall) -> str:
        sent = of(call)
        if same(recorded, sent):
            return ""
        what = "port" if recorded[:1] == ":" else "scheme" if recorded.endswith("://") else part
        return f"the {what} is {redact_url(sent.strip(':'))}, not {recorded.strip(':')}"

    return Condition(part, recorded, difference)


def scheme_of(url: URL) -> str:
    """Return the scheme: that of HTTP for a WebSocket, too."""
    return {"ws": "http", "wss": "https"}.get(url.scheme, url.scheme)


def path_of(url: URL) -> str:
    """Return the path, each segment decoded."""
    return "/".join(unquote(segment).replace("/", "%2F") for segment in (url.raw_path or "/").split("/"))


def _query_is(url: URL, ignored: Collection[str]) -> Condition:
    def pairs(url: URL) -> list[tuple[str, str]]:
        found = parse_qsl(url.raw_query_string, keep_blank_values=True)
        return [(name, value) for name, value in found if name.lower() not in ignored]

    recorded = pairs(url)

    def difference(call: MockCall) -> str:
        return _unlike_pairs(recorded, pairs(call.url), "query parameter")

    return Condition("query", str(recorded), difference)


def _unlike_pairs(recorded: list[tuple[str, str]], sent: list[tuple[str, str]], what: str) -> str:
    left = list(sent)
    for name, value in recorded:
        found = next((pair for pair in left if pair == (name, value)), None) or next(
            (pair for pair in left if pair[0] == name and same(value, pair[1])), None
        )
        if found is None:
            given = [pair[1] for pair in left if pair[0] == name]
            safe = MASK if MASK in value else shown(given[0]) if given else ""
            return f"{what} {name} is {safe}, not {shown(value)}" if given else f"{what} {name} is missing"
        left.remove(found)
    return f"{what} {left[0][0]} was not there" if left else ""


def _range_is(exchange: Exchange) -> Condition:
    recorded = exchange.first("range", sent=True)

    def difference(call: MockCall) -> str:
        sent = call.headers.get("Range", "")
        return "" if sent == recorded else f"the header Range is {sent or 'missing'}, not {recorded or 'missing'}"

    return Condition("headers", f"Range={recorded}", difference)


def _body_is(exchange: Exchange, ignored: Collection[str]) -> Condition:
    kind = exchange.first("content-type", sent=True)
    recorded = normal(exchange.body, kind)

    def difference(call: MockCall) -> str:
        sent_kind = call.headers.get("Content-Type", kind)
        sent = normal(call.content, sent_kind)
        if exchange.digest:
            return "" if digest(sent) == exchange.digest else f"the body is {digest(sent)}, not {exchange.digest}"
        if sent == recorded:
            return ""
        form = "x-www-form-urlencoded" in sent_kind.lower()
        if form and ("x-www-form-urlencoded" in kind.lower() or (exchange.filtered and not kind and b"=" in recorded)):
            fields = (_form(recorded, ignored), _form(sent, ignored))
            return _unlike_pairs(*fields, "form field")
        if form and recorded[:1] in {b"{", b"["} and "json" not in kind.lower():  # as vcrpy notes a form
            noted = [(name, value) for name, value in _noted_form(recorded) if name.lower() not in ignored]
            return _unlike_pairs(noted, _form(sent, ignored), "form field")
        if recorded[:1] in {b"{", b"["} and sent[:1] in {b"{", b"["}:
            try:
                text = unlike(_parsed(recorded), _parsed(sent), ignored)
            except ValueError:
                pass
            else:
                return f"in the JSON body, {text}" if text else ""
        if same_bytes(recorded, sent):
            return ""
        return f"the body is {_shown(sent)}, not {_shown(recorded)}"

    return Condition("body", "body", difference)


def _form(content: bytes, ignored: Collection[str]) -> list[tuple[str, str]]:
    pairs = parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)
    return [(name, value) for name, value in pairs if name.lower() not in ignored]


def _noted_form(content: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form that stand as JSON: an object, or a list of pairs."""
    try:
        data = _parsed(content)
        pairs = data.items() if isinstance(data, dict) else [(name, value) for name, value in data]
        lists = [(str(name), value if isinstance(value, list) else [value]) for name, value in pairs]
    except (ValueError, TypeError):
        return []
    return [(name, str(value)) for name, values in lists for value in values]


def _shown(content: bytes) -> str:
    try:
        return shown(content.decode()) if content else "empty"
    except UnicodeDecodeError:
        return f"{len(content)} bytes"


@lru_cache(maxsize=1024)
def _parsed(content: bytes) -> Any:
    return json.loads(content)


@cache
def _pattern(recorded: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in _MASK.split(recorded)), re.DOTALL)
