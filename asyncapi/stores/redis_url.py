"""Read the URL of a Redis server, and show it without its user and password."""

from __future__ import annotations

from urllib.parse import urlsplit

from asyncapi.errors import ConfigError
from asyncapi.redact import MASK, redact_broken, redact_url

_SCHEMES = ("redis", "rediss", "unix")


def check_url(url: str) -> str:
    """Check the URL of a server, and return it.

    Raises:
        ConfigError: It is no such URL; the message has no password.
    """
    if not isinstance(url, str):
        raise ConfigError(f"Redis({url!r}): give its URL as text: redis://host:6379/0")
    try:
        parts = urlsplit(url)
        named = parts.port is not None or bool(parts.hostname) or (parts.scheme == "unix" and bool(parts.path))
    except ValueError:
        parts, named = None, False
    if parts is None or parts.scheme not in _SCHEMES or not named:
        shown = redact_broken(url) if "//" in url else f"{MASK}{url[url.rfind('@') :]}" if "@" in url else url
        raise ConfigError(f"Redis({shown!r}): give redis://host:6379/0, rediss:// for TLS, or unix:///path/of/socket")
    if parts.scheme != "unix" and not (number := parts.path.strip("/")).isdecimal() and number:
        raise ConfigError(f"Redis({shown_url(url)!r}): what follows the / is the number of a database, not a name")
    return url


def shown_url(url: str) -> str:
    """Return a server's URL without its user, its password and its query."""
    return redact_url(url.partition("?")[0])
