"""What may be shown: secrets in headers, query and fragment keys and URL user-info become `***`, others' text one line.

Used by errors, records, logs, reprs and reports. The values the user sends are never changed; only what is
written about them. Names are matched case-insensitively, by whole name or by a telling part of it.
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

MASK = "***"

_LONGEST = 2000  # characters of one text
_JOINERS = "\u200c\u200d"  # which words and emoji are written with
_TELLING_LENGTH = 8  # characters: what is shorter stands in other words too

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token"})
_TELLING = r"""
    (?: ^|[-_.] ) (?: apikey | sig | sid | auth | pass | pwd | jwt | session | otp ) (?: $|[-_.] )
    | api[-_.]?key | access[-_.]?key | token | secret | passw | passphrase | signature | credential | assertion
    | sess(?:ion)?[-_.]?id | authori[sz]ation | authentication
"""
_SECRET_NAME = re.compile(rf"(?ix) (?: ^|[-_.] ) (?: key | code ) (?: $|[-_.] ) | {_TELLING}")
_SECRET_FIELD = re.compile(rf"(?ix) private[-_.]?key | (?: auth | device | user )[-_.]?code | {_TELLING}")
_USER_INFO = re.compile(r"//[^/?#]*@")
_NOT_SECRET = frozenset({"idempotency-key", "sec-websocket-key"})


def is_secret(name: str) -> bool:
    """Whether a header, query or form field of this name is likely to carry a credential."""
    low = name.lower()
    return low not in _NOT_SECRET and (low in _SECRET_HEADERS or _SECRET_NAME.search(low) is not None)


def is_secret_field(name: str) -> bool:
    """The same of a field of JSON. Narrower: a `code` or `key` of an answer is what programs decide by."""
    return _SECRET_FIELD.search(name) is not None


def _masked(_: str) -> str:
    return MASK


def redact_url(url: URL | str, mask: Callable[[str], str] = _masked) -> str:
    """The URL as text, with user-info and the values of secret query and fragment keys masked.

    Args:
        url: Any URL.
        mask: What stands for a secret; by default the same for all.
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
    """The same for text that is no URL: whatever might be user-info is masked."""
    begin, end = url.find("//"), url.rfind("@")
    return redact_url(f"{url[: begin + 2]}{MASK}{url[end:]}" if -1 < begin < end else url)


def redact_pairs(query: str, mask: Callable[[str], str] = _masked) -> str:
    """The same of a query string, or of a form."""
    return "&".join(_redact_pair(pair, mask) for pair in query.split("&"))


def _redact_pair(pair: str, mask: Callable[[str], str]) -> str:
    name, equals, value = pair.partition("=")
    return f"{name}={mask(value)}" if equals and is_secret(unquote_plus(name)) else pair


def redact_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """A copy of `headers` in which the values of secret ones are masked."""
    return CIMultiDict((name, MASK if is_secret(name) else value) for name, value in headers.items())


def one_line(text: str, most: int = _LONGEST) -> str:
    """Text from outside as one line that does nothing to a terminal or a log, of `most` characters at the most.

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
    """Text that may repeat what a request says, without its secrets: a peer's echo."""
    signature = request.call.signature
    secrets = set() if signature is None else set(signature.secrets)
    for name, value in request.headers.items():
        if is_secret(name):
            secrets |= {value, value.rpartition(" ")[2], *(pair.partition("=")[2] for pair in value.split(";"))}
    secrets |= {value for name, value in request.url.query.items() if is_secret(name)}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _TELLING_LENGTH and secret != MASK:
            text = text.replace(secret, MASK)
    return text


def forget_variables(error: BaseException) -> None:
    """Empty the variables of the frames that an error and its causes have left: error trackers show them.

    Lines and names stay. Frames that still run, the caller's and those above, are not touched.
    """
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen.add(id(one))
            traceback.clear_frames(one.__traceback__)
            left += [each for each in (one.__cause__, one.__context__) if each is not None]
