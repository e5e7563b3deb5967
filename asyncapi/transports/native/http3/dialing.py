"""Make a new HTTP/3 connection: look the alternative's name up, check its addresses, shake hands, check the pins.

Rules:
1. The guard covers the alternative as it covers an origin: its host, and the addresses that are used.
2. Nothing here is an error of the call's: the TCP side is tried beside it, and raises its own. `Unreachable` says why.
3. Addresses are tried one after the other where the network refuses them at once. One that stays silent has the time
   of the whole attempt: the race with TCP bounds it.
4. What fails or is cancelled leaves no socket.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError
from asyncapi.transports.failures import place_name
from asyncapi.transports.native.http3.connection import HTTP3Connection

if TYPE_CHECKING:
    from asyncapi.sansio.http.altsvc import Alternative
    from asyncapi.sansio.http.field_sections import Section
    from asyncapi.transports.native.dialing.names import Address
    from asyncapi.transports.native.dialing.place import Place
    from asyncapi.transports.native.http3.trust import Trust
    from asyncapi.transports.native.origins import Pool

_RECEIVE_BUFFER = 1024 * 1024  # bytes: one burst of a server must fit in, while the loop does something else
# ip(7): do not fragment (RFC 9000 section 14); the numbers are Linux's, which the socket module lacks
_DONT_FRAGMENT = ((socket.IPPROTO_IP, 10, 2), (socket.IPPROTO_IPV6, 23, 2)) if sys.platform == "linux" else ()


class Unreachable(Exception):
    """There is no HTTP/3 connection to be had; the text says why, for logs (rule 2)."""


async def dial(pool: Pool, place: Place, alternative: Alternative, trust: Trust, *, named: bool) -> HTTP3Connection:
    """Make a connection to a place, over its alternative.

    Args:
        pool: What the connection belongs to; its dialer looks names up.
        place: The origin: what the certificate must be for.
        alternative: Where the connection leads to.
        trust: Whom to trust.
        named: Whether requests say which alternative they are sent to (RFC 7838 section 5).

    Raises:
        Unreachable: It can't be made.
    """
    host = alternative.host or place.host
    try:
        addresses = await pool.dialer.addresses(host, alternative.port)
    except AsyncAPIError as error:  # rule 1
        raise Unreachable(error.message) from None
    used = place_name(host, alternative.port).encode("ascii", "replace")
    extra: Section = [(b"alt-used", used)] if named else []
    why = "it has no address"
    for address in addresses:
        connection = HTTP3Connection(
            pool,
            place.authority,
            trust.configuration(place.host),
            lambda certificates: trust.proves(place.host, certificates),
            extra,
        )
        try:
            why = await _opened(connection, pool, address)
        except OSError as error:
            why = str(error)
        if not why:
            return connection
    raise Unreachable(why)


async def _opened(connection: HTTP3Connection, pool: Pool, address: Address) -> str:
    """Open a connection to an address; returns "", or why that failed (rule 4)."""
    family, _, _, _, peer = address
    wire = socket.socket(family, socket.SOCK_DGRAM)
    try:
        wire.settimeout(0)
        with contextlib.suppress(OSError):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        for option in _DONT_FRAGMENT:
            with contextlib.suppress(OSError):
                wire.setsockopt(*option)
        wire.connect(peer)
        await pool.loop.create_datagram_endpoint(lambda: connection.wire, sock=wire)
    except BaseException:
        connection.close()
        if not connection.wire.attached:  # else the socket is the transport's, which closes it
            wire.close()
        raise
    try:
        # a zone is of no use to QUIC, which never connects by itself
        connection.begin(wire, (peer[0].partition("%")[0], peer[1]))
        return await connection.opened
    except BaseException:
        connection.close()
        raise
