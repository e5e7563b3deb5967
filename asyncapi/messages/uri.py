"""Read and write the text of URLs (RFC 3986): valid text is verbatim, only what the RFC forbids is percent-encoded.

Rules:
1. A valid character and a valid percent-code are never changed: a reserved character and its code are not the same
   (section 2.2), and a signature covers the very text. `%2f` stays lower-case, `+` and an empty query stay.
2. Any other character becomes the codes of its UTF-8 bytes (section 2.5); a byte that a header's text keeps as a lone
   surrogate (PEP 383) becomes its own code; a `%` that begins no code becomes `%25`.
3. References are resolved, and their dot segments removed, by section 5.2. A URL that a user writes in full is not a
   reference.
4. The host is the one part that is rewritten: lower case, IDNA. It is a name to look up, not signed text.

The last functions take and return `yarl.URL` objects: made with `encoded=True`, they keep the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from yarl import URL

from asyncapi.errors import ConfigError
from asyncapi.redact import redact_broken

_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="
_USER = _UNRESERVED + _SUB_DELIMS + ":"
_PATH = _USER + "@/"
_QUERY = _PATH + "?"  # and the fragment

_REFERENCE = re.compile(  # appendix B, with the grammar of the scheme
    r"(?:([A-Za-z][A-Za-z0-9+.\-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL
)


def _text_of(characters: str) -> str:
    return rf"[{characters}]*+(?:%[0-9A-Fa-f]{{2}}[{characters}]*+)*+"


PLAIN_PATH: Final = rf"/{_text_of(_PATH)}(?:\?(?=.){_text_of(_QUERY)})?"
"""The pattern of nearly every path, with its query if it has one: valid as it is."""

# Nearly every URL: valid as it is, and without a part that yarl would read in another way.
_PLAIN = re.compile(
    r"https?://[a-z0-9_\-.]++(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?"
    rf"(?:/{_text_of(_PATH)})?(?:\?(?=[^#]){_text_of(_QUERY)})?(?:#{_text_of(_QUERY)})?"
)
_FORBIDDEN_IN = {
    part: re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^{characters}%]+")
    for part, characters in {"user": _USER, "path": _PATH, "query": _QUERY}.items()
}
_DOT_SEGMENT = re.compile(r"(?:^|/)(?:\.|%2[eE]){1,2}(?:/|$)")
_NO_CHARACTER = re.compile(  # control characters, those of text direction too; all others are percent-encoded
    r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BLANK = " \t\r\n"
_PAIR_SAFE = "!$'()*,/:?@"  # what a name or a value of a query may hold beside unreserved characters
_NEEDS_NO_CODE = re.compile(rf"[{_UNRESERVED}{_PAIR_SAFE}]*").fullmatch


class Parts(NamedTuple):
    """The five components of a reference; None where one is missing, which is not the same as empty."""

    scheme: str | None
    authority: str | None
    path: str
    query: str | None
    fragment: str | None


def split(text: str) -> Parts:
    """Split a URL or a relative reference into its components (section 3, appendix B)."""
    found = _REFERENCE.fullmatch(text)
    assert found is not None  # noqa: S101 - the expression takes every text
    return Parts(*found.groups())


def compose(parts: Parts) -> str:
    """Compose the text of components (section 5.3)."""
    scheme, authority, path, query, fragment = parts
    return (
        ("" if scheme is None else f"{scheme}:")
        + ("" if authority is None else f"//{authority}")
        + path
        + ("" if query is None else f"?{query}")
        + ("" if fragment is None else f"#{fragment}")
    )


def encode(text: str) -> str:
    """Percent-encode what a URL or a reference may not contain outside of its host (rules 1 and 2).

    Raises:
        ValueError: The text has a lone surrogate that stands for no byte.
    """
    return compose(_encoded(split(text)))


def _encoded(parts: Parts) -> Parts:
    scheme, authority, path, query, fragment = parts
    if authority is not None and "@" in authority:
        user, _, place = authority.rpartition("@")
        authority = f"{_code('user', user)}@{place}"
    return Parts(
        scheme,
        authority,
        _code("path", path),
        None if query is None else _code("query", query),
        None if fragment is None else _code("query", fragment),
    )


def _code(part: str, text: str) -> str:
    return _FORBIDDEN_IN[part].sub(lambda found: codes(found[0]), text)


def codes(text: str) -> str:
    """Percent-encode every character of a text (rule 2).

    Raises:
        ValueError: The text has a lone surrogate that stands for no byte.
    """
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def resolve(base: str, reference: str) -> str:
    """Resolve a reference against the URL of the response that has it (section 5.2.2)."""
    there = split(reference)
    # an absolute URL: only its dot segments are removed
    if there.scheme is not None:
        return compose(there._replace(path=remove_dot_segments(there.path)))
    here = split(base)
    if there.authority is not None:
        return compose(there._replace(scheme=here.scheme, path=remove_dot_segments(there.path)))
    if not there.path:
        query = here.query if there.query is None else there.query
        return compose(here._replace(query=query, fragment=there.fragment))
    path = there.path if there.path.startswith("/") else _merged(here, there.path)
    return compose(Parts(here.scheme, here.authority, remove_dot_segments(path), there.query, there.fragment))


def _merged(base: Parts, path: str) -> str:
    """Merge a relative path with the base's (section 5.2.3)."""
    if base.authority is not None and not base.path:
        return f"/{path}"
    return base.path[: base.path.rfind("/") + 1] + path


