"""Add to a request what its user did not write, the same for every transport.

Rules:
1. The URL's user-info becomes `Authorization: Basic`, its percent-codes decoded, in UTF-8 (RFC 7617 section 2).
2. The zone of an IPv6 address (RFC 6874) names an interface of this machine, so it is not sent in `Host`.
3. Stored cookies are sent; a `Cookie` header of the user's own takes precedence.
4. With `trust_env=True`, the environment names the proxy, and `.netrc` has passwords; with "proxies" it has none.
"""

from __future__ import annotations

import asyncio
import logging
import netrc
import os
import re
from base64 import b64encode
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, unquote_to_bytes

from multidict import CIMultiDict

from asyncapi.errors import ConfigError
from asyncapi.messages.uri import parse_url
from asyncapi.redact import redact_url
from asyncapi.sansio.http.cookies import Jar
from asyncapi.sansio.http.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import CIMultiDictProxy
    from yarl import URL

    from asyncapi.clock import Clock

log: logging.Logger = logging.getLogger("asyncapi")

Head = CIMultiDict[str]

SOCKS = frozenset({"socks4", "socks4a", "socks5", "socks5h"})
"""The schemes of SOCKS proxies; the proxy looks names up with the last letter `a` or `h`."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # header bytes of a response that are not UTF-8 (PEP 383)


def is_special(url: URL) -> bool:
    """Whether the authority has more than a host and a port."""
    place = url.raw_authority
    return "@" in place or "%" in place


def has_plain_login(url: URL) -> bool:
    """Whether the URL has user-info that every library reads in the same way."""
    user, at, _ = url.raw_authority.rpartition("@")
    return bool(at) and unquote_to_bytes(user).isascii()


def addressed(url: URL, headers: Head) -> tuple[URL, Head]:
    """Move user-info from the URL to a copy of the headers (rule 1), and leave the zone out of `Host` (rule 2).

    Raises:
        ConfigError: There is an `Authorization` header beside the user-info.
    """
    headers = CIMultiDict(headers)
    user, at, _ = url.raw_authority.rpartition("@")
    if at:
        if user.strip(":"):
            if "Authorization" in headers:
                raise ConfigError("user-info in the URL and an Authorization header: give one of the two")
            headers["Authorization"] = basic(user)
        url = url.with_user(None)
    host, percent, _ = (url.host_subcomponent or "").partition("%")
    if percent:
        port = "" if url.is_default_port() else f":{url.port}"
        headers.setdefault("Host", f"{host}]{port}")
    return url, headers


def basic(user_info: str) -> str:
    """The value of `Authorization` for a URL's user-info (rule 1)."""
    user, _, password = user_info.partition(":")
    return f"Basic {b64encode(unquote_to_bytes(user) + b':' + unquote_to_bytes(password)).decode()}"


def scoped(host: str) -> str:
    """The address to connect to, with its zone as the system writes it (RFC 6874 section 2): `fe80::1%eth0`."""
    address, percent, zone = host.partition("%")
    return address + percent + unquote(zone[2:] if zone.startswith("25") and zone != "25" else zone)


def without_bytes(headers: Head) -> Head:
    """Leave out headers that aiohttp's own request would change, since it drops bytes that aren't UTF-8.

    Only an `If-None-Match` is left out, so that the whole response is requested.

    Raises:
        ConfigError: Another header has such bytes.
    """
    lost = {name for name, value in headers.items() if not value.isascii() and _NOT_UTF8.search(value)}
    if not lost:
        return headers
    if lost - {"If-None-Match"}:
        raise ConfigError(f"header {min(lost)}: aiohttp drops bytes that aren't UTF-8; leave session= out")
    return CIMultiDict((name, value) for name, value in headers.items() if name not in lost)


# --- cookies ---------------------------------------------------------------------------------------------------


class Cookies:
    """The cookies of one client.

    Args:
        clock: Its date says which cookies have expired.
    """

    def __init__(self, clock: Clock) -> None:
        self._jar = Jar()
        self._now = clock.wall

    def header(self, url: URL, given: str = "") -> str:
        """The `Cookie` header of a URL, "" for none; `given` is the user's own (rule 3)."""
        return self._jar.header(given=given, now=self._now(), **_place(url))

    def onto(self, headers: Head, url: URL) -> Head:
        """Add the cookies of a URL to its headers."""
        own = "; ".join(headers.getall("Cookie", []))
        cookies = self.header(url, own)
        if cookies == own:
            return headers
        headers = CIMultiDict(headers)
        headers["Cookie"] = cookies
        return headers

    def keep(self, headers: CIMultiDictProxy[str], url: URL) -> None:
        """Store the cookies that a response sets."""
        if "Set-Cookie" in headers:
            self._jar.keep(headers.getall("Set-Cookie"), now=self._now(), **_place(url))


def _place(url: URL) -> dict[str, Any]:
    return {
        "secure": url.scheme == "https",
        "host": (url.raw_host or "").partition("%")[0],
        "path": url.raw_path.removesuffix("?"),
    }


# --- proxies and the environment -------------------------------------------------------------------------------


