"""What a request goes out with beside what its user wrote, the same for every transport.

1. The URL's user-info becomes `Authorization: Basic`, its percent-codes decoded, in UTF-8 (RFC 7617).
2. The zone of an IPv6 address (RFC 6874) says over which interface, and is this machine's own: not in `Host`.
3. Cookies that are kept; a `Cookie` header of the user's own goes before them.
4. With `trust_env=True`: the proxy that the environment names, and a password from `.netrc`.
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
from asyncapi.messages.decoding import parse_url
from asyncapi.redact import redact_url
from asyncapi.sansio.http.cookies import Jar
from asyncapi.sansio.http.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from multidict import CIMultiDictProxy
    from yarl import URL

    from asyncapi.clock import Clock

log = logging.getLogger("asyncapi")

Head = CIMultiDict[str]

_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # bytes of an answer's header that are no UTF-8 (PEP 383)


def is_special(url: URL) -> bool:
    """Whether the authority has more than a host and a port."""
    place = url.raw_authority
    return "@" in place or "%" in place


def has_plain_login(url: URL) -> bool:
    """Whether it has user-info that every library reads in the same way."""
    user, at, _ = url.raw_authority.rpartition("@")
    return bool(at) and unquote_to_bytes(user).isascii()


def addressed(url: URL, headers: Head) -> tuple[URL, Head]:
    """The URL without its user-info, and a copy of the headers that says it; `Host` without a zone.

    Raises:
        ConfigError: There is an `Authorization` beside the user-info.
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
    """The value of `Authorization` for a URL's user-info."""
    user, _, password = user_info.partition(":")
    return f"Basic {b64encode(unquote_to_bytes(user) + b':' + unquote_to_bytes(password)).decode()}"


def scoped(host: str) -> str:
    """The address that is connected to, with its zone as the system writes it (RFC 6874 section 2): `fe80::1%eth0`."""
    address, percent, zone = host.partition("%")
    return address + percent + unquote(zone[2:] if zone.startswith("25") and zone != "25" else zone)


def without_bytes(headers: Head) -> Head:
    """The headers as a library can send them that drops bytes which are no text.

    Raises:
        ConfigError: One has such bytes. A question whether an answer is still valid is asked without them, and in full.
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
        clock: Its date is what they end by.
    """

    def __init__(self, clock: Clock) -> None:
        self._jar = Jar()
        self._now = clock.wall

    def header(self, url: URL, given: str = "") -> str:
        """What is sent there, "" for none; `given` is what the user sends."""
        return self._jar.header(given=given, now=self._now(), **_place(url))

    def onto(self, headers: Head, url: URL) -> Head:
        """The headers with them."""
        own = "; ".join(headers.getall("Cookie", []))
        cookies = self.header(url, own)
        if cookies == own:
            return headers
        headers = CIMultiDict(headers)
        headers["Cookie"] = cookies
        return headers

    def keep(self, headers: CIMultiDictProxy[str], url: URL) -> None:
        """Keep what an answer sets."""
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
        proxies: Whether its proxies are asked about; its passwords always are.
    """

    def __init__(self, *, proxies: bool) -> None:
        self._proxies = proxies

    async def onto(self, headers: Head, url: URL) -> tuple[Head, str | None]:
        """The headers with the password for that host, if there is one, and the proxy to be used, if any.

        Raises:
            ConfigError: The proxy is none.
        """
        proxy = self.proxy(url) if self._proxies else None
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
            ConfigError: It is none.
        """
        found = proxy_for(os.environ, scheme=url.scheme, host=url.raw_host or "", port=url.port)
        return None if found is None else checked_proxy(found, f"the environment's proxy for {url.scheme}: ")


def checked_proxy(proxy: str, said: str = "proxy=") -> str:
    """A proxy that can be used.

    Raises:
        ConfigError: It can't.
    """
    url = parse_url(proxy)
    if url.scheme not in {"http", "https"} or not url.raw_host:
        raise ConfigError(f"{said}{redact_url(url)!r}: give http://host:port; SOCKS needs a session= of your own")
    return proxy


@lru_cache(maxsize=32)
def through(proxy: str) -> Mapping[str, Any]:
    """What aiohttp is told of a proxy. Of user-info outside ASCII it would make Latin-1, or nothing."""
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
    """The user-info that `.netrc` has for a host, or None; a file that can't be read is told in the log."""
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
def _netrc(path: str, changed: int, size: int) -> netrc.netrc:  # noqa: ARG001 - they tell another content
    return netrc.netrc(path)