def remove_dot_segments(path: str) -> str:
    """Remove `.` and `..` from a path (section 5.2.4); percent-encoded ones are not dot segments there."""
    segments = path.split("/")
    output: list[str] = []
    for segment in segments:
        if segment == "..":
            # ".." at the root stays at the root
            if len(output) > 1:
                output.pop()
            elif output:
                output[0] = ""
        elif segment != ".":
            output.append(segment)
    # "/a/." and "/a/.." name folders: they end with a slash
    if segments[-1] in {".", ".."}:
        output.append("")
    return "/".join(output)


def has_dot_segments(text: str) -> bool:
    """Whether the path of a reference has a `.` or `..`, written plainly or as `%2e`: most servers act on both."""
    if "/." not in text and "%2" not in text and text[:1] != ".":  # nearly always
        return False
    return _DOT_SEGMENT.search(split(text).path) is not None


def query_of(pairs: Iterable[tuple[str, str]]) -> str:
    """Write names and values as a query, a space as `+`.

    Raises:
        ValueError: A name or a value has a lone surrogate.
    """
    return "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in pairs])


def _quoted(text: str) -> str:
    return text if _NEEDS_NO_CODE(text) else quote_plus(text, _PAIR_SAFE)


def replace_pairs(query: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Set these names of a query: in their places where it has them, else at its end. The rest stays verbatim."""
    waiting: dict[str, list[str]] = {}
    for name, value in pairs:
        waiting.setdefault(name, []).append(query_of([(name, value)]))
    pairs_out: list[str] = []
    for pair in query.split("&") if query else ():
        new = waiting.get(unquote_plus(pair.partition("=")[0]))
        if new is None:
            pairs_out.append(pair)
        elif new:
            pairs_out.append(new.pop(0))
    pairs_out += [pair for left in waiting.values() for pair in left]
    return "&".join(pairs_out)


# --- as objects ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=128)
def parse(text: str) -> URL:
    """Read a URL or a relative reference into an object that keeps its text.

    Raises:
        ValueError: Its host or port is invalid, or it has a lone surrogate that stands for no byte.
    """
    if _PLAIN.fullmatch(text):
        return URL(text, encoded=True)
    return _build(_encoded(split(text)))


def parse_url(url: str | URL) -> URL:
    """Read a URL into an object that keeps its text: what RFC 3986 allows is sent verbatim.

    A `yarl.URL` is taken as it is. It has normalized its text already, unless it was made with `encoded=True`.

    Raises:
        ConfigError: The text is not a URL.
    """
    if type(url) is URL:
        return url
    if not isinstance(url, str):
        raise ConfigError(f"a URL is text or a yarl.URL, not {type(url).__name__}")
    if not url.isprintable() and (found := _NO_CHARACTER.search(url)) is not None:
        what = "a lone surrogate, which is not a character," if found[0] >= "\ud800" else "control characters"
        raise ConfigError(f"{what} in the URL {redact_broken(url)!r}: quote them (urllib.parse.quote) or remove them")
    try:
        return parse(url)
    except ValueError as error:
        raise ConfigError(f"not a valid URL: {redact_broken(url)!r} ({error})") from None


def _build(parts: Parts) -> URL:
    scheme, authority, path, query, fragment = parts
    netloc = ""
    if authority:
        user, at, place = authority.rpartition("@")
        if not place.isprintable() or " " in place:
            raise ValueError("its host has a character that hosts can't have")
        host = URL(f"//{place}" if scheme is None else f"{scheme}://{place}")
        netloc = f"{user}{at}{host.raw_authority}"
    elif authority is not None and scheme is not None:
        return URL(compose(parts))  # a missing host: yarl raises its error, or the scheme needs no host
    if query == "":
        # yarl has no empty query, and would drop the question mark
        path, query = f"{path or '/'}?" if netloc else f"{path}?", None
    return URL.build(
        scheme=(scheme or "").lower(), authority=netloc, path=path, query_string=query or "", fragment=fragment or "",
        encoded=True,
    )  # fmt: skip


def join(base: URL, reference: str) -> URL:
    """Resolve a server's reference against the URL that it came from, without blanks around it (appendix C).

    Raises:
        ValueError: As in `parse`.
    """
    return parse(resolve(str(base), reference.strip(_BLANK)))


def with_pairs(url: URL, pairs: Sequence[tuple[str, str]]) -> URL:
    """Add names and values to a URL's query."""
    path = url.raw_path
    if path[-1:] != "?" or url.raw_query_string:
        return url.extend_query(pairs)
    return parse(str(url.with_path(path[:-1], encoded=True))).extend_query(pairs)


def with_replaced(url: URL, pairs: Sequence[tuple[str, str]]) -> URL:
    """Set these names of a URL's query, as `replace_pairs` does."""
    parts = split(str(url))
    return parse(compose(parts._replace(query=replace_pairs(parts.query or "", pairs))))


def with_user_info(url: URL, of: URL) -> URL:
    """Give a URL the user-info of another one, verbatim."""
    parts = split(str(url))
    user = of.raw_authority.rpartition("@")[0]
    place = (parts.authority or "").rpartition("@")[2]
    return parse(compose(parts._replace(authority=f"{user}@{place}" if user else place)))
