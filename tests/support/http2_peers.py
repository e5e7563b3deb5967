"""Real HTTP/2 servers on loopback: nginx, caddy, nghttpd, haproxy, Envoy, hypercorn. A missing one skips its tests.

with nginx(ours, behind) as peer:
    async with Client(peer.url, tls=ours.file, http2=True) as api: ...
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from daemons import free_port
from envoy_proxy import backend
from envoy_proxy import envoy as an_envoy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from certificates import Authority

_START_SECONDS = 30.0
_PATH = f"{os.environ.get('PATH', os.defpath)}:{Path(sys.executable).parent}:/usr/sbin:/usr/local/sbin:/sbin"


@dataclass(frozen=True)
class Peer:
    """One running server."""

    url: str
    folder: Path


@contextlib.contextmanager
def _folder(authority: Authority) -> Iterator[Path]:
    """A folder with the server's certificate and key: `cert.pem`, `key.pem`, and both in `both.pem`."""
    with tempfile.TemporaryDirectory(prefix="http2-") as name:
        folder = Path(name)
        made = authority.made.issue_cert("127.0.0.1", "localhost")
        chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
        (folder / "cert.pem").write_bytes(chain)
        (folder / "key.pem").write_bytes(made.private_key_pem.bytes())
        (folder / "both.pem").write_bytes(chain + made.private_key_pem.bytes())
        yield folder


@contextlib.contextmanager
def _running(folder: Path, port: int, *command: str, tls: bool = True) -> Iterator[Peer]:
    """A process in the foreground, from when its port takes connections."""
    where = shutil.which(command[0], path=_PATH)
    if where is None:
        pytest.skip(f"{command[0]} is not installed")
    said = folder / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [where, *command[1:]], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder,
            env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        )  # fmt: skip
    try:
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{command[0]} did not start: {said.read_text(errors='replace')}")
            time.sleep(0.02)
        yield Peer(f"{'https' if tls else 'http'}://127.0.0.1:{port}", folder)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def nginx(authority: Authority, behind: str, *, server: str = "", location: str = "") -> Iterator[Peer]:
    """An nginx that speaks h2 over TLS, before `behind` (host:port)."""
    port = free_port()
    with _folder(authority) as folder:
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "config").write_text(f"""
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  {temporary}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  upstream behind {{ server {behind}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} ssl http2 backlog=1024;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    http2_max_concurrent_streams 128;
    {server}
    location / {{ {location} proxy_pass http://behind; }}
  }}
}}
""")
        with _running(folder, port, "nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "config")) as peer:
            yield peer


@contextlib.contextmanager
def caddy(authority: Authority, *, tls: bool) -> Iterator[Peer]:
    """A caddy that speaks h2 over TLS, or h2c; it responds with the request's method and path."""
    port = free_port()
    with _folder(authority) as folder:
        server = {
            "listen": [f"127.0.0.1:{port}"],
            "protocols": ["h1", "h2"] if tls else ["h1", "h2c"],
            "automatic_https": {"disable": True},
            "routes": [
                {"handle": [{"handler": "static_response", "body": "{http.request.method} {http.request.uri}"}]}
            ],
        }
        apps: dict[str, object] = {"http": {"servers": {"it": server}}}
        if tls:
            server["tls_connection_policies"] = [{}]
            pair = {"certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}
            apps["tls"] = {"certificates": {"load_files": [pair]}}
        (folder / "config.json").write_text(json.dumps({"admin": {"disabled": True}, "apps": apps}))
        with _running(folder, port, "caddy", "run", "--config", str(folder / "config.json"), tls=tls) as peer:
            yield peer


@contextlib.contextmanager
def nghttpd(authority: Authority, files: dict[str, bytes], *, tls: bool = True) -> Iterator[Peer]:
    """An nghttpd that serves these files, and echoes uploads."""
    port = free_port()
    with _folder(authority) as folder:
        served = folder / "served"
        served.mkdir()
        for name, content in files.items():
            (served / name).write_bytes(content)
        options = [str(port), str(folder / "key.pem"), str(folder / "cert.pem")] if tls else ["--no-tls", str(port)]
        command = ("nghttpd", "-a", "127.0.0.1", "-d", str(served), "--echo-upload", *options)
        with _running(folder, port, *command, tls=tls) as peer:
            yield peer


@contextlib.contextmanager
def haproxy(authority: Authority, behind: str, *, frontend: str = "") -> Iterator[Peer]:
    """A haproxy that speaks h2 over TLS, before `behind`."""
    port = free_port()
    with _folder(authority) as folder:
        (folder / "config").write_text(f"""
global
  maxconn 1000
  nbthread 1
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
frontend api
  bind 127.0.0.1:{port} ssl crt {folder}/both.pem alpn h2,http/1.1
  {frontend}
  default_backend behind
backend behind
  server behind {behind}
""")
        with _running(folder, port, "haproxy", "-db", "-f", str(folder / "config")) as peer:
            yield peer


@contextlib.contextmanager
def envoy(authority: Authority, behind: str, *, requests_per_connection: int) -> Iterator[Peer]:
    """An Envoy that speaks h2 over TLS, and lets a connection go (a GOAWAY in two steps) after so many requests."""
    drains: dict[str, object] = {
        "drain_timeout": "0.2s",
        "common_http_protocol_options": {"max_requests_per_connection": requests_per_connection},
    }
    with _folder(authority) as folder:
        pair = folder / "cert.pem", folder / "key.pem"
        with an_envoy(backend(behind), manager=drains, certificate=pair, attempt_count=False) as peer:
            yield Peer(peer.url, folder)


_ASGI = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = (await receive())["type"].rpartition(".")[2]
            await send({"type": f"lifespan.{event}.complete"})
            if event == "shutdown":
                return
    body, more = b"", True
    while more:
        event = await receive()
        body, more = body + event.get("body", b""), event.get("more_body", False)
    said = f"{scope['http_version']} {scope['method']} {scope['path']} {len(body)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": said})
"""


@contextlib.contextmanager
def hypercorn(authority: Authority) -> Iterator[Peer]:
    """A hypercorn that says what it was asked."""
    port = free_port()
    with _folder(authority) as folder:
        (folder / "served.py").write_text(_ASGI)
        pair = ("--certfile", str(folder / "cert.pem"), "--keyfile", str(folder / "key.pem"))
        with _running(folder, port, "hypercorn", *pair, "--bind", f"127.0.0.1:{port}", "served:app") as peer:
            yield peer
