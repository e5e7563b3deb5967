"""Choose the proxy that the environment names for a URL; none for exempt hosts.

    http_proxy, https_proxy, all_proxy     of the URL's scheme, or else of all
    no_proxy                               a list, separated by commas or blanks; each entry is one of

        *                                  every host
        h.example, .h.example, *.h.example     that host and those below it
        192.0.2.1, 2001:db8::1, [2001:db8::1]  that address, however it is written
        192.0.2.0/24, 2001:db8::/32        the addresses of that network
        any of the first three, and :8080  the same at that port alone

Lower-case names go before upper-case ones. `HTTP_PROXY` does not count in a CGI script, where a client's request
could set it (CVE-2016-5385). curl, Go and Python's own libraries read a part of this each. No name is
looked up: a network matches addresses that are written in the URL.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_Address = IPv4Address | IPv6Address
_PORTS = {"http": 80, "https": 443}


class Exempt(NamedTuple):
    """One entry of a `no_proxy`: a name, or a network, or neither for every host; at one port or at all."""

    name: str
    network: IPv4Network | IPv6Network | None
    port: int | None


def proxy_for(environment: Mapping[str, str], *, scheme: str, host: str, port: int | None) -> str | None:
    """The URL of the proxy to be used, or None.

    Args:
        environment: The variables.
        scheme: Of the URL asked for.
        host: Its host, a name in lower case or an address without brackets.
        port: Its port; None for the usual one.
    """
    proxy = _value(environment, f"{scheme}_proxy", cgi="REQUEST_METHOD" in environment) or _value(
        environment, "all_proxy"
    )
    if not proxy or is_exempt(_value(environment, "no_proxy"), host, _PORTS.get(scheme) if port is None else port):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def is_exempt(no_proxy: str, host: str, port: int | None) -> bool:
    """Whether a host at a port is reached without a proxy."""
    name = host.partition("%")[0].rstrip(".").lower()
    address = _address(name)
    return any(
        (entry.port is None or entry.port == port) and _holds(entry, name, address) for entry in entries(no_proxy)
    )


def _holds(entry: Exempt, name: str, address: _Address | None) -> bool:
    if entry.network is not None:
        return address is not None and address in entry.network
    if not entry.name:
        return True
    return address is None and (name == entry.name or name.endswith(f".{entry.name}"))


@lru_cache(maxsize=32)
def entries(no_proxy: str) -> tuple[Exempt, ...]:
    """The entries of a `no_proxy`; one that can't be a host is skipped."""
    found = (_entry(text) for text in no_proxy.replace(",", " ").split())
    return tuple(entry for entry in found if entry is not None)


def _entry(text: str) -> Exempt | None:
    if text == "*":
        return Exempt("", None, None)
    port = None
    network = _network(text)
    if network is None:
        head, colon, digits = text.rpartition(":")
        if colon and digits.isascii() and digits.isdigit():
            text, port = head, int(digits[:6])
            network = _network(text)
    if network is not None:
        return Exempt("", network, port)
    if text == "*":
        return Exempt("", None, port)
    name = text.removeprefix("*").lstrip(".").rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            return None
    return Exempt(name, None, port) if name else None


def _network(text: str) -> IPv4Network | IPv6Network | None:
    address, slash, bits = text.partition("/")
    try:
        return ip_network(address.removeprefix("[").removesuffix("]").partition("%")[0] + slash + bits, strict=False)
    except ValueError:
        return None


def _address(host: str) -> _Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _value(environment: Mapping[str, str], name: str, *, cgi: bool = False) -> str:
    """A variable by its lower-case name, or else its upper-case one; an empty one says that there is no proxy."""
    found = environment.get(name)
    if found is None and not (cgi and name == "http_proxy"):  # CVE-2016-5385
        found = environment.get(name.upper())
    return (found or "").strip()
