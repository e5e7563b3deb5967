"""Decide whether a client may connect to an address: for programs that fetch URLs which others supply (SSRF).

The first of these that applies decides:

    1. a host or an address that is denied             no
    2. an address that is allowed                      yes
    3. an address of a cloud's metadata service        no; it hands out credentials to whoever asks
    4. the address of a host that is allowed           yes
    5. anything else, where public ones are refused    no
    6. an address that is public                       yes

An address that embeds another one stands for that: IPv4-mapped (RFC 4291), NAT64 (RFC 6052); for both: 6to4 (RFC
3056), Teredo (RFC 4380). Public is what IANA's registries of special-purpose addresses call globally reachable, except
multicast; 6to4 and Teredo, which are deprecated, are not public.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64 = IPv6Network("64:ff9b::/96")
_ALSO_SPECIAL: tuple[Network, ...] = (  # addresses that `ipaddress` lacks, in one version of Python or in all
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),  # 6to4's relays
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001::/32"),  # Teredo
    IPv6Network("2002::/16"),  # 6to4
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
    IPv6Network("fec0::/10"),
)
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254", "fd00:ec2::254", "fd20:ce::254",  # AWS, Azure, Google and most others
            "169.254.170.2", "169.254.170.23", "fd00:ec2::23",  # AWS containers
            "168.63.129.16",  # Azure, though it is no special address
            "100.100.100.200", "192.0.0.192", "169.254.42.42", "fd00:42::42",  # Alibaba, Oracle, Scaleway
        ),
    )
)  # fmt: skip
_PATTERN = re.compile(r"(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)")


class Guard:
    """Decide about connections: why one is refused, or None if it may be made.

    Args:
        allow: Networks, addresses and hosts (`h.example`, `*.h.example` for those below it).
        deny: Networks, addresses and hosts, as in `allow`.
        public: Whether public addresses are allowed.

    Raises:
        ValueError: An entry is not a network, an address or a host.
    """

    def __init__(self, *, allow: Sequence[str] = (), deny: Sequence[str] = (), public: bool = True) -> None:
        self._allowed, self._allowed_hosts = _sorted(allow)
        self._denied, self._denied_hosts = _sorted(deny)
        self._public = public

    def host(self, host: str) -> str | None:
        """Why a host, as it is written in a URL, is refused whatever its addresses."""
        name = host.lower().rstrip(".")
        if _matches(name, self._denied_hosts):
            return f"{host} is denied"
        if is_odd(host):
            return f"{host} is an odd spelling of an address"
        return None

    def address(self, host: str, text: str) -> str | None:
        """Why an address of that host is refused."""
        address = ip_address(text.partition("%")[0])
        meant = stands_for(address)
        if any(each in network for network in self._denied for each in (address, *meant)):  # rule 1
            return f"{address} is denied"
        if _within(address, self._allowed) or all(_within(each, self._allowed) for each in meant):  # rule 2
            return None
        if any(each in _METADATA for each in meant):  # rule 3
            return f"{address} is the metadata service of a cloud"
        if _matches(host.lower().rstrip("."), self._allowed_hosts):  # rule 4
            return None
        if not self._public:  # rule 5
            return f"{address} is not among those allowed"
        return next((f"{address} is {why}" for each in meant if (why := special(each)) is not None), None)  # rule 6


@lru_cache(maxsize=1024)
def is_odd(host: str) -> bool:
    """Whether a host is an odd spelling of an IPv4 address, as `127.1` and `0x7f.1`: not all systems read it alike."""
    number = ":" not in host and _NUMBER.fullmatch(host.lower().rstrip(".").rpartition(".")[2])
    return bool(number) and not _is_address(host)


def stands_for(address: Address) -> tuple[Address, ...]:
    """The addresses that a connection to this one leads to."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:  # RFC 4291 section 2.5.5.2
        return (address.ipv4_mapped,)
    if address in _NAT64:  # RFC 6052 section 2.1
        return (IPv4Address(address.packed[-4:]),)
    if address.sixtofour is not None:  # RFC 3056 section 2
        return (address, address.sixtofour)
    if address.teredo is not None:  # RFC 4380 section 4
        return (address, *address.teredo)
    return (address,)


def special(address: Address) -> str | None:
    """The kind of an address in words, if it is not a public one."""
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_multicast:
        return "a multicast address"
    if address.is_reserved:
        return "a reserved address"
    if not address.is_global:
        return "a private address"
    return "a reserved address" if _within(address, _ALSO_SPECIAL) else None


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)


def _sorted(entries: Sequence[str]) -> tuple[tuple[Network, ...], tuple[str, ...]]:
    networks: list[Network] = []
    hosts: list[str] = []
    for entry in entries:
        network = _network(entry)
        if network is not None:
            networks.append(network)
        else:
            hosts.append(_pattern(entry))
    return tuple(networks), tuple(hosts)


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry.strip("[]"))
    except ValueError as error:
        if "/" in entry or ":" in entry:
            raise ValueError(f"{entry!r} is not a network, address or host: {error}") from None
        return None


def _pattern(entry: str) -> str:
    name = entry.lower().rstrip(".")
    if not name.isascii():
        name = name.encode("idna").decode()
    if not _PATTERN.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise ValueError(
            f"{entry!r} is not a network, address or host: use 10.0.0.0/8, 192.0.2.1, h.example or *.h.example"
        )
    return name


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(name.endswith(host[1:]) if host.startswith("*.") else name == host for host in patterns)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
