"""The settings of TLS."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY
from typing import TYPE_CHECKING, Annotated, Any, Literal

from asyncapi.errors import ConfigError
from asyncapi.sansio.http import pins as forms
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Before

if TYPE_CHECKING:
    from pydantic import SecretStr


def _path(given: Any) -> Any:
    return os.fspath(given) if isinstance(given, os.PathLike) else given


def _several(pins: Any) -> tuple[str, ...]:
    texts = (pins,) if isinstance(pins, str) else pins
    if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
        raise ValueError("give pins as text, sha256/...=: one or several, or several for each host in a mapping")
    if not texts:
        raise ValueError("give at least one pin, better two: the key in use and the next one")
    return tuple(dict.fromkeys(forms.parse(text) for text in texts))


def _pins(pins: Any) -> Any:
    """Normalise pins to a tuple, or to one for each host."""
    if pins is None:
        return None
    if isinstance(pins, Mapping):
        return {str(host).lower().rstrip("."): _several(several) for host, several in pins.items()}
    return _several(pins)


Path = Annotated[str, Before(_path)]
Pins = Annotated[Sequence[str] | Mapping[str, Sequence[str]] | None, Before(_pins)]


@settings
class TLS:
    """Say how the server's certificate is checked, and which client certificate is shown.

    Files are read again when they change: a new connection uses the newest files that belong together.

    Attributes:
        ca: A file or folder of certificate authorities (PEM) to trust instead of the system's.
        cert: A client certificate (PEM, with its chain), for servers that ask for one.
        key: The private key of `cert`, if it is not in the same file.
        password: The password of the private key.
        verify: False accepts any certificate: anyone between you and the server can read and change everything, unless
            `pins` are given.
        min_version: The oldest version of TLS to accept; "1.2" by default.
        pins: Public keys, one of which the server's chain must have: `sha256/...=`, the base64 SHA-256 of a
            SubjectPublicKeyInfo (RFC 7469 section 2.4). Several for all hosts, or for each: `{"h.example": [...]}`.
    """

    _: KW_ONLY
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    password: "SecretStr | None" = None  # settings.base knows the name
    verify: bool = True
    min_version: Literal["1.2", "1.3"] = "1.2"
    pins: Pins = None

    def __post_init__(self) -> None:
        """Check that the settings go together."""
        if self.cert is None and (self.key is not None or self.password is not None):
            raise ConfigError("TLS(key=..., password=...) belong to a certificate: give cert= too")
        if not self.verify and self.ca is not None:
            raise ConfigError(
                "TLS(ca=..., verify=False): ca= has no effect where certificates aren't verified; leave one of them out"
            )
