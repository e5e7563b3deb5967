"""Mask secrets in what is shown: headers, query and fragment keys and URL user-info become `***`.

Errors, records, logs, reprs and reports use this module. The values that the user sends are never changed, only what is
written about them. Names are matched case-insensitively, by the whole name or by a part that suggests a secret. Text
from servers becomes one line (`one_line`).
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

    from asyncapi.messages.request import Request
    from asyncapi.messages.target import Target

MASK = "***"

_LONGEST = 2000  # most characters of one text
_JOINERS = "\u200c\u200d"  # invisible characters that words and emoji are written with
_SECRET_LENGTH = 8  # characters; a shorter secret may be part of ordinary words

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token"})
_SUSPECT = r"""
    (?: ^|[-_.] ) (?: apikey | sig | sid | auth | pass | pwd | jwt | session | otp ) (?: $|[-_.] )
    | api[-_.]?key | access[-_.]?key | token | secret | passw | passphrase | signature | credential | assertion
    | sess(?:ion)?[-_.]?id | authori[sz]ation | authentication
"""
_SECRET_NAME = re.compile(rf"(?ix) (?: ^|[-_.] ) (?: key | code ) (?: $|[-_.] ) | {_SUSPECT}")
_SECRET_FIELD = re.compile(rf"(?ix) private[-_.]?key | (?: auth | device | user )[-_.]?code | {_SUSPECT}")
_USER_INFO = re.compile(r"//[^/?#]*@")
# "password": of JSON, and password: "..." of a GraphQL document
_NAMED = re.compile(r'"([^"\\]{1,80}+)"\s*+:|\b([_A-Za-z]\w{0,79}+)\s*+:\s*+"')
_NOT_SECRET = frozenset({"idempotency-key", "sec-websocket-key"})


def is_secret(name: str) -> bool:
    """Whether a header, query or form field of this name is likely to carry a credential."""
    low = name.lower()
    return low not in _NOT_SECRET and (low in _SECRET_HEADERS or _SECRET_NAME.search(low) is not None)


def is_secret_field(name: str) -> bool:
    """Whether a JSON field of this name is likely to carry a credential; `code` and `key` alone are not."""
    return _SECRET_FIELD.search(name) is not None


def _masked(_: str) -> str:
    return MASK


def redact_url(url: URL | Target | str, mask: Callable[[str], str] = _masked) -> str:
    """Write a URL as text, with user-info and the values of secret query and fragment keys masked.

    Args:
        url: Any URL.
        mask: Returns the mask of a secret; by default the same for all.
    """
    text = str(url)
    if "@" in text:
        text = _USER_INFO.sub(lambda found: f"//{mask(found[0][2:-1])}@", text, count=1)
    if "=" not in text:
        return text
    rest, hash_, fragment = text.partition("#")
    head, question, query = rest.partition("?")
    return f"{head}{question}{redact_pairs(query, mask)}{hash_}{redact_pairs(fragment, mask)}"


def redact_broken(url: str) -> str:
    """Mask secrets in text that is not a URL: whatever might be user-info is masked."""
    begin, end = url.find("//"), url.rfind("@")
    return redact_url(f"{url[: begin + 2]}{MASK}{url[end:]}" if -1 < begin < end else url)


def redact_pairs(query: str, mask: Callable[[str], str] = _masked) -> str:
    """Mask the values of secret keys in a query string or a form."""
    return "&".join(_redact_pair(pair, mask) for pair in query.split("&"))


def _redact_pair(pair: str, mask: Callable[[str], str]) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return pair
    quoted = "%22" in value or '"' in value
    secret = is_secret(unquote_plus(name)) or (quoted and _holds_secret(unquote_plus(value)))
    return f"{name}={mask(value)}" if secret else pair


def _holds_secret(text: str) -> bool:
    """Whether JSON or a GraphQL document names a field or an argument that is likely to carry a credential."""
    return any(is_secret_field(found[1] or found[2]) for found in _NAMED.finditer(text))


def redact_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Copy `headers`, with the values of secret ones masked."""
    return CIMultiDict((name, MASK if is_secret(name) else value) for name, value in headers.items())


def one_line(text: str, most: int = _LONGEST) -> str:
    """Make text from outside one line that is safe for a terminal or a log, with at most `most` characters.

    Control characters (C0, C1, DEL), marks that turn the direction of text, and whatever else can't be seen, are
    written as escapes; line breaks of every kind become blanks.
    """
    if not text.isprintable():
        text = " ".join(text[: 2 * most].split())
        text = "".join(char if char.isprintable() or char in _JOINERS else _escape(char) for char in text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def unsaid(text: str, request: Request) -> str:
    """Mask a request's secrets in text that may echo them, such as a server's message."""
    signature = request.call.signature
    secrets = set() if signature is None else set(signature.secrets)
    for name, value in request.headers.items():
        if is_secret(name):
            secrets |= {value, value.rpartition(" ")[2], *(pair.partition("=")[2] for pair in value.split(";"))}
    secrets |= {value for name, value in request.url.query.items() if is_secret(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SECRET_LENGTH and secret != MASK:
            text = text.replace(secret, MASK)
    return text


def forget_variables(error: BaseException) -> None:
    """Clear the variables of the frames in the tracebacks of an error and its causes: error trackers show them.

    Lines and names stay. Frames that still run, the caller's and those above, are not touched.
    """
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [each for each in (one.__cause__, one.__context__) if each is not None]
