"""Hand a client's TLS settings to qh3, which verifies certificates itself, and check pinned keys.

Rules:
1. Authorities and the client certificate are those of the TCP side at this moment (`Handshakes`): they are handed over
   anew when its files were renewed. Where the system keeps its authorities to itself (macOS, Windows), qh3 takes those
   that Python's ssl module finds.
2. The certificate must be for the origin, whatever the host of the alternative is (RFC 9114 section 3.3).
3. A pin proves something only where its key was used to verify: that of the server's own certificate, or that of an
   authority or intermediate from which a verified chain leads to it. A server may send any certificate beside its own.
4. qh3 can't read a private key that is encrypted.
"""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from qh3._hazmat import ServerVerifier
from qh3.quic.configuration import QuicConfiguration

from asyncapi.errors import ConfigError
from asyncapi.sansio.http.pins import pin

if TYPE_CHECKING:
    from asyncapi.transports.tls import Handshakes

IDLE = 30.0  # seconds without a sign of life after which both sides give a connection up
STREAM_WINDOW = 1024 * 1024  # bytes that a server may send on one stream before we have taken any
WINDOW = 16 * 1024 * 1024  # the same for the whole connection

_CERTIFICATES = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\s*")
_KEY = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)


class Trust:
    """Whom the connections of a client trust, and who they are.

    Args:
        tls: The client's TLS settings.

    Raises:
        ConfigError: The client certificate can't be used by qh3 (rule 4).
    """

    def __init__(self, tls: Handshakes) -> None:
        self._tls = tls
        self._authorities: list[bytes] | None = None
        self._pem: bytes | None = None
        self._client: tuple[bytes, bytes] | None = None
        self._renewals = -1
        self._renew()

    def configuration(self, host: str) -> QuicConfiguration:
        """Make the configuration of a connection.

        Args:
            host: The host of the origin: what the certificate must be for (rule 2).
        """
        self._renew()
        configuration = QuicConfiguration(
            alpn_protocols=["h3"],
            server_name=host.partition("%")[0].rstrip("."),
            verify_mode=ssl.CERT_REQUIRED if self._tls.verify else ssl.CERT_NONE,
            cadata=self._pem,
            idle_timeout=IDLE,
            max_data=WINDOW,
            max_stream_data=STREAM_WINDOW,
            probe_datagram_size=False,  # probes need sockets that don't fragment, which asyncio doesn't give
        )
        if self._client is not None:
            configuration.load_cert_chain(*self._client)
        return configuration

    def proves(self, host: str, certificates: list[bytes]) -> bool:
        """Whether a server, which was verified where we verify, has one of the keys that are pinned for its host.

        Args:
            host: The host of the origin.
            certificates: What the server sent, in DER, its own first.
        """
        wanted = set(self._tls.pins_of(host))
        if not wanted:
            return True
        if not certificates:
            return False
        own, *sent = certificates
        if pin(own) in wanted:
            return True
        if not self._tls.verify:
            return False
        pinned = [each for each in (*sent, *(self._authorities or ())) if pin(each) in wanted]
        if not pinned:
            return False
        name = host.partition("%")[0].rstrip(".")
        try:
            ServerVerifier(pinned).verify(own, sent, name, b"")  # rule 3
        except Exception:
            return False
        return True

    def _renew(self) -> None:
        """Take over new files, where there are any (rule 1)."""
        self._tls.context()
        if self._tls.renewals == self._renewals:
            return
        authorities = self._tls.authorities() if self._tls.verify else []
        self._client = _client(self._tls)
        self._authorities = authorities
        self._pem = None if authorities is None else "".join(map(ssl.DER_cert_to_PEM_cert, authorities)).encode()
        self._renewals = self._tls.renewals


def _client(tls: Handshakes) -> tuple[bytes, bytes] | None:
    """Read the client certificate and its key.

    Raises:
        ConfigError: qh3 can't use them.
    """
    if tls.client_files is None:
        return None
    cert, key, _ = tls.client_files
    certificates = b"".join(_CERTIFICATES.findall(Path(cert).read_bytes()))
    found = _KEY.search(Path(key).read_bytes())
    if found is None or b"ENCRYPTED" in found[0]:
        raise ConfigError(
            f"http3= can't use the key in {key!r}: HTTP/3 needs one without a password; decrypt the file, or leave "
            "http3= out"
        )
    return certificates, found[0]
