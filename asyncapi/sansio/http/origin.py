"""The origin of a URL (RFC 6454): what a credential is bound to. A default port is the same written or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.redact import is_secret

if TYPE_CHECKING:
    from yarl import URL

Origin = tuple[str, str | None, int | None]


def origin(url: URL) -> Origin:
    """Scheme, host and port."""
    return url.scheme, url.raw_host, url.port


def bound(name: str) -> bool:
    """Whether a header of this name is for its own origin alone: a credential, or the origin's name."""
    return name.lower() == "host" or is_secret(name)
