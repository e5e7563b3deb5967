"""Parts of responses: ranges of what is stored, and parts that are stored and joined (RFC 9111 sections 3.3, 3.4).

1. A request for one range of bytes is served from a fresh whole response, or from a fresh part that has all of it. A
   compressed body is not cut: ranges count other bytes than those that are stored.
2. A part (206) is stored for the very range that was asked for; the same request gets it as it came. Other ranges are
   cut from it only where its Content-Range is right about its length, and says how long the whole is.
3. Parts are joined only where they have the same strong ETag (section 3.4). What makes up the whole is a 200.
4. A part that begins at 0 is completed by a request for the rest, on condition that it is still the same (If-Range).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from asyncapi.sansio.http import ranges
from asyncapi.sansio.http.caching import made, permitted
from asyncapi.sansio.http.fields import lines
from asyncapi.sansio.http.stored_response import choose
from asyncapi.sansio.http.validation import fields_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import CIMultiDict

    from asyncapi.sansio.http.stored_response import Fetched, Record, Stored

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)
_FOR_OTHERS = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since")
_OK, _PARTIAL = 200, 206


def asked(headers: Mapping[str, str]) -> str | None:
    """The one range of bytes that a request asks for, without other conditions than If-Range; None if it doesn't."""
    found = lines(headers, "Range")
    if len(found) != 1 or not (match := _RANGE.fullmatch(found[0].strip())) or not (match[1] or match[2]):
        return None
    return None if any(name in headers for name in _FOR_OTHERS) else found[0].strip()


def store(
    headers: Mapping[str, str], content: bytes, fetched: Fetched, *, version: str, identity: str
) -> Stored | None:
    """Make a stored part of a 206, or None where it may not be stored, or would be of no use (rule 2)."""
    text = asked(fetched.request)
    if text is None or "Content-Range" not in headers or not permitted(_PARTIAL, headers):
        return None
    new = made(_PARTIAL, headers, content, fetched, version=version, identity=identity)
    if new.fresh_for <= 0 and _tag(new) is None:
        return None
    return new._replace(varies=(*new.varies, "range", text))


def choose_part(parts: Iterable[Record], identity: str, request: Mapping[str, str]) -> list[Stored]:
    """The parts that may be used for a request, the one that came for the same range first."""
    parts = list(parts)
    exact = choose(parts, identity, request)
    others = (choose([_of_any_range(part)], identity, request) for part in parts)
    return [part for part in (exact, *others) if part is not None]


def _of_any_range(part: Record) -> Record:
    return (part[0], part[1][:-2], *part[2:])  # type: ignore[index]


def cut(stored: Stored, request: Mapping[str, str]) -> tuple[CIMultiDict[str], bytes] | None:
    """The headers and the bytes of the range that a request asks for; None where they are not stored (rules 1, 2)."""
    text, headers = asked(request), stored.headers
    if text is None or not _if_range(headers, request):
        return None
    if stored.status == _PARTIAL and stored.varies[-2:] == ("range", text):
        return headers, stored.content
    found, held = _RANGE.fullmatch(text), _held(stored)
    if found is None or held is None or held.total is None:
        return None
    total = held.total
    if not found[1]:  # the last so many bytes
        start, stop = max(0, total - int(found[2])), total
    else:
        start, stop = int(found[1]), min(total, int(found[2]) + 1 if found[2] else total)
    if not held.start <= start < stop <= held.start + len(stored.content):
        return None
    for name in ("Content-Range", "Content-Length"):
        headers.popall(name, None)
    headers["Content-Range"], headers["Content-Length"] = f"bytes {start}-{stop - 1}/{total}", str(stop - start)
    return headers, stored.content[start - held.start : stop - held.start]


def _held(stored: Stored) -> ranges.Part | None:
    """The bytes that it has; None where nobody can tell."""
    headers = stored.headers
    if stored.status == _OK:
        size = len(stored.content)
        return None if ranges.coded(headers) or "Content-Range" in headers else ranges.Part(0, size, size)
    held = ranges.part_of(stored.status, headers) if stored.status == _PARTIAL else None
    return held if held is not None and held.stop == held.start + len(stored.content) else None


def _if_range(headers: CIMultiDict[str], request: Mapping[str, str]) -> bool:
    found = lines(request, "If-Range")
    return not found or (len(found) == 1 and ranges.validator(headers) == found[0].strip())


def _tag(part: Stored) -> str | None:
    """The strong ETag of a part whose bytes are known, or None."""
    known = ranges.validator(part.headers) if _held(part) is not None else None
    return known if known is not None and known.startswith('"') else None


def joined(part: Stored, other: Stored) -> Stored | None:
    """Both parts as one, with the fields of `part`, the newer; None where they don't belong together (rule 3)."""
    one, two = _held(part), _held(other)
    if one is None or two is None or _tag(part) is None or _tag(part) != _tag(other) or one.total != two.total:
        return None
    first, second = (part, other) if one.start <= two.start else (other, part)
    begins, goes_on = min(one.start, two.start), max(one.start, two.start) - min(one.start, two.start)
    if goes_on > len(first.content):
        return None  # a gap is between them
    content = first.content[:goes_on] + second.content + first.content[goes_on + len(second.content) :]
    total, headers = one.total, fields_after(other.headers, part.headers)
    whole = begins == 0 and len(content) == total
    for name in ("Content-Range", "Content-Length"):
        headers.popall(name, None)
    if not whole:
        headers["Content-Range"] = f"bytes {begins}-{begins + len(content) - 1}/{'*' if total is None else total}"
    headers["Content-Length"] = str(len(content))
    status, varies = (_OK, part.varies[:-2]) if whole else (_PARTIAL, (*part.varies[:-1], "joined"))
    return part._replace(status=status, varies=varies, fields=_plain(headers), content=content)


def _plain(headers: CIMultiDict[str]) -> tuple[str, ...]:
    return tuple(str(text) for pair in headers.items() for text in pair)


def rest_of(part: Stored) -> dict[str, str] | None:
    """The headers that ask for the rest of a part; None where it can't be completed (rule 4)."""
    held, tag = _held(part), _tag(part)
    if held is None or tag is None or held.start != 0 or held.total is None or part.status != _PARTIAL:
        return None
    return {"Range": f"bytes={len(part.content)}-", "If-Range": tag}
