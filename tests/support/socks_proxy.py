"""A SOCKS proxy in a few lines, as a script of `servers.scripted`: it notes what it is asked, and opens the tunnel."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from servers import Peer, tunnelled

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SUCCEEDED, REFUSED = 0, 5  # RFC 1928 section 6


@dataclass
class Socks:
    """What a proxy was asked.

    Attributes:
        login: The user and the password that it wants, or None.
        reply: Its reply to each request.
        asked: The hosts and ports it was asked for, hosts as they came.
        logins: The users and passwords that came; of SOCKS4, the users.
    """

    login: tuple[bytes, bytes] | None = None
    reply: int = SUCCEEDED
    asked: list[tuple[str, int]] = field(default_factory=list)
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def script(self) -> Callable[[Peer], Awaitable[None]]:
        """The script."""
        return self._serve

    async def _serve(self, peer: Peer) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            version = (await peer.reader.readexactly(1))[0]
            port = await (self._five(peer) if version == 5 else self._four(peer))
            if port is not None:
                await tunnelled(peer, port)

    async def _five(self, peer: Peer) -> int | None:
        """RFC 1928, and RFC 1929 for the login."""
        read = peer.reader.readexactly
        methods = await read((await read(1))[0])
        wanted = 0 if self.login is None else 2
        await peer.write(bytes([5, wanted if wanted in methods else 255]))
        if wanted not in methods:
            return None
        if self.login is not None:
            await read(1)
            user = await read((await read(1))[0])
            password = await read((await read(1))[0])
            self.logins.append((user, password))
            await peer.write(bytes([1, (user, password) != self.login]))
            if (user, password) != self.login:
                return None
        kind = (await read(4))[3]
        if kind == 3:
            host = (await read((await read(1))[0])).decode()
        else:
            host = ".".join(str(each) for each in await read(4)) if kind == 1 else (await read(16)).hex()
        return await self._asked(peer, host, int.from_bytes(await read(2), "big"), 5)

    async def _four(self, peer: Peer) -> int | None:
        read = peer.reader.readexactly
        await read(1)
        port, address = int.from_bytes(await read(2), "big"), await read(4)
        self.logins.append(((await peer.reader.readuntil(b"\0"))[:-1], b""))
        host = ".".join(str(each) for each in address)
        if host.startswith("0.0.0."):  # 4a
            host = (await peer.reader.readuntil(b"\0"))[:-1].decode()
        return await self._asked(peer, host, port, 4)

    async def _asked(self, peer: Peer, host: str, port: int, version: int) -> int | None:
        self.asked.append((host, port))
        if version == 5:
            await peer.write(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        else:
            await peer.write(bytes([0, 0x5B if self.reply else 0x5A, 0, 0, 0, 0, 0, 0]))
        return None if self.reply else port
