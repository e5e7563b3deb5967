"""Tell the origin of a URL (RFC 6454), to which a credential is bound. A default port counts whether written or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.redact import is_secret

if TYPE_CHECKING:
    from yarl import URL

Origin = tuple[str, str | None, int | None]


def origin(url: URL) -> Origin:
    """The scheme, host and port of a URL (RFC 6454 section 4)."""
    return url.scheme, url.raw_host, url.port


def bound(name: str) -> bool:
    """Whether a header of this name may go to its own origin alone: a credential, or the host's name."""
    return name.lower() == "host" or is_secret(name)