class Environment:
    """The proxies and the passwords of the environment, as they are when a request is sent.

    Args:
        proxies: Whether its proxies are used.
        socks: Whether the transport speaks SOCKS.
        logins: Whether the passwords of `.netrc` are used.
    """

    def __init__(self, *, proxies: bool, socks: bool = False, logins: bool = True) -> None:
        self._proxies = proxies
        self._socks = socks
        self._logins = logins

    async def onto(self, headers: Head, url: URL) -> tuple[Head, str | None]:
        """Add the password of the host to its headers, and return the proxy to use, if there is one (rule 4).

        Raises:
            ConfigError: The proxy's URL can't be used.
        """
        proxy = self.proxy(url) if self._proxies else None
        if not self._logins:
            return headers, proxy
        ask = None if "Authorization" in headers else url.raw_host, None if proxy is None else _nobody_s(proxy)
        if any(ask):
            login, proxy_login = await asyncio.to_thread(_logins, *ask)
            if login is not None:
                headers = CIMultiDict(headers)
                headers["Authorization"] = basic(login)
            if proxy is not None and proxy_login is not None:
                proxy = proxy.replace("://", f"://{proxy_login}@", 1)
        return headers, proxy

    def proxy(self, url: URL) -> str | None:
        """The proxy that the environment names for a URL.

        Raises:
            ConfigError: The proxy's URL can't be used.
        """
        found = proxy_for(os.environ, scheme=url.scheme, host=url.raw_host or "", port=url.port)
        return (
            None
            if found is None
            else checked_proxy(found, f"the environment's proxy for {url.scheme}: ", socks=self._socks)
        )


def environment(trust_env: bool | str, *, fixed: bool, socks: bool = False) -> Environment | None:
    """Make the environment of `trust_env=`; `fixed` says that every request goes to one proxy or socket."""
    return Environment(proxies=not fixed, socks=socks, logins=trust_env != "proxies") if trust_env else None


def check(proxy: str | None, unix_socket: str | None, *, socks: bool = False) -> None:
    """Check where a transport is to connect to; `socks` says whether it speaks SOCKS.

    Raises:
        ConfigError: The proxy can't be used, or the socket is not a path.
    """
    if proxy is not None:
        checked_proxy(proxy, socks=socks)
    if unix_socket is not None and not isinstance(unix_socket, str | os.PathLike):
        raise ConfigError(f"unix_socket={unix_socket!r}: give the path of a socket")


def check_guarded(proxy: str | None, unix_socket: str | None, *, trust_env: bool | str) -> None:
    """Check that the guard works: only where the transport itself resolves names and connects.

    Raises:
        ConfigError: A proxy or a socket makes the connections.
    """
    if proxy is not None or trust_env:
        given = "proxy=" if proxy is not None else "trust_env="
        raise ConfigError(
            f"egress= doesn't work with {given}: the proxy makes the connections; set the restrictions there"
        )
    if unix_socket is not None:
        raise ConfigError(
            "egress= doesn't work with unix_socket=: every call goes to that socket; leave one of them out"
        )


def checked_proxy(proxy: str, said: str = "proxy=", *, socks: bool = False) -> str:
    """Check that a proxy's URL can be used.

    Args:
        proxy: The URL.
        said: Who named it, for the error.
        socks: Whether the transport speaks SOCKS.

    Raises:
        ConfigError: It has another scheme, or no host.
    """
    url = parse_url(proxy)
    if url.raw_host and (url.scheme in {"http", "https"} or (socks and url.scheme in SOCKS)):
        return proxy
    what = (
        "give http://host:port or socks5://host:port (there are https, socks4, socks4a and socks5h too)"
        if socks
        else "give http://host:port; SOCKS needs a session= of your own"
    )
    raise ConfigError(f"{said}{redact_url(url)!r}: {what}")


@lru_cache(maxsize=32)
def through(proxy: str) -> Mapping[str, Any]:
    """Make the arguments for a proxy: aiohttp would send user-info outside ASCII as Latin-1, or not at all."""
    url = parse_url(proxy)
    if url.raw_user is None or has_plain_login(url):
        return {"proxy": url}
    return {
        "proxy": url.with_user(None),
        "proxy_headers": {"Authorization": basic(url.raw_authority.rpartition("@")[0])},
    }


def _nobody_s(proxy: str) -> str | None:
    """The host of a proxy whose URL names no user."""
    url = parse_url(proxy)
    return url.raw_host if url.raw_user is None else None


def _logins(*hosts: str | None) -> list[str | None]:
    return [None if host is None else _login(host) for host in hosts]


def _login(host: str) -> str | None:
    """The user-info that `.netrc` has for a host, or None; a file that can't be read is logged."""
    given = os.environ.get("NETRC")
    try:
        path = Path(given).expanduser() if given else Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
        stamp = path.stat()
        found = _netrc(str(path), stamp.st_mtime_ns, stamp.st_size).authenticators(host)
    except FileNotFoundError:
        return None
    except (OSError, RuntimeError, ValueError, netrc.NetrcParseError) as error:
        log.warning("trust_env=True: .netrc can't be read: %s", type(error).__name__)
        return None
    if found is None:
        return None
    user, account, password = found
    return f"{quote(user or account or '', safe='')}:{quote(password or '', safe='')}"


@lru_cache(maxsize=4)
def _netrc(path: str, changed: int, size: int) -> netrc.netrc:  # noqa: ARG001 - they are part of the cache's key
    return netrc.netrc(path)
