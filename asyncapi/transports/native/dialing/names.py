"""Look names up, and keep the addresses for a while.

Rules:
1. Addresses are kept for 10 seconds, of at most 1,000 names; a failure is not kept.
2. Those who wait for the same name share one lookup. It ends with the last of them: a waiter that is cancelled takes
   nothing from the others, and no lookup is left when nobody waits.
3. Each connection begins with the next of a name's addresses, so that they share the load.
4. An address needs no lookup.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.clock import Clock

Address = tuple[int, int, int, str, Any]
"""A family, a type, a protocol, a canonical name and a socket address: an entry of `getaddrinfo`."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Looks a name up, for connections to a port. It raises an OSError where that fails."""

KEPT_SECONDS = 10.0
KEPT_NAMES = 1000


async def from_system(host: str, port: int) -> Sequence[Address]:
    """Look a name up as the system does, in a thread of the loop's; the addresses of families that it has."""
    loop = asyncio.get_running_loop()
    try:
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except socket.gaierror:
        if host.rstrip(".").lower() != "localhost":
            raise
        # without a network, AI_ADDRCONFIG leaves some systems no address at all
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def address_of(host: str, port: int) -> list[Address] | None:
    """The one address that a host is, or None if it is a name (rule 4).

    Raises:
        OSError: Its zone names no interface.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if address.version == 4:  # noqa: PLR2004
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    plain, _, zone = host.partition("%")
    interface = int(zone) if zone.isdecimal() else socket.if_nametoindex(zone) if zone else 0  # RFC 4007 section 11.2
    return [(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (plain, port, 0, interface))]


@dataclass(slots=True, eq=False)
class _Lookup:
    task: asyncio.Future[Sequence[Address]]
    waiters: int = 0


class Names:
    """The names of one client.

    Args:
        clock: Says when addresses are outdated.
        resolve: Looks a name up; the system by default.
    """

    def __init__(self, clock: Clock, resolve: Resolve | None = None) -> None:
        self._now = clock.now
        self._resolve = resolve
        self._kept: dict[tuple[str, int], tuple[float, list[Address]]] = {}  # the oldest first
        self._under_way: dict[tuple[str, int], _Lookup] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, the one to begin with first; a list that the caller may change.

        Raises:
            OSError: The name does not resolve.
            UnicodeError: It is not a name.
        """
        found = address_of(host, port)
        if found is not None:
            return found
        key = host, port
        if (kept := self._next(key)) is not None:
            return kept
        lookup = self._under_way.get(key)
        if lookup is None:
            lookup = self._under_way[key] = self._look_up(key)
        lookup.waiters += 1
        try:
            await asyncio.shield(lookup.task)
        finally:
            lookup.waiters -= 1
            if not lookup.waiters:
                self._end(key, lookup)
        return self._next(key) or list(lookup.task.result())

    def forget(self) -> None:
        """Have names looked up again."""
        self._kept.clear()

    def _look_up(self, key: tuple[str, int]) -> _Lookup:
        task = asyncio.ensure_future((self._resolve or from_system)(*key))
        lookup = _Lookup(task)

        def done(_: asyncio.Future[Sequence[Address]]) -> None:
            if self._under_way.get(key) is lookup:
                del self._under_way[key]
            # a failure that nobody waits for any more is nobody's
            if not task.cancelled() and task.exception() is None:
                self._keep(key, task.result())

        task.add_done_callback(done)
        return lookup

    def _end(self, key: tuple[str, int], lookup: _Lookup) -> None:
        if self._under_way.get(key) is lookup:
            del self._under_way[key]
        lookup.task.cancel()

    def _keep(self, key: tuple[str, int], found: Sequence[Address]) -> None:
        self._kept.pop(key, None)
        self._kept[key] = self._now() + KEPT_SECONDS, list(found)
        if len(self._kept) > KEPT_NAMES:
            del self._kept[next(iter(self._kept))]

    def _next(self, key: tuple[str, int]) -> list[Address] | None:
        """The addresses that are kept of a name, in turns (rule 3)."""
        until, found = self._kept.get(key, (0.0, []))
        if not found or until <= self._now():
            return None
        given = list(found)
        found.append(found.pop(0))
        return given
