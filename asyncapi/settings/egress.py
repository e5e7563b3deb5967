"""The settings of the egress guard."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any

from pydantic import BeforeValidator

from asyncapi.sansio.http.egress import Guard
from asyncapi.settings.base import settings


def _entries(given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, Sequence) or not all(isinstance(one, str) for one in given):
        raise ValueError("give a list of networks, addresses and hosts")
    Guard(allow=given)
    return tuple(given)


Entries = Annotated[Sequence[str], BeforeValidator(_entries)]


@settings
class Egress:
    """Where a client may connect, for programs that fetch URLs which others give them (SSRF).

    By default to public addresses alone: private, loopback, link-local, multicast and reserved ones are refused, and
    the metadata services of clouds. Every address is checked as it is connected to, for redirects too. An entry is a
    network (`10.0.0.0/8`), an address, a host (`h.example`), or all hosts below one (`*.h.example`).

    Attributes:
        allow: What may be reached though it is not public. A host's addresses may then be any but a cloud's metadata.
        deny: What may not be reached though it is public; it goes before `allow`.
        public: Whether public addresses may be reached; False leaves only what `allow` names.
    """

    allow: Entries = ()
    _: KW_ONLY
    deny: Entries = ()
    public: bool = True

    def guard(self) -> Guard:
        """What decides."""
        return Guard(allow=self.allow, deny=self.deny, public=self.public)
