"""Ask the system and TLS what asyncio does not tell of a connection."""

from __future__ import annotations

import select
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL: Any = getattr(select, "poll", None)  # Windows has no poll()


def heard(transport: Any) -> Callable[[int], Any]:
    """Return a function that asks the system whether bytes, or the end, have come that the loop has not seen."""
    socket = transport.get_extra_info("socket")
    if _POLL is None or socket is None or socket.fileno() < 0:
        return bool  # of its 0: no
    poll = _POLL()
    poll.register(socket.fileno(), select.POLLIN)
    heard: Callable[[int], Any] = poll.poll
    return heard


def ended_in_order(transport: Any) -> bool:
    """Whether what goes on to the end of a connection is whole: TLS must have said so (RFC 9112 section 9.8).

    Without its word, anybody on the way could have cut the body off.
    """
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return True
    try:
        return not tls.read(1)
    except ssl.SSLZeroReturnError:
        return True
    except ssl.SSLError:  # it would wait for more
        return False
