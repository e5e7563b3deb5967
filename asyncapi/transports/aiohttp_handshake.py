"""The handshake of a WebSocket over aiohttp (RFC 6455 section 4): what is asked for, and what is granted."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING

from aiohttp import hdrs
from aiohttp.http_websocket import WS_KEY, WSHandshakeError, ws_ext_gen, ws_ext_parse
from multidict import CIMultiDict

from asyncapi.errors import final_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncapi.messages.request import Request
    from asyncapi.messages.upgrade import Upgrade


def asked(request: Request, upgrade: Upgrade) -> tuple[Request, str]:
    """Write the handshake onto a copy of the request; return it with the value that the server has to prove it read."""
    key = base64.b64encode(os.urandom(16)).decode()
    headers = CIMultiDict(request.headers)
    headers[hdrs.UPGRADE], headers[hdrs.CONNECTION] = "websocket", "Upgrade"
    headers[hdrs.SEC_WEBSOCKET_VERSION], headers[hdrs.SEC_WEBSOCKET_KEY] = "13", key
    if upgrade.subprotocols:
        headers[hdrs.SEC_WEBSOCKET_PROTOCOL] = ", ".join(upgrade.subprotocols)
    if upgrade.compress:
        headers[hdrs.SEC_WEBSOCKET_EXTENSIONS] = ws_ext_gen()
    return request.copy(headers=headers), key


def chosen_protocol(headers: Mapping[str, str], key: str, upgrade: Upgrade) -> str | None:
    """Check the server's handshake (RFC 6455 section 4.2.2); return the subprotocol that it has chosen."""
    proof = base64.b64encode(hashlib.sha1(key.encode() + WS_KEY, usedforsecurity=False).digest()).decode()
    connection = {token.strip().lower() for token in headers.get(hdrs.CONNECTION, "").split(",")}
    if headers.get(hdrs.UPGRADE, "").strip().lower() != "websocket" or "upgrade" not in connection:
        raise final_error("the server changes to another protocol than WebSocket")
    if headers.get(hdrs.SEC_WEBSOCKET_ACCEPT, "").strip() != proof:
        raise final_error("the handshake failed: Sec-WebSocket-Accept is not the proof that was asked for")
    chosen = headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
    if chosen is not None and chosen not in upgrade.subprotocols:
        raise final_error(f"the handshake failed: the server speaks {chosen!r:.60}, which was not offered")
    return chosen


def compression(headers: Mapping[str, str], upgrade: Upgrade) -> tuple[int, bool]:
    """Read what the server has accepted (RFC 7692).

    Returns:
        tuple[int, bool]: The bits of the window, 0 for no compression; whether each message is compressed by itself.
    """
    accepted = headers.get(hdrs.SEC_WEBSOCKET_EXTENSIONS, "")
    if not accepted.strip():
        return 0, False
    try:
        bits, no_takeover = ws_ext_parse(accepted) if upgrade.compress else (0, False)
    except WSHandshakeError:
        bits, no_takeover = 0, False
    if not bits:
        raise final_error(f"the handshake failed: the server uses {accepted!r:.80}, which was not offered")
    return bits, no_takeover
