"""Look up SRV records (RFC 2782): where a service is offered, with the priority and the weight of each place."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from asyncapi.errors import ConfigError, ConnectError

if TYPE_CHECKING:
    from dns.nameserver import Nameserver

_LIFETIME = 5.0  # seconds that a look-up may take
_PORT = 53
_LEAST_TTL, _MOST_TTL = 1.0, 86_400.0  # seconds


class Place(NamedTuple):
    """One SRV record.

    Attributes:
        priority: The lowest number is used first.
        weight: The share among those of the same priority.
        port: TCP port.
        host: Its name, without the last dot.
    """

    priority: int
    weight: int
    port: int
    host: str


async def look_up(service: str, nameservers: tuple[str, ...]) -> tuple[list[Place], float]:
    """Return the records of a service, and for how many seconds they hold.

    Args:
        service: Their name.
        nameservers: The name servers to ask; the system's if empty.

    Raises:
        ConnectError: There are none, or no name server responds.
        ConfigError: dnspython is missing, or a name server is no address.
    """
    try:
        from dns.asyncresolver import Resolver  # noqa: PLC0415 - an extra
        from dns.exception import DNSException  # noqa: PLC0415
    except ImportError:
        raise ConfigError("Endpoints.srv needs dnspython: pip install 'asyncapi-sdk[srv]'") from None
    try:
        resolver = Resolver(configure=not nameservers)
        if nameservers:
            resolver.nameservers = [_nameserver(address) for address in nameservers]
        found = await resolver.resolve(service.rstrip(".") + ".", "SRV", lifetime=_LIFETIME)
    except DNSException as error:
        raise ConnectError(f"the SRV records of {service} can't be looked up: {error}") from error
    places = [
        Place(record.priority, record.weight, record.port, record.target.to_text(omit_final_dot=True).lower())
        for record in found
    ]
    places = [place for place in places if place.host not in {"", "."}]  # RFC 2782: "." offers no service
    if not places:
        raise ConnectError(f"the SRV records of {service} name no host: the service is not offered there")
    ttl = float(found.rrset.ttl) if found.rrset is not None else _LEAST_TTL
    return places, min(max(ttl, _LEAST_TTL), _MOST_TTL)


def _nameserver(address: str) -> Nameserver:
    """Read an address, perhaps with a port: 10.0.0.2, 10.0.0.2:8600, ::1, [::1]:8600."""
    from dns.nameserver import Do53Nameserver  # noqa: PLC0415 - an extra

    host, _, port = address.rpartition(":") if address.count(":") == 1 or "]:" in address else (address, "", "")
    try:
        return Do53Nameserver(str(ip_address(host.strip("[]"))), int(port) if port else _PORT)
    except ValueError:
        raise ConfigError(f"nameservers: {address!r}: give an IP address, such as 10.0.0.2 or 10.0.0.2:8600") from None
