"""SSL contexts from plain settings."""

from __future__ import annotations

import ssl
from pathlib import Path

from asyncapi.errors import ConfigError

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def context(
    *,
    ca: str | None = None,
    cert: str | None = None,
    key: str | None = None,
    password: str | None = None,
    verify: bool = True,
    min_version: str = "1.2",
) -> ssl.SSLContext:
    """A client's SSL context.

    Raises:
        ConfigError: A file is missing or is not what it should be.
    """
    made = ssl.create_default_context()
    made.minimum_version = _VERSIONS[min_version]
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        made = _trusting(ca)
        made.minimum_version = _VERSIONS[min_version]
    if cert is not None:
        try:
            made.load_cert_chain(cert, key, password)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"TLS(cert={cert!r}): {error}; give a PEM file, and key= if the key is apart") from error
    return made


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        if Path(ca).is_dir():
            return ssl.create_default_context(capath=ca)
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"tls={ca!r}: {error}; give a PEM file of certificate authorities") from error
