"""Certificate authorities, certificates and TLS servers for tests."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import ssl
import threading
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from socket import create_server

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


class Authority:
    """A certificate authority and its file."""

    def __init__(self, folder) -> None:
        self.made = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.made.cert_pem.write_to_path(self.file)
        aged(self.file)

    def server(self, *names: str, **kwargs) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.made.issue_cert(*(names or ("127.0.0.1", "localhost")), **kwargs).configure_cert(context)
        return context

    def asking(self, trusted: Authority | None = None, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server that asks for a client certificate."""
        context = self.server()
        (trusted or self).made.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        if newest is not None:
            context.maximum_version = newest
        return context

    def client(self, folder, name: str = "client@example.org", **kwargs) -> str:
        """A file with a client's certificate and its key."""
        path = folder / "client.pem"
        self.made.issue_cert(name, **kwargs).private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    def pair(self, folder, name: str = "client@example.org", *, password: str | None = None) -> tuple[str, str]:
        """Two files: a client's certificate, and its key."""
        folder.mkdir(exist_ok=True)
        made = self.made.issue_cert(name)
        key = made.private_key_pem.bytes()
        if password is not None:
            locked = serialization.BestAvailableEncryption(password.encode())
            parsed = serialization.load_pem_private_key(key, None)
            form = serialization.PrivateFormat.PKCS8
            key = parsed.private_bytes(serialization.Encoding.PEM, form, locked)
        (folder / "tls.crt").write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        (folder / "tls.key").write_bytes(key)
        return str(folder / "tls.crt"), str(folder / "tls.key")


def aged(path, seconds: float = 60.0) -> None:
    """Make a file as old as if it had been written some time ago."""
    then = os.stat(path).st_mtime_ns - int(seconds * 1e9)
    os.utime(path, ns=(then, then))


@asynccontextmanager
async def openssl(context: ssl.SSLContext):
    """A server on blocking sockets: unlike asyncio's, it tells the client by an alert why it refuses a handshake."""
    listener = create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain.dup() as kept, suppress(OSError):
                kept.settimeout(5)
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(65536)
                        secure.sendall(OK)
                except ssl.SSLError:
                    while kept.recv(65536):  # closed with bytes unread, it would be a reset that overtakes the alert
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(2)
        listener.close()
        await asyncio.to_thread(thread.join, 5)  # the client's end may come through the loop: a proxy


def self_signed(name: str) -> ssl.SSLContext:
    """A server whose certificate nobody but itself has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        .not_valid_after(TOMORROW)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(pem + made.public_bytes(serialization.Encoding.PEM)).tempfile() as path:
        context.load_cert_chain(path)
    return context
