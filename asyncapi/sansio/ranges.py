"""Going on with a download that broke off: by which validator, and whether an answer is the rest (RFC 9110).

If-Range (section 13.1.5) takes a strong ETag, or a Last-Modified that is strong: a minute older than the Date of the
same answer (section 8.8.2.2), so that no second change can hide in it.
"""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_STRONG_AFTER = 60  # seconds


def validator(headers: Mapping[str, str]) -> str | None:
    """What If-Range may say of this answer, or None if nothing is sure enough, or the server gives no ranges."""
    if headers.get("Accept-Ranges", "bytes").lower() == "none" or "Content-Encoding" in headers:
        return None
    tag = headers.get("ETag", "")
    if tag.startswith('"'):
        return tag
    changed = headers.get("Last-Modified")
    if changed is None or tag:
        return None
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(changed)
    except (TypeError, ValueError):
        return None
    return changed if age.total_seconds() >= _STRONG_AFTER else None


def goes_on(status: int, headers: Mapping[str, str], at: int) -> bool:
    """Whether an answer is the rest, from byte `at`."""
    found = _RANGE.fullmatch(headers.get("Content-Range", "").strip())
    return status == 206 and found is not None and int(found[1]) == at  # noqa: PLR2004 - Partial Content
