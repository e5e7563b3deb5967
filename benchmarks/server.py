"""The servers that the contestants are measured against, each in a process of its own on the server's core.

nginx answers at once with the row of row.py; where it isn't installed, and wherever an answer has to come late,
delay_server.py does. Both bind 127.0.0.1 only. What nginx serves:

    /...          the row, to GET and to POST
    /close/...    the row, and the end of the connection
    /large/...    a megabyte of rows
    /gzip/...     150 KB of rows, packed once and for all

over plain HTTP/1.1, and over TLS with HTTP/1.1 and HTTP/2, by ALPN.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from machine import HERE, SERVER_CORE, running
from row import BODY

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 10.0

_NGINX_CONF = """
worker_processes 1;
master_process off;
daemon off;
pid {folder}/pid;
error_log stderr crit;
worker_rlimit_nofile 12100;
events {{ worker_connections 12000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  client_body_buffer_size 64k;
  http2_max_concurrent_streams 1000;
  server {{
    listen 127.0.0.1:{port} backlog=12000;
    {tls}
    location / {{ return 200 '{body}'; }}
    location /close/ {{ keepalive_timeout 0; return 200 '{body}'; }}
    location /large/ {{ root {folder}; rewrite ^ /large.json break; }}
    location /gzip/ {{ root {folder}; rewrite ^ /rows.json.gz break; add_header Content-Encoding gzip; types {{ }} }}
  }}
}}
"""
_NGINX_TLS = """
    listen 127.0.0.1:{port} ssl http2 backlog=12000;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.pem;
"""


def nginx_path() -> str | None:
    """Where nginx is, or None."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Served(NamedTuple):
    """Where a server is, and what it is.

    Attributes:
        url: Its base URL.
        name: Its name and version.
        tls: Its base URL over TLS; None where it can't.
        authority: The file of the authority that its certificate is from.
    """

    url: str
    name: str
    tls: str | None = None
    authority: str | None = None


@contextlib.contextmanager
def fast() -> Iterator[tuple[str, str]]:
    """A server that answers at once: its base URL and its name."""
    with full() as served:
        yield served.url, served.name


@contextlib.contextmanager
def full() -> Iterator[Served]:
    """The same, with TLS where that can be had."""
    program = nginx_path()
    if program is None:
        with delayed(0) as (url,):
            yield Served(url, "delay_server.py (nginx is not installed)")
        return
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        port, tls_port = _free_port(), _free_port()
        tls = _NGINX_TLS.format(folder=folder, port=tls_port) if _certify(folder) else ""
        _write_rows(folder)
        config = folder / "nginx.conf"
        body = BODY.decode().replace("'", "\\'")
        config.write_text(_NGINX_CONF.format(folder=folder, port=port, tls=tls, body=body))
        with running([program, "-p", name, "-c", str(config), "-e", "stderr"], core=SERVER_CORE) as child:
            _wait_for(port, child)
            yield Served(
                f"http://127.0.0.1:{port}",
                f"nginx {version.partition('/')[2].strip()}",
                f"https://127.0.0.1:{tls_port}" if tls else None,
                str(folder / "ca.pem") if tls else None,
            )


def _certify(folder: Path) -> bool:
    """Make an authority and a certificate (P-256), if trustme is there."""
    try:
        import trustme
    except ImportError:
        return False
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    return True


def _write_rows(folder: Path) -> None:
    """The large bodies: no two rows of them are alike."""
    dice = random.Random(1)

    def rows(size: int) -> bytes:
        row, made, length = json.loads(BODY), [], 0
        while length < size:
            row |= {"id": dice.randrange(10**6), "score": dice.random() * 100, "name": f"Ada {dice.randrange(10**9)}"}
            made.append(json.dumps(row))
            length += len(made[-1]) + 2
        return f"[{', '.join(made)}]".encode()[:size]

    (folder / "large.json").write_bytes(rows(1_000_000))
    (folder / "rows.json.gz").write_bytes(gzip.compress(rows(150_000)))


@contextlib.contextmanager
def delayed(*milliseconds: float) -> Iterator[list[str]]:
    """Servers that answer after so many milliseconds: their base URLs."""
    command = [sys.executable, str(HERE / "delay_server.py"), *(str(ms) for ms in milliseconds)]
    with running(command, core=SERVER_CORE, stdout=subprocess.PIPE) as child:
        ports = json.loads(child.stdout.readline())
        yield [f"http://127.0.0.1:{port}" for port in ports]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, child: subprocess.Popen[str]) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if child.poll() is not None or time.monotonic() > end:
                raise RuntimeError("nginx did not start; its own message is above") from None
            time.sleep(0.02)
        else:
            return
