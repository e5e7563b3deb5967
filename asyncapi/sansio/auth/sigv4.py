"""What AWS Signature Version 4 needs beside its signer: URLs as AWS writes them, and whose clock is wrong.

AWS signs the URL as its servers write it anew: every character but letters, digits and `-_.~` as %XX, a space as %20
(docs.aws.amazon.com, "Create a signed AWS API request", step 1). Sent in that form, it can't be read in two ways: S3,
for one, takes a `+` in a path for a space.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from math import inf
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

_REFUSED = frozenset({400, 401, 403})
_MOST = 240.0  # seconds that a clock may be off: AWS refuses at 300 (S3 at 900)
_OUTDATED = (
    b"ExpiredToken", b"InvalidToken", b"TokenRefreshRequired", b"InvalidAccessKeyId", b"InvalidClientTokenId",
    b"UnrecognizedClientException",
)  # fmt: skip


def strict_url(url: URL, *, s3: bool) -> URL:
    """The same URL in AWS' own encoding, without user-info and fragment.

    Args:
        url: Absolute.
        s3: Whether a `/` written as %2F is one: keys of S3 are not made of segments.
    """
    path = url.raw_path.removesuffix("?")  # the mark of an empty query (`asyncapi/messages/uri.py`)
    path = _encoded(path, "/") if s3 else "/".join(_encoded(part) for part in path.split("/"))
    pairs = [pair.partition("=") for pair in url.raw_query_string.replace("+", "%20").split("&") if pair]
    query = "&".join(f"{_encoded(name)}{equals}{_encoded(value)}" for name, equals, value in pairs)
    return URL(f"{url.origin()}{path}{'?' if query else ''}{query}", encoded=True)


def _encoded(text: str, safe: str = "") -> str:
    return quote(unquote_to_bytes(text), safe=f"-_.~{safe}")


def skew(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that our clock is behind the server's, where that is why it refused; else None.

    Args:
        status: Of its answer.
        headers: Its headers: `Date`, in whole seconds, and the `Age` of what a cache has answered.
        now: Ours, seconds since the Unix epoch, as it was signed with.
    """
    date = headers.get("Date") if status in _REFUSED else None
    if date is None:
        return None
    try:
        behind = parsedate_to_datetime(date).timestamp() + float(headers.get("Age", 0)) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return behind if _MOST < abs(behind) < inf else None


def outdated(status: int, content: bytes) -> bool:
    """Whether the keys were refused as such, so that newer ones may do."""
    return status in _REFUSED and any(code in content for code in _OUTDATED)
