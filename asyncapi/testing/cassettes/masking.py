"""Mask the secrets of exchanges before they are written, so that what is written still replays.

Rules:
1. Every secret becomes `***` and a number of its own, everywhere it stands: a token of a response and the header that
   carries it later stay the same.
2. A secret is known by its name (headers, cookies, the query, forms, JSON, XML, multipart, GraphQL), because a
   credential has put it there, or because the user's patterns say so. What is known is then looked for in everything
   else: a server may echo it.
3. Only the secret is replaced: the scheme of `Authorization`, the names and attributes of cookies stay.
4. In bytes that are not text a secret is overwritten at its own length, so that lengths and offsets hold.
5. Cursors (`next_page_token`) and counts of tokens are no secrets.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, unquote_plus

from asyncapi.redact import MASK, is_secret, is_secret_field
from asyncapi.sansio.auth.trace_masks import Masks
from asyncapi.testing.cassettes.sweep import SHORTEST, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asyncapi.messages.request import Request
    from asyncapi.testing.cassettes.exchange import Fields

_CURSOR = re.compile(r"(?i)^[$]?(next|page|prev(ious)?|continuation|sync|start|resume|cursor)([-_]?page)?[-_]?token$")
_PLAIN = frozenset({"token_type", "issued_token_type", "token_endpoint"})
_ALSO = frozenset({"dpop"})
_USER_INFO = re.compile(r"(?<=//)([^/?#@\s\"]+)(?=@)")
_PAIR = re.compile(r"""([?&#]|^)([^=&#?\s"<>\\]{1,80})=([^&#\s"<>\\]+)""")
_STRING = r'((?:[^"\\]|\\.)*)'
_IN_JSON = re.compile(rf'"((?:[^"\\]|\\.){{1,200}})"(\s*:\s*)"{_STRING}(?:"|\Z)')
_LISTED = re.compile(r'"([^"\\]{1,200})"(\s*:\s*)\[((?:\s*"(?:[^"\\]|\\.)*"\s*,?)+)\]')
_NUMBER = re.compile(r'"([^"\\]{1,80})"(\s*:\s*)(\d+)(?=\s*[,}])')
_IN_TEXT = re.compile(r'(\\*"|\b)([A-Za-z][\w-]{1,79})(\\*"|)(\s*:\s*)(\\+)"(.*?)\5"')
_IN_GRAPHQL = re.compile(r'\b([_A-Za-z]\w{0,79})(\s*:\s*)"([^"\\]*)"')
_IN_XML = re.compile(r"(<(?:\w+:)?([\w-]{1,80})(?:\s[^<>]*)?>)([^<>]+)(?=</)")
_PART = re.compile(r'(name="([^"\r\n]{1,80})"[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n)(.*?)(?=\r\n--)', re.DOTALL)
_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(-----END)", re.DOTALL)
_STRONG = re.compile(r"(?i)passw|secret|api[-_]?key|credential|passphrase")
_NUMERIC = re.compile(r"(?i)passw|passcode|(^|[-_])(otp|pin)($|[-_])")
_MASKED = re.compile(r"\*{3}\d*")
_LONG, _WORDLIKE = 8, 20  # characters


class Secrets:
    """The secrets of one cassette.

    Args:
        mask: What else is secret: a name of a header, a parameter or a field; a pattern, whose groups are masked, or
            all of it where it has none; a function that takes text and returns it masked.
        keep: Names that are no secrets, whatever they sound like.
        taken: The highest number of a mask that the file has.
        alike: Whether all masks are the same, to compare; nothing that was masked is looked for elsewhere then.
    """

    def __init__(self, mask: Any = (), keep: Iterable[str] = (), taken: int = 0, *, alike: bool = False) -> None:
        mask = [mask] if isinstance(mask, str | re.Pattern) or callable(mask) else list(mask)
        self._names = {each.lower() for each in mask if isinstance(each, str)}
        self._patterns = [each for each in mask if isinstance(each, re.Pattern)]
        self._functions: list[Callable[[str], str]] = [each for each in mask if callable(each)]
        self._keep = {each.lower() for each in keep}
        self._alike = alike
        self._masks = _Alike() if alike else Masks(taken)
        self._known: set[str] = set()
        self._sweep = Sweep()
        self._seen = (0, 0)  # how many known and masked ones it looks for

    def learn(self, request: Request) -> None:
        """Take in what a credential has added to an attempt (rule 2)."""
        signature = request.call.signature
        if signature is not None:
            self._known |= {secret for secret in signature.secrets if len(secret) >= SHORTEST}

    # --- parts of a message ------------------------------------------------------------------------------------------

    def url(self, url: str) -> str:
        """Mask a URL."""
        url = _USER_INFO.sub(lambda found: self._masks(found[1]), url, count=1)
        return self._pairs(url)

    def fields(self, fields: Fields) -> Fields:
        """Mask header fields."""
        return [(name, self._field(name, value)) for name, value in fields]

    def text(self, text: str, kind: str = "") -> str:
        """Mask the secrets that stand in a text by their names."""
        kind = kind.lower()
        if "x-www-form-urlencoded" in kind:
            return self._pairs(text)
        if kind.startswith("multipart/"):
            text = _PART.sub(lambda found: f"{found[1]}{self._named(found[2], found[3])}", text)
        text = _IN_JSON.sub(self._in_json, text)
        text = _LISTED.sub(self._listed, text)
        text = _NUMBER.sub(lambda found: f'"{found[1]}"{found[2]}0' if _NUMERIC.search(found[1]) else found[0], text)
        text = _IN_TEXT.sub(self._in_text, text)
        if "graphql" in kind:
            text = _IN_GRAPHQL.sub(lambda found: f'{found[1]}{found[2]}"{self._named(found[1], found[3])}"', text)
        if "<" in text:
            text = _IN_XML.sub(lambda found: f"{found[1]}{self._named(found[2], found[3])}", text)
        text = _KEY.sub(lambda found: f"{found[1]}{self._masks(found[2])}{found[3]}", text)
        if "://" in text:
            text = re.sub(r"""https?:[^\s"'<>\\]+""", lambda found: self.url(found[0]), text)
        return text

    def content(self, content: bytes, kind: str = "") -> bytes:
        """Mask the secrets that stand in a body by their names; bytes that are no text stay."""
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return content
        masked = self.text(text, kind)
        return content if masked == text else masked.encode()

    def swept(self, data: Any) -> Any:
        """Mask what is known to be secret, wherever it stands in text (rule 2) or bytes (rule 4)."""
        if isinstance(data, bytes):
            try:
                return self.swept(data.decode()).encode()
            except UnicodeDecodeError:
                return self._overwritten(data)
        for pattern in self._patterns:
            data = pattern.sub(self._groups, data)
        for function in self._functions:
            data = function(data)
        return self._swept().replaced(data, self._again)

    # --- how each is masked ------------------------------------------------------------------------------------------

    def _is_secret(self, name: str, *, field: bool = False) -> bool:
        low = name.lower()
        if low in self._names:
            return True
        if low in self._keep or low in _PLAIN or _CURSOR.match(low):
            return False
        return is_secret_field(name) if field else is_secret(name) or low in _ALSO

    def _named(self, name: str, value: str, *, field: bool = True) -> str:
        return self._one(value) if value and self._is_secret(name, field=field) else value

    def _one(self, value: str) -> str:
        """Mask a value; of "Bearer abc", what follows the scheme."""
        scheme, blank, rest = value.partition(" ")
        if blank and scheme.lower() in {"bearer", "basic", "token", "digest", "dpop", "apikey"} and rest:
            if scheme.lower() == "basic" and not self._alike:
                self._known |= _basic(rest)
            return f"{scheme} {self._masks(rest)}"
        return self._masks(value)

    def _field(self, name: str, value: str) -> str:
        low = name.lower()
        if low == "cookie":
            return "; ".join(self._cookie(pair) for pair in value.split("; "))
        if low == "set-cookie":
            pair, semicolon, rest = value.partition(";")
            return f"{self._cookie(pair)}{semicolon}{rest}"
        if self._is_secret(name):
            scheme, blank, rest = value.partition(" ")
            if blank and low in {"authorization", "proxy-authorization"} and "=" not in scheme:
                if scheme.lower() == "basic":
                    self._known |= _basic(rest)
                return f"{scheme} {self._masks(rest)}"
            return self._one(value)
        return self.url(value) if "=" in value and ("://" in value or value[:1] in "/?<") else value

    def _cookie(self, pair: str) -> str:
        name, equals, value = pair.partition("=")
        return f"{name}={self._masks(value)}" if equals and value and name.strip().lower() not in self._keep else pair

    def _pairs(self, text: str) -> str:
        def masked(found: re.Match[str]) -> str:
            before, name, value = found.groups()
            plain = unquote_plus(name)
            if not self._is_secret(plain):
                inner = unquote_plus(value)
                safe = self.text(inner) if '"' in inner else inner
                return f"{before}{name}={quote_plus(safe, safe='*')}" if safe != inner else found[0]
            shown = self._masks(unquote_plus(value) if "%" in value else value)
            return f"{before}{name}={shown}"

        return _PAIR.sub(masked, text)

    def _in_json(self, found: re.Match[str]) -> str:
        name, colon, value = found.groups()
        if not value or not self._is_secret(name, field=True):
            return found[0]
        return f'"{name}"{colon}"{self._one(_unescaped(value))}"'

    def _listed(self, found: re.Match[str]) -> str:
        name, colon, values = found.groups()
        if not (name.lower() in self._names or (self._is_secret(name, field=True) and _STRONG.search(name))):
            return found[0]
        masked = re.sub(rf'"{_STRING}"', lambda one: f'"{self._masks(_unescaped(one[1]))}"', values)
        return f'"{name}"{colon}[{masked}]'

    def _in_text(self, found: re.Match[str]) -> str:
        """Mask a field of JSON, or an argument of GraphQL, that stands in a string of JSON."""
        quoted, name, unquoted, colon, slashes, value = found.groups()
        if not value or not self._is_secret(name, field=True):
            return found[0]
        return f'{quoted}{name}{unquoted}{colon}{slashes}"{self._one(value)}{slashes}"'

    def _groups(self, found: re.Match[str]) -> str:
        if not found.re.groups:
            return self._masks(found[0])
        text, at = "", found.start()
        for group in range(1, found.re.groups + 1):
            if found[group] and found.start(group) >= at:
                text += found.string[at : found.start(group)] + self._masks(found[group])
                at = found.end(group)
        return text + found.string[at : found.end()]

    # --- what is known -----------------------------------------------------------------------------------------------

    def _swept(self) -> Sweep:
        """Return what looks for all that is known by now."""
        masked = list(islice(self._masks.secrets, self._seen[1], None))
        if masked or len(self._known) != self._seen[0]:
            found = self._known | {secret for secret in masked if _random(secret)}
            self._sweep.add(form for secret in found if not _MASKED.fullmatch(secret) for form in forms_of(secret))
            self._seen = len(self._known), len(self._masks.secrets)
        return self._sweep

    def _again(self, text: str) -> str:
        """The mask of a known secret, in whichever form it stands."""
        for secret in (text, unquote_plus(text), _unescaped(text)):
            if secret in self._masks.secrets:
                return self._masks(secret)
        return self._masks(text)

    def _overwritten(self, data: bytes) -> bytes:
        text = data.decode("latin-1")
        return self._swept().replaced(text, lambda found: "*" * len(found)).encode("latin-1")


class _Alike(Masks):
    """One mask for all secrets, none of which is kept."""

    def __call__(self, secret: str) -> str:  # noqa: ARG002
        return MASK


def highest(text: str) -> int:
    """Return the highest number of a mask in a text; 0 where there is none."""
    return max((int(found[3:]) for found in re.findall(re.escape(MASK) + r"\d{1,9}", text)), default=0)


def _random(secret: str) -> bool:
    """Whether a value is none that occurs in other text by chance."""
    if any(char.isspace() for char in secret):
        return False
    mixed = any(char.isdigit() for char in secret) and any(char.isalpha() for char in secret)
    return len(secret) >= _WORDLIKE or (mixed and len(secret) >= SHORTEST) or _odd(secret)


def _odd(secret: str) -> bool:
    return len(secret) >= _LONG and not secret.isdigit() and re.fullmatch(r"[\w/]+", secret) is None


def forms_of(secret: str) -> set[str]:
    """Return the forms in which a secret may stand in text."""
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1]}


def _basic(value: str) -> set[str]:
    """Return the password of Basic credentials, and them as a whole (RFC 7617)."""
    try:
        pair = b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return set()
    return {each for each in (pair, pair.partition(":")[2]) if len(each) >= SHORTEST}


def _unescaped(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"')) if "\\" in value else value
    except ValueError:
        return value
