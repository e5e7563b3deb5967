"""caddy as a real HTTP/3 server on loopback."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
from typing import TYPE_CHECKING

from daemons import free_port
from http2_peers import _folder, _running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certificates import Authority
    from http2_peers import Peer


@contextlib.contextmanager
def caddy(authority: Authority, behind: str, files: dict[str, bytes], *, asks: bool = False) -> Iterator[Peer]:
    """A caddy that speaks HTTP/1.1, 2 and 3, and offers the last.

    Args:
        authority: Signs its certificate.
        behind: Whom it asks for what is no file.
        files: What it serves under /files/.
        asks: Whether it requires a client certificate of that authority.
    """
    port = free_port()
    with _folder(authority) as folder:
        served = folder / "served" / "files"
        served.mkdir(parents=True)
        for name, content in files.items():
            (served / name).write_bytes(content)
        policy: dict[str, object] = {}
        if asks:
            der = ssl.PEM_cert_to_DER_cert(authority.made.cert_pem.bytes().decode())
            trusted = [base64.b64encode(der).decode()]
            policy["client_authentication"] = {"trusted_ca_certs": trusted, "mode": "require_and_verify"}
        server = {
            "listen": [f"127.0.0.1:{port}"],
            "automatic_https": {"disable": True},
            "tls_connection_policies": [policy],
            "strict_sni_host": False,  # this caddy takes no name out of a handshake over QUIC
            "routes": [
                {
                    "match": [{"path": ["/files/*"]}],
                    "handle": [{"handler": "file_server", "root": str(folder / "served")}],
                },
                {"handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": behind}]}]},
            ],
        }
        pair = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
        apps = {"http": {"servers": {"it": server}}, "tls": {"certificates": {"load_files": [pair]}}}
        (folder / "config.json").write_text(json.dumps({"admin": {"disabled": True}, "apps": apps}))
        with _running(folder, port, "caddy", "run", "--config", str(folder / "config.json")) as peer:
            yield peer
