"""The settings of the egress guard."""

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import Annotated, Any

from asyncapi.sansio.http.egress import Guard
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Before


def _entries(entries: Any) -> tuple[str, ...]:
    if (
        isinstance(entries, str)
        or not isinstance(entries, Sequence)
        or not all(isinstance(entry, str) for entry in entries)
    ):
        raise ValueError("give a list of networks, addresses and hosts")
    Guard(allow=entries)
    return tuple(entries)


Entries = Annotated[Sequence[str], Before(_entries)]


@settings
class Egress:
    """Restrict where the client may connect, for programs that fetch URLs from others (against SSRF).

    By default only public addresses are allowed: private, loopback, link-local, multicast and reserved ones are
    refused, and so are the metadata services of clouds. Every address is checked at the moment of the connection, after
    redirects too. An entry is a network (`10.0.0.0/8`), an address, a host (`h.example`), or all hosts below one
    (`*.h.example`). A refusal is an `EgressDenied`.

    Attributes:
        allow: Networks, addresses and hosts to allow although they are not public. The addresses of an allowed host may
            be any, except a cloud's metadata service.
        deny: Networks, addresses and hosts to refuse although they are public; it takes precedence over `allow`.
        public: Whether public addresses are allowed, as by default; False allows only what `allow` names.
    """

    allow: Entries = ()
    _: KW_ONLY
    deny: Entries = ()
    public: bool = True

    def guard(self) -> Guard:
        """Make the guard that decides."""
        return Guard(allow=self.allow, deny=self.deny, public=self.public)
