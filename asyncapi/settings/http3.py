"""The setting of HTTP/3."""

from typing import Any, Literal

from asyncapi.errors import ConfigError


def http3_of(choice: Any) -> Literal[False, True, "prior"]:
    """Read `Client(http3=)`: whether HTTP/3 is spoken where an origin offers it, or tried without an offer ("prior").

    Raises:
        ConfigError: It is something else.
    """
    if choice is False or choice is None:
        return False
    if choice is True:
        return True
    if choice == "prior":
        return "prior"
    raise ConfigError(f"http3={choice!r}: give True, False or 'prior'")
