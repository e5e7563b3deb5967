"""What a client shows to servers beside `auth=`: clients that share a store must not take each other's responses."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from asyncapi.redact import is_secret
from asyncapi.settings import TLS

if TYPE_CHECKING:
    import aiohttp


def shown_to_servers(tls: Any, session: aiohttp.ClientSession | None, *, trust_env: bool) -> str:
    """Hash the client certificate, the credentials of a session, and the passwords of .netrc; "" where there are none.

    A session whose connector has TLS settings of its own may show any certificate: nobody else's is taken for its own.

    Args:
        tls: The setting of the client.
        session: The session that the client uses, if it is the user's own.
        trust_env: Whether the client sends passwords of .netrc.
    """
    found: list[object] = []
    if isinstance(tls, TLS) and tls.cert is not None:
        found.append(_content(Path(tls.cert)))
    if trust_env:
        found.append(_content(Path(os.environ.get("NETRC") or "~/.netrc")))
    if session is not None:
        found += sorted((name.lower(), value) for name, value in session.headers.items() if is_secret(name))
        found.append(getattr(session, "auth", None))
        if not isinstance(getattr(session.connector, "_ssl", True), bool):
            found.append(token_hex())
    found = [each for each in found if each]
    return f"shows {sha256(repr(found).encode('utf-8', 'surrogatepass')).hexdigest()}" if found else ""


def _content(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except (OSError, RuntimeError):  # whoever needs the file says so
        return b""
