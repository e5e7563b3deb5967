"""Names that resolve as a test says, on every lane: what both ask in the end is the event loop.

names = resolving(monkeypatch)
names["h.example"] = itertools.repeat(["127.0.0.2"])
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import aiohttp

from asyncapi.transports.aiohttp import AioHTTPTransport

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from asyncapi import Client


def resolving(monkeypatch: pytest.MonkeyPatch) -> dict[str, Iterator[list[str]]]:
    """Answer the look-ups of the running loop from a dict: each look-up takes the next list of addresses of its name.

    A name that is not in the dict does not resolve. Addresses are looked up as ever.
    """
    known: dict[str, Iterator[list[str]]] = {}
    loop = asyncio.get_running_loop()
    usual = loop.getaddrinfo

    async def getaddrinfo(host: str, port: int, **how: Any) -> list[Any]:
        if _is_address(host):
            return await usual(host, port, **how)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        numeric = {"type": socket.SOCK_STREAM, "flags": socket.AI_NUMERICHOST}
        return [entry for address in next(known[host]) for entry in await usual(address, port, **numeric)]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(aiohttp.connector, "DefaultResolver", aiohttp.ThreadedResolver)  # aiodns asks no loop
    return known


def forget(api: Client) -> None:
    """Have a client look names up again for its next connections."""
    transport: Any = api._transport
    if isinstance(transport, AioHTTPTransport):
        if transport._session is not None:
            transport._session.connector.clear_dns_cache()
    elif transport._pool is not None:
        transport._pool.dialer.names.forget()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
