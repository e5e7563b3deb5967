"""Read base URLs: what relative URLs are joined to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.messages.target import Target
from asyncapi.messages.uri import has_dot_segments, parse_url
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from yarl import URL

_SOCKETS = {"ws": "http", "wss": "https"}


def base_of(base_url: str | URL, setting: str = "base_url") -> str:
    """Return a base URL without its last slash; "" for none.

    Args:
        base_url: As the user gave it.
        setting: What errors call it.

    Raises:
        ConfigError: It can't be one.
    """
    if not base_url:
        return ""
    url = parse_url(base_url)
    if url.scheme in _SOCKETS:
        instead = _SOCKETS[url.scheme]
        raise ConfigError(f"{setting}={redact_url(url)!r}: write {instead}://; client.websocket() opens sockets there")
    if url.scheme not in {"http", "https"} or not url.host_port_subcomponent:
        raise ConfigError(f"{setting}={redact_url(url)!r}: give an absolute URL, like https://api.example.com/v1")
    if url.raw_query_string or url.raw_fragment or url.raw_path.endswith("?"):
        raise ConfigError(f"{setting}={redact_url(url)!r}: it has a query or fragment; give params= instead")
    if has_dot_segments(url.raw_path):
        raise ConfigError(f"{setting}={redact_url(url)!r}: a '.' or '..' in its path: write the path that you mean")
    return str(url).rstrip("/")


def root_of(base: str) -> Target:
    """Return the target whose text a path is appended to."""
    root = Target.of(f"{base}/")
    return Target(root.text[:-1], root.host, root.path[:-1], secure=root.secure)
