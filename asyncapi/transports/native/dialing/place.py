"""Name what a connection leads to: connections to the same place may be used in turns."""

from __future__ import annotations

from dataclasses import dataclass, field

from asyncapi.transports.outgoing import scoped

_PORTS = {True: 443, False: 80}


@dataclass(frozen=True, slots=True)
class Place:
    """What a connection leads to; places that are equal share their connections.

    Attributes:
        secure: Whether it speaks TLS (https).
        host: The name to look up, or an address without brackets; its zone is as the system writes it.
        port: The port.
        authority: The value of `Host`: the host and the port as the URL has them, without a zone (RFC 6874 section 2).
        proxy: The URL of the proxy to go through, with its user-info; None for a direct connection.
    """

    secure: bool
    host: str
    port: int
    authority: str
    proxy: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, authority: str, *, secure: bool, proxy: str | None = None) -> Place:
        """Read a URL's host and port, as `URL.host_port_subcomponent` has them: `h.example:8080`, `[::1]`."""
        host, bracket, rest = authority.partition("]")
        if not bracket:
            host, _, digits = authority.partition(":")
            return cls(secure, host, int(digits or _PORTS[secure]), authority, proxy)
        host, digits = scoped(host[1:]), rest[1:]
        sent = f"[{host.partition('%')[0]}]{rest}"
        return cls(secure, host, int(digits or _PORTS[secure]), sent, proxy)
