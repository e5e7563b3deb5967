"""Make the TLS context of every new connection: it follows its files, and checks the pins of the server's key.

Rules:
1. truststore finds the system's trust store. Where OpenSSL verifies (everywhere but macOS and Windows) truststore would
   read the store again for every handshake, 20 ms each: it is read once, and the loaded context is used from then on.
2. `SSL_CERT_FILE` and `SSL_CERT_DIR` mean what they mean to OpenSSL, on every system.
3. Files are checked when a connection is made, never for one that is reused. A change takes effect when no file is
   younger than `SETTLED` seconds (it may still be being written) and certificate and key belong together; until then
   the last good files stay in use. The recorded state of the files is therefore never newer than what was read. Files
   that were merely touched change nothing.
4. A context is never changed once it is in use: a new one replaces it.
5. The protocols that a connection offers (ALPN, RFC 7301) belong to its context, so each offer has one of its own.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from asyncapi.errors import ConfigError, InsecureTLSWarning, TLSError
from asyncapi.sansio.http.pins import pin

log: logging.Logger = logging.getLogger("asyncapi")

SETTLED = 1.0  # seconds after which a file that was written is taken to be complete
NATIVE = sys.platform in {"darwin", "win32"}  # the system itself verifies, not OpenSSL
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

HTTP_1: tuple[str, ...] = ("http/1.1",)
"""The offer of a connection that speaks HTTP/1.1 alone."""
HTTP_2: tuple[str, ...] = ("h2",)
"""The offer of a connection that speaks HTTP/2 alone."""
EITHER: tuple[str, ...] = (*HTTP_2, *HTTP_1)
"""The offer of a connection that speaks HTTP/2, or HTTP/1.1 where the server does not (RFC 9113 section 3.2)."""

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")

Mark = tuple[int, int, int] | None


class Handshakes:
    """Makes the contexts of a client's TLS connections, and checks pinned keys.

    Attributes:
        pins: The pins of all hosts, or for each host; None without pins.
        verify: Whether certificates are verified.
        renewals: How often new files have replaced those in use: connections made before the last time are outdated.

    Args:
        ca: A file or folder of authorities, instead of the system's.
        cert: The client certificate.
        key: Its private key, if not in the same file.
        password: The password of the private key.
        verify: Whether the server's certificate is verified.
        min_version: The oldest TLS version to accept.
        pins: The pins of all hosts, or for each host.

    Raises:
        ConfigError: A file is missing, or has another content than it should.
    """

    def __init__(
        self,
        *,
        ca: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        password: str | None = None,
        verify: bool = True,
        min_version: str = "1.2",
        pins: Sequence[str] | Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._ca, self._cert, self._key, self._password = ca, cert, key, password
        self.verify = verify
        self._min_version = min_version
        self.pins = pins
        self.renewals: int = 0
        self._paths = [path for path in (ca, cert, key) if path is not None and not os.path.isdir(path)]  # noqa: PTH112
        self._seen: list[Mark] | None = None
        self._digests: list[bytes] = []
        self._warned: set[str] = set()
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}  # by their offers (rule 5)
        if self._paths or ca is not None:
            self.context()

    def context(self, offer: tuple[str, ...] = HTTP_1) -> ssl.SSLContext:
        """Return the context of the next connection (rule 3).

        A transport asks once as it is made for every offer that it will use: from then on, files that can't be used are
        never its connections' trouble.

        Args:
            offer: The protocols to offer by ALPN, best first.

        Raises:
            ConfigError: The first context of this offer can't be made from the files.
        """
        if not self._contexts:
            # marks before contents: a change in between is noticed next time (rule 3)
            marks, self._digests = _marks(self._paths), _digests(self._paths)
            self._contexts[offer] = self._make(offer)
            self._seen = marks if _settled(marks) else None
        elif self._paths and (marks := _marks(self._paths)) != self._seen and _settled(marks):
            self._renew(marks)
        found = self._contexts.get(offer)
        if found is None:
            found = self._contexts[offer] = self._make(offer)
        return found

    def pins_of(self, host: str) -> Sequence[str]:
        """Return the pins of a host; empty if it has none."""
        pins = self.pins
        if isinstance(pins, Mapping):
            pins = pins.get(host.lower().rstrip("."))
        return pins or ()

    def unproven(self, host: str) -> bool:
        """Whether any server can pass for this host: no verification and no pins."""
        return not self.verify and not self.pins_of(host)

    def warn(self, place: str, host: str) -> None:
        """Warn, once for each place, that a server's certificate is not verified.

        Args:
            place: The host and port, as the warning names them.
            host: The host alone, which pins may prove.
        """
        if place in self._warned:
            return
        self._warned.add(place)
        if self.unproven(host):
            message = (
                f"tls=False: the certificate of {place} is not verified; anyone on the way can read and change this"
            )
            log.warning(message)
            warnings.warn(message, InsecureTLSWarning, stacklevel=3)

    @property
    def client_files(self) -> tuple[str, str, str | None] | None:
        """The files of the client certificate and of its key, and the key's password; None without one."""
        return None if self._cert is None else (self._cert, self._key or self._cert, self._password)

    def authorities(self) -> list[bytes] | None:
        """Return the authorities that the next connection trusts, in DER; None where the system keeps them to itself.

        It is for libraries that verify certificates themselves.
        """
        context = self.context()
        if _is_system(context):
            return None
        found: list[bytes] = context.get_ca_certs(binary_form=True)
        folder: str | None = self._ca if self._ca is not None else ssl.get_default_verify_paths().capath
        if not found and folder is not None and Path(folder).is_dir():  # OpenSSL reads a folder when it needs it
            found = [certificate for path in sorted(Path(folder).iterdir()) for certificate in _certificates(path)]
        return list(dict.fromkeys(found))

    def check(self, host: str, transport: Any) -> None:
        """Check the key of a server before anything is sent to it, and hang up on a wrong one.

        Raises:
            TLSError: The key is not pinned.
        """
        wanted = self.pins_of(host)
        if not wanted:
            return
        shown = [pin(certificate) for certificate in self._chain(transport.get_extra_info("ssl_object"))]
        if not set(wanted).isdisjoint(shown):
            return
        transport.abort()
        own = f"its key is {shown[0]}" if shown else "it shows no key"
        raise TLSError(
            f"TLS: the key of {host} is not pinned: {own}, pinned are {', '.join(wanted)}; if the server's key was "
            "changed on purpose, add its pin to TLS(pins=...); otherwise somebody may be intercepting the connection"
        )

    def _chain(self, shown: Any) -> list[bytes]:
        """Return the verified certificates, the server's own first: only verified ones prove anything."""
        own: bytes | None = shown.getpeercert(binary_form=True)
        if own is None:
            return []
        # where nothing is verified, or the system verifies, only the server's own certificate is certain
        if not self.verify or _is_system(next(iter(self._contexts.values()), None)):
            return [own]
        if sys.version_info >= (3, 13):
            return shown.get_verified_chain() or [own]
        verified = shown._sslobj.get_verified_chain()  # noqa: SLF001 - public from 3.13 on
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in verified or ()] or [own]

    def _renew(self, marks: list[Mark]) -> None:
        self._seen, digests = marks, _digests(self._paths)
        if digests == self._digests:
            return
        try:
            self._contexts = {offer: self._make(offer) for offer in self._contexts}
        except ConfigError as error:
            log.warning("new TLS files are not used, the last good ones stay in use: %s", error.message)
        else:
            self._digests = digests
            self.renewals += 1
            log.info("new TLS files are in use: %s", ", ".join(self._paths))

    def _make(self, offer: tuple[str, ...]) -> ssl.SSLContext:
        context = self._trusting(offer)
        if self._cert is not None:
            _show(context, self._cert, self._key, self._password)
        return context

    def _trusting(self, offer: tuple[str, ...]) -> ssl.SSLContext:
        if not self.verify:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self._ca is not None:
            context = _authorities(self._ca)
        elif self._cert is None and self._min_version == "1.2":
            return _shared(offer, *_environment())
        else:
            context = _system()
        context.minimum_version = _VERSIONS[self._min_version]
        context.set_alpn_protocols(offer)
        return context


