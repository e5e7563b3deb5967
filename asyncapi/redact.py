"""What may be shown of a request: secrets in headers, query keys and URL user-info become `***`.

Used by errors, records, logs, reprs and reports. The values the user sends are never changed; only what is
written about them. Names are matched case-insensitively, by whole name or by a telling part of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from multidict import CIMultiDict
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "***"

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "x-amz-security-token"})
_SECRET_NAME = re.compile(
    r"""(?ix)
    (?: ^|[-_.] ) (?: key | apikey | sig | sid | auth | pass | pwd | jwt | code ) (?: $|[-_.] )
    | api[-_.]?key | access[-_.]?key | token | secret | passw | signature | credential | session[-_.]?id
    """
)
_NOT_SECRET = frozenset({"idempotency-key", "sec-websocket-key"})


def is_secret(name: str) -> bool:
    """Whether a header, query or form field of this name is likely to carry a credential."""
    low = name.lower()
    return low not in _NOT_SECRET and (low in _SECRET_HEADERS or _SECRET_NAME.search(low) is not None)


def redact_url(url: URL | str) -> str:
    """The URL as text, with user-info and the values of secret query keys masked."""
    try:
        parsed = URL(url) if isinstance(url, str) else url
    except ValueError:
        return re.sub(r"//[^/@]*@", f"//{MASK}@", str(url)).partition("?")[0]
    text = str(parsed)
    if parsed.raw_user is not None or parsed.raw_password is not None:
        text = re.sub(r"//[^/@]*@", f"//{MASK}@", text, count=1)
    if parsed.raw_query_string:
        head, _, rest = text.partition("?")
        query, hash_, fragment = rest.partition("#")
        text = f"{head}?{'&'.join(_redact_pairs(query.split('&')))}{hash_}{fragment}"
    return text


def _redact_pairs(pairs: Iterable[str]) -> Iterable[str]:
    for pair in pairs:
        name, equals, _ = pair.partition("=")
        yield f"{name}={MASK}" if equals and is_secret(name) else pair


def redact_headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """A copy of `headers` in which the values of secret ones are masked."""
    return CIMultiDict((name, MASK if is_secret(name) else value) for name, value in headers.items())
