"""Prepare URLs for AWS Signature Version 4, and recognise a wrong clock or outdated keys in a refusal.

AWS signs the URL as its servers rewrite it: every character but letters, digits and `-_.~` as %XX, a space as %20
(docs.aws.amazon.com, "Create a signed AWS API request", step 1). Sent in that form, the URL has one
meaning only: S3, for one, reads a `+` in a path as a space.
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
_TOLERATED = 240.0  # seconds that a clock may be off: AWS refuses at 300 (S3 at 900)
_OUTDATED = (
    b"ExpiredToken", b"InvalidToken", b"TokenRefreshRequired", b"InvalidAccessKeyId", b"InvalidClientTokenId",
    b"UnrecognizedClientException",
)  # fmt: skip


def strict_url(url: URL, *, s3: bool) -> URL:
    """Write a URL in AWS' own encoding, without user-info and fragment.

    Args:
        url: Absolute.
        s3: Whether %2F in the path is written as `/`: the keys of S3 have no segments.
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
        status: The response's.
        headers: The response's: `Date`, in whole seconds, and the `Age` if a cache has sent it.
        now: Our time, seconds since the Unix epoch, that the request was signed with.
    """
    date = headers.get("Date") if status in _REFUSED else None
    if date is None:
        return None
    try:
        behind = parsedate_to_datetime(date).timestamp() + float(headers.get("Age", 0)) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return behind if _TOLERATED < abs(behind) < inf else None


def outdated(status: int, content: bytes) -> bool:
    """Whether the keys were refused as such, so that newer keys may be accepted."""
    return status in _REFUSED and any(code in content for code in _OUTDATED)