def _environment() -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"))


@lru_cache(maxsize=16)
def _shared(offer: tuple[str, ...], *environment: str | None) -> ssl.SSLContext:  # noqa: ARG001 - what it was made from
    """The context that all clients without TLS settings share, one for each offer."""
    context = _system()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(offer)
    return context


def _is_system(context: ssl.SSLContext | None) -> bool:
    """Whether the system itself verifies."""
    import truststore  # noqa: PLC0415

    return isinstance(context, truststore.SSLContext)


def _system() -> ssl.SSLContext:
    """Make a context that trusts what this machine trusts, or what its environment names (rule 2)."""
    cert_file, cert_dir, keylog = _environment()
    if NATIVE and (cert_file or cert_dir):
        return ssl.create_default_context()
    import truststore  # noqa: PLC0415 - http:// needs none

    found: ssl.SSLContext = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not NATIVE:  # rule 1: it loads the store into the context beneath as it begins a handshake
        found = found.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost").context
    if keylog:
        found.keylog_filename = keylog
    return found


def trusts_nothing() -> str | None:
    """Say why the system's trust store may be empty; None if it looks usable."""
    # rule 2: a wrong path there leaves OpenSSL with an empty store
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if (path := os.environ.get(name)) and not Path(path).exists():
            return f"{name}={path} does not exist"
    if not NATIVE:
        where = ssl.get_default_verify_paths()
        context = _shared(HTTP_1, *_environment())
        if not context.cert_store_stats()["x509_ca"] and not (where.capath and any(Path(where.capath).iterdir())):
            return "this machine has no trust store: install its ca-certificates package"
    return None


