"""Store cookies as RFC 6265 says: what a server set is sent back as it was written, to the hosts it was set for.

Rules:
1. Name and value are verbatim both ways (section 5.4): quotes, commas, inner spaces and `=` belong to a value.
2. A cookie without Domain belongs to its own host alone; an IP address has no other kind. A cookie is dropped if its
   Domain is one that the host does not belong to, or has no dot (a top-level domain); which others are public suffixes
   is not known here.
3. Max-Age goes before Expires; at or before now, either deletes the cookie. An invalid date does not count.
4. Secure cookies come and go over https alone, and nothing over http replaces one (RFC 6265bis section 5.7). A name
   with the prefix `__Secure-` or `__Host-` must keep what the prefix promises.
5. The jar is bounded: cookies per domain and in all. Those that have ended go first, then the least recently used.
"""

from __future__ import annotations

import re
from calendar import monthrange, timegm
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import count
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST = 65_536  # characters of one Set-Cookie field: a longer one does not count
_PER_DOMAIN, _IN_ALL = 180, 3_000  # RFC 6265 section 6.1 asks for 50 and 3,000 at least
_LONGEST_AGE = 10**12  # seconds: a longer Max-Age counts as this
_BLANK = " \t"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_AGE = re.compile(r"-?[0-9]+")
_DATE_TOKEN = re.compile(r"[^\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")  # between the delimiters of section 5.1.1
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


@dataclass(slots=True)
class Cookie:
    """One cookie.

    Attributes:
        name: As the server wrote it.
        value: As the server wrote it.
        domain: The domain it belongs to, in lower case.
        path: It is sent to this path and below.
        host_only: Whether it belongs to the domain alone, not to its subdomains.
        secure: Whether it is sent over https alone.
        expires: When it ends, in seconds since the Unix epoch.
        created: Its number, in the order of creation.
        used: The number of its last use.
    """

    name: str
    value: str
    domain: str
    path: str
    host_only: bool
    secure: bool
    expires: float
    created: int = 0
    used: int = 0


class Jar:
    """The cookies of one client."""

    def __init__(self) -> None:
        self._by_domain: dict[str, dict[tuple[str, str], Cookie]] = {}
        self._ticks = count(1)

    def __len__(self) -> int:
        return sum(map(len, self._by_domain.values()))

    def keep(self, fields: Iterable[str], *, secure: bool, host: str, path: str, now: float) -> None:
        """Store, change or delete cookies as the `Set-Cookie` fields of a response say (section 5.3).

        Args:
            fields: Their values.
            secure: Whether the response came over https.
            host: Where from: a name in lower case, or an address.
            path: The path of the request, without its query.
            now: Seconds since the Unix epoch.
        """
        for field in fields:
            cookie = read(field, secure=secure, host=host, path=path, now=now)
            if cookie is not None and (secure or cookie.secure or not self._covered(cookie)):
                self._put(cookie, now)

    def header(self, *, secure: bool, host: str, path: str, now: float, given: str = "") -> str:
        """The `Cookie` header of a request (section 5.4), "" for none.

        Args:
            secure: Whether the request goes over https.
            host: Where to.
            path: The path of the request, without its query.
            now: Seconds since the Unix epoch.
            given: The header that the user has set: it stays as it is, and its names are the user's.
        """
        taken = {pair.partition("=")[0].strip(_BLANK) for pair in given.split(";")} if given else set()
        found = [
            cookie
            for cookie in self._of(host)
            if cookie.expires > now
            and (secure or not cookie.secure)
            and _below(path, cookie.path)
            and cookie.name not in taken
        ]
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        for cookie in found:
            cookie.used = next(self._ticks)
        return "; ".join([*([given] if given else []), *(f"{cookie.name}={cookie.value}" for cookie in found)])

    def _of(self, host: str) -> Iterator[Cookie]:
        for domain in _domains(host):
            for cookie in self._by_domain.get(domain, {}).values():
                if domain == host or not cookie.host_only:
                    yield cookie

    def _covered(self, cookie: Cookie) -> bool:
        """Whether it would replace a secure cookie of its name: a page over http could plant it (rule 4)."""
        return any(
            other.secure
            and other.name == cookie.name
            and (cookie.domain in _domains(domain) or domain in _domains(cookie.domain))
            and _below(cookie.path, other.path)
            for domain, cookies in self._by_domain.items()
            for other in cookies.values()
        )

    def _put(self, cookie: Cookie, now: float) -> None:
        cookies = self._by_domain.setdefault(cookie.domain, {})
        old = cookies.pop((cookie.name, cookie.path), None)
        cookie.created = next(self._ticks) if old is None else old.created
        cookie.used = next(self._ticks)
        if cookie.expires > now:
            cookies[cookie.name, cookie.path] = cookie
        if len(cookies) > _PER_DOMAIN:  # rule 5
            self._drop(list(cookies.values()), now)
        elif len(self) > _IN_ALL:
            self._drop([other for domain in self._by_domain.values() for other in domain.values()], now)
        elif not cookies:
            del self._by_domain[cookie.domain]

    def _drop(self, cookies: list[Cookie], now: float) -> None:
        """Drop the cookies that have ended, or else the one that was used longest ago (rule 5)."""
        ended = [cookie for cookie in cookies if cookie.expires <= now]
        for cookie in ended or [min(cookies, key=lambda cookie: cookie.used)]:
            others = self._by_domain[cookie.domain]
            del others[cookie.name, cookie.path]
            if not others:
                del self._by_domain[cookie.domain]


