"""Remember where else an origin offers HTTP/3 (RFC 7838), and which of these places have failed.

Rules:
1. Only an https origin has alternatives here. An https origin has shown a certificate, and an alternative has to show
   one for the same origin; anything else could move an origin to a place of somebody else's choice (section 2.1).
2. A field is read by the grammar of section 3 or not at all: where one element breaks it, or the lines together are
   longer than `fields.LONGEST`, the field changes nothing.
3. A field replaces what was known about its origin. `clear` anywhere in it forgets everything, whatever else it names.
4. Only `h3` counts. A protocol id is compared as it is written: section 3 gives each exactly one spelling, and "%683"
   is not the spelling of "h3".
5. An alternative that failed is broken for five minutes, then for twice as long after each further failure, up to a
   day. One success clears that. A server that names the alternative again does not.
6. `persist` says whether an alternative outlives a change of the network. Nothing here sees such a change, and nothing
   here outlives the process.
7. Everything is bounded: alternatives of an origin, origins, marks. What was used longest ago goes first.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from asyncapi.sansio.http.fields import elements, too_long

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.sansio.http.origin import Origin

MAX_AGE = 86_400  # seconds, where the server does not say (section 3.1)
LONGEST_AGE = 2**31  # seconds, RFC 9111 section 1.2.2
MOST = 4  # alternatives of one origin
ORIGINS = 4096
BROKEN, LONGEST_BROKEN = 300.0, 86_400.0  # seconds (rule 5)

_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_QUOTED = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
_PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+({_NAME})=(?:({_NAME})|({_QUOTED}))")
_ALTERNATIVE = re.compile(rf"({_NAME})=({_QUOTED})")
# of RFC 3986's reg-name, the characters of host names: a percent-encoded name would have a second spelling
_AUTHORITY = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9_.\-]*)):(?P<port>[0-9]{1,5})")
_ENCODED = re.compile(r"%[0-9A-F]{2}")
_PERCENT_SIGN = "%25"


class Alternative(NamedTuple):
    """A place where an origin is said to offer HTTP/3.

    Attributes:
        host: A name in lower case, or an address without brackets; "" for the origin's own host.
        port: The UDP port.
    """

    host: str
    port: int


class Offer(NamedTuple):
    """An alternative, and how long it holds.

    Attributes:
        alternative: The place.
        max_age: Seconds from the moment when the response was made.
        persist: Whether the server says that it outlives a change of the network (rule 6).
    """

    alternative: Alternative
    max_age: int
    persist: bool


def parse(values: Sequence[str]) -> tuple[Offer, ...] | None:
    """Read the lines of an Alt-Svc field.

    Returns:
        tuple[Offer, ...]: The places of HTTP/3, in the server's order; empty where it names none, or says `clear`.
        None: The field is not valid (rule 2).
    """
    if too_long(values):
        return None
    return _parsed(tuple(values))


@lru_cache(maxsize=256)  # servers repeat the field with every response
def _parsed(values: tuple[str, ...]) -> tuple[Offer, ...] | None:
    offers: list[Offer] = []
    found = list(elements(values))
    if "clear" in found:  # rule 3; case-sensitive (section 3)
        return ()
    for element in found:
        if not _read(element, offers):
            return None
    return tuple(offers[:MOST])


def _read(element: str, offers: list[Offer]) -> bool:
    """Read one alt-value, and add it to the offers if it is one; return whether it is valid."""
    head = _ALTERNATIVE.match(element)
    if head is None or not _is_protocol(head[1]):
        return False
    age, persist, at = str(MAX_AGE), False, head.end()
    seen: set[str] = set()
    while at < len(element):
        parameter = _PARAMETER.match(element, at)
        if parameter is None:
            return False
        name, value = parameter[1].lower(), parameter[2] or _unquoted(parameter[3])
        if name in seen:  # no rule says which one counts
            return False
        seen.add(name)
        if name == "ma":
            age = value
        elif name == "persist":
            persist = value == "1"  # any other value is to be ignored (section 3.1)
        at = parameter.end()
    place = _authority(_unquoted(head[2]))
    if place is None or not (age.isascii() and age.isdigit()):
        return False
    if head[1] == "h3":  # rule 4
        offers.append(Offer(place, min(int(age[:11]), LONGEST_AGE), persist))
    return True


def _is_protocol(text: str) -> bool:
    """Whether a protocol id is spelled as section 3 says: percent-encoded where it must be, and nowhere else."""
    for code in _ENCODED.findall(text):
        octet = chr(int(code[1:], 16))
        if code != _PERCENT_SIGN and re.fullmatch(_NAME, octet):
            return False
    return "%" not in _ENCODED.sub("", text)


def _authority(text: str) -> Alternative | None:
    found = _AUTHORITY.fullmatch(text)
    if found is None or not 0 < (port := int(found["port"])) < 65_536:  # noqa: PLR2004 - ports
        return None
    if found["address"] is None:
        return Alternative(found["name"].lower(), port)
    try:
        return Alternative(str(IPv6Address(found["address"])), port)
    except ValueError:
        return None


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if "\\" in text else text[1:-1]


class AltServices:
    """The alternatives of all origins, and those that are broken.

    Every time is seconds on one clock, passed in.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Origin, tuple[tuple[Alternative, float], ...]] = OrderedDict()
        self._broken: OrderedDict[tuple[Origin, Alternative], tuple[float, float]] = OrderedDict()  # until, how long

    def learn(self, origin: Origin, values: Sequence[str], now: float, *, age: float = 0.0) -> None:
        """Take over what an Alt-Svc field of a response says about the origin that sent it.

        Args:
            origin: The origin of the request, which the server proved to be.
            values: The lines of the field.
            now: The time.
            age: Seconds that the response was on its way, from its Age field.
        """
        if origin[0] != "https":  # rule 1
            return
        offers = parse(values)
        if offers is None:
            return
        self._known.pop(origin, None)
        if offers:  # rule 3
            self._known[origin] = tuple((offer.alternative, now + offer.max_age - age) for offer in offers)
            if len(self._known) > ORIGINS:
                self._known.popitem(last=False)

    def knows(self, origin: Origin) -> bool:
        """Whether an origin has named alternatives, fresh or not, and not taken them back."""
        return origin in self._known

    def of(self, origin: Origin, now: float) -> Alternative | None:
        """Return the first alternative of an origin that is fresh and not broken."""
        known = self._known.get(origin)
        if known is None:
            return None
        for alternative, until in known:
            if now < until and not self.is_broken(origin, alternative, now):
                return alternative
        if all(now >= until for _, until in known):
            del self._known[origin]
        return None

    def is_broken(self, origin: Origin, alternative: Alternative, now: float) -> bool:
        """Whether an alternative of an origin failed a short time ago (rule 5)."""
        mark = self._broken.get((origin, alternative))
        return mark is not None and now < mark[0]

    def broken(self, now: float) -> int:
        """Return how many alternatives are broken."""
        return sum(now < until for until, _ in self._broken.values())

    def failed(self, origin: Origin, alternative: Alternative, now: float) -> None:
        """Mark an alternative as broken (rule 5); a second failure while it is marked changes nothing."""
        key = origin, alternative
        until, last = self._broken.pop(key, (now, BROKEN / 2))
        if now >= until:
            last = min(last * 2, LONGEST_BROKEN)
            until = now + last
        self._broken[key] = until, last
        if len(self._broken) > ORIGINS:
            self._broken.popitem(last=False)

    def worked(self, origin: Origin, alternative: Alternative) -> None:
        """Clear the mark of an alternative that a connection was made to."""
        self._broken.pop((origin, alternative), None)

    def forget(self, origin: Origin) -> None:
        """Forget the alternatives of an origin, as after a 421 over one of them (section 6); marks stay."""
        self._known.pop(origin, None)