def _authorities(ca: str) -> ssl.SSLContext:
    try:
        if Path(ca).is_dir():
            return ssl.create_default_context(capath=ca)
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConfigError(f"tls={ca!r}: {error}; give a PEM file of certificate authorities") from error


def _show(context: ssl.SSLContext, cert: str, key: str | None, password: str | None) -> None:
    """Load a client certificate into a context.

    Raises:
        ConfigError: A file is missing, or has another content than it should.
    """
    named = f"TLS(cert={cert!r}{'' if key is None else f', key={key!r}'})"
    try:
        for path in (cert, key or cert):
            Path(path).open("rb").close()  # OpenSSL does not say which file is missing
        context.load_cert_chain(cert, key, password or "")  # "": OpenSSL must not ask on the terminal
    except ssl.SSLError as error:
        raise ConfigError(f"{named}: {_unusable(error, key or cert, password, apart=key is not None)}") from error
    except OSError as error:
        raise ConfigError(f"{named}: {error}; give a PEM file, and key= if it is apart") from error


def _unusable(error: ssl.SSLError, file: str, password: str | None, *, apart: bool) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key doesn't belong to the certificate: give a matching pair"
    text = Path(file).read_bytes()
    if b"BEGIN ENCRYPTED" in text or b"4,ENCRYPTED" in text:
        return "the key is encrypted: give its password=" if password is None else "password= doesn't decrypt the key"
    return f"{error}; give a PEM file with the certificate and its chain{'' if apart else ', and key= if it is apart'}"


def _certificates(path: Path) -> list[bytes]:
    """The certificates in a file of a folder of authorities, under the name that OpenSSL looks for."""
    if not _HASHED.fullmatch(path.name):
        return []
    try:
        return [ssl.PEM_cert_to_DER_cert(text) for text in _PEM.findall(path.read_text("ascii", "replace"))]
    except (OSError, ValueError):
        return []


def _marks(paths: Sequence[str]) -> list[Mark]:
    return [_mark(path) for path in paths]


def _mark(path: str) -> Mark:
    try:
        stat = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _digests(paths: Sequence[str]) -> list[bytes]:
    """Digest the content of each file; empty for a file that can't be read: loading it raises the error."""
    return [_digest(path) for path in paths]


def _digest(path: str) -> bytes:
    try:
        return sha256(Path(path).read_bytes()).digest()
    except OSError:
        return b""


def _settled(marks: Sequence[Mark]) -> bool:
    """Whether all files exist, and none was written just now; a time in the future is another machine's clock."""
    now = time.time()
    return all(mark is not None and not 0 <= now - mark[0] / 1e9 < SETTLED for mark in marks)