def read(field: str, *, secure: bool, host: str, path: str, now: float) -> Cookie | None:
    """The cookie that a `Set-Cookie` field sets (sections 5.2 and 5.3), None if it sets none; as in `Jar.keep`."""
    pair, _, rest = field.partition(";")
    name, equals, value = pair.partition("=")
    name, value = name.strip(_BLANK), value.strip(_BLANK)
    if not equals or not name or len(field) > _LONGEST or _CONTROL.search(name + value):
        return None
    attributes = _attributes(rest)
    domain = attributes.get("domain", "").removeprefix(".").lower()
    host_only = not domain
    if not host_only and (domain not in _domains(host) or "." not in domain):  # rule 2
        if domain != host:
            return None
        host_only = True
    cookie = Cookie(
        name, value, host if host_only else domain, attributes.get("path", ""),
        host_only, "secure" in attributes, _ends(attributes, now),
    )  # fmt: skip
    promised = name.lower()
    if cookie.secure and not secure:  # rule 4
        return None
    if promised.startswith(("__secure-", "__host-")) and not cookie.secure:
        return None
    if promised.startswith("__host-") and not (host_only and cookie.path == "/"):
        return None
    if not cookie.path.startswith("/"):
        cookie.path = path[: path.rfind("/")] or "/"  # section 5.1.4
    return cookie


def _attributes(text: str) -> dict[str, str]:
    """The last value of each attribute; an invalid Domain, Max-Age or Expires does not count (section 5.2)."""
    attributes: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        name, value = name.strip(_BLANK).lower(), value.strip(_BLANK)
        if name == "max-age" and not _MAX_AGE.fullmatch(value):
            continue
        if name == "expires" and date(value) is None:
            continue
        if name == "domain" and not value:
            continue
        attributes[name] = value
    return attributes


def _ends(attributes: dict[str, str], now: float) -> float:
    """When the cookie ends (rule 3)."""
    if "max-age" in attributes:
        text = attributes["max-age"]
        seconds = _LONGEST_AGE if len(text) > 12 else int(text)  # noqa: PLR2004 - its digits
        return now + seconds if seconds > 0 and not text.startswith("-") else -inf
    when = date(attributes.get("expires", ""))
    return inf if when is None else when


def date(text: str) -> float | None:
    """Seconds since the Unix epoch of a cookie's date (section 5.1.1), or None."""
    time = day = month = year = None
    for token in _DATE_TOKEN.findall(text[:256]):
        if time is None and (found := _TIME.match(token)):
            time = found
        elif day is None and (found := _DAY.match(token)):
            day = int(found[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (found := _YEAR.match(token)):
            year = int(found[1])
            year += 1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0  # noqa: PLR2004
    if time is None or day is None or month is None or year is None:
        return None
    hour, minute, second = (int(part) for part in time.groups())
    if year < 1601 or not 1 <= day <= monthrange(year, month)[1] or hour > 23 or minute > 59 or second > 59:  # noqa: PLR2004
        return None
    return timegm((year, month, day, hour, minute, second))


def _below(path: str, place: str) -> bool:
    """Whether a path is that of a cookie or below it (section 5.1.4)."""
    return path.startswith(place) and (len(path) == len(place) or place.endswith("/") or path[len(place)] == "/")


def _domains(host: str) -> list[str]:
    """The host and the domains it belongs to (section 5.1.3)."""
    if _is_address(host):
        return [host]
    labels = host.split(".")
    return [".".join(labels[at:]) for at in range(len(labels))]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
