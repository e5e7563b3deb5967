"""nginx, haproxy and proxies as real processes on loopback, each with a configuration of the test's own.

A daemon is one process in the foreground: SIGKILL ends all of it, and it lives in a folder that goes with it. It is
ready when its port takes a connection. Ports are below those that the system gives to outgoing connections.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 20.0

_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_buffering off;
  proxy_next_upstream off;
  upstream behind {{
    server {behind};
    keepalive 64;
    keepalive_requests 1000000;
  }}
  {http}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    {server}
    location / {{ {location} proxy_pass http://behind; }}
  }}
}}
"""

_HAPROXY = """
global
  maxconn 1500
  nbthread 1
  stats socket {folder}/admin level admin
defaults
  mode http
  backlog 2048
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 60s
  {defaults}
  retries 0
frontend api
  bind 127.0.0.1:{port}
  {frontend}
  default_backend behind
backend behind
  {backend}
  server behind {behind} {server}
"""

_SQUID = """
{listens}
pid_filename none
access_log none
cache_log /dev/null
cache deny all
coredump_dir {folder}
shutdown_lifetime 0 seconds
auth_param basic program {basic} {folder}/users
acl known proxy_auth REQUIRED
http_access allow {allowed}
http_access deny all
"""

_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 60
LogLevel Critical
{login}
"""

_DANTED = """
logoutput: stderr
internal: 127.0.0.1 port = {port}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
socks {verdict} {{ from: 127.0.0.0/8 to: 127.0.0.0/8 }}
"""


def free_port() -> int:
    """A port that nobody listens on, and that no outgoing connection will be given."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Daemon:
    """One nginx or haproxy, or one proxy."""

    def __init__(self, program: str, folder: Path, port: int) -> None:
        where = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin:/sbin")
        if where is None:
            pytest.skip(f"{program} is not installed")
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._config = folder / "config"
        self._said = folder / "said"
        self._process: subprocess.Popen[bytes] | None = None
        options = {
            "nginx": ["-p", str(folder), "-e", "stderr", "-c"],
            "haproxy": ["-db", "-f"],
            "squid": ["-N", "-f"],
            "tinyproxy": ["-d", "-c"],
            "danted": ["-f"],
        }[program]
        self._command = [where, *options, str(self._config)]

    def configure(self, config: str) -> None:
        """What it reads when it starts."""
        self._config.write_text(config)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd=self.folder
            )
        end = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            if self._process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self._command[0]} did not start: {self._said.read_text()}")
            time.sleep(0.01)

    def kill(self) -> None:
        """SIGKILL: it ends as in a crash, in the middle of everything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it, however it is."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


class HAProxy(Daemon):
    """haproxy, which can be told things while it runs."""

    def start(self) -> None:
        """Start it, and wait until it takes connections and listens to what it is told: that socket may come last."""
        super().start()
        end = time.monotonic() + _START_SECONDS
        while not (self.folder / "admin").exists():
            assert time.monotonic() < end, self._said.read_text()
            time.sleep(0.01)

    def tell(self, command: str) -> str:
        """What it answers to a command of its runtime interface."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(10)
            wire.connect(str(self.folder / "admin"))
            wire.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: wire.recv(65_536), b"")).decode()

    def serves(self, *, up: bool) -> None:
        """Whether there is a server behind it; if not it answers 503 itself."""
        self.tell(f"set server behind/behind state {'ready' if up else 'maint'}")

    def received(self) -> int:
        """Requests that have come in, whatever became of them."""
        rows = csv.DictReader(io.StringIO(self.tell("show stat")))
        return next(int(row["req_tot"]) for row in rows if row["svname"] == "FRONTEND")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A short one: the path of a Unix socket has at most 107 characters, and pytest's are long."""
    with tempfile.TemporaryDirectory(prefix="real-") as folder:
        yield Path(folder)


@contextlib.contextmanager
def nginx(behind: str, *, http: str = "", server: str = "", location: str = "") -> Iterator[Daemon]:
    """An nginx before `behind` (host:port), with these directives at each level."""
    with _folder() as folder:
        daemon = Daemon("nginx", folder, free_port())
        daemon.configure(
            _NGINX.format(folder=folder, port=daemon.port, behind=behind, http=http, server=server, location=location)
        )
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()


@contextlib.contextmanager
def haproxy(
    behind: str, *, frontend: str = "", backend: str = "", server: str = "", defaults: str = "timeout queue 5s"
) -> Iterator[HAProxy]:
    """A haproxy before `behind` (host:port), with these lines in each section."""
    with _folder() as folder:
        daemon = HAProxy("haproxy", folder, free_port())
        sections = {"frontend": frontend, "backend": backend, "server": server, "defaults": defaults}
        daemon.configure(_HAPROXY.format(folder=folder, port=daemon.port, behind=behind, **sections))
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()


@contextlib.contextmanager
def squid(*, login: tuple[str, str] | None = None, tls: bytes | None = None) -> Iterator[Daemon]:
    """A squid that lets everybody through, or those who log in; over TLS with this key and certificate in PEM."""
    basic = Path("/usr/lib/squid/basic_ncsa_auth")
    with _folder() as folder:
        daemon = Daemon("squid", folder, free_port())
        if login is not None and not basic.exists():
            pytest.skip(f"squid has no {basic}")
        folder.chmod(0o755)  # it leaves root behind
        user, password = login or ("nobody", "")
        digest = hashlib.md5(password.encode()).hexdigest()  # one of the forms that its helper reads
        (folder / "users").write_text(f"{user}:{digest}\n")
        listens = f"http_port 127.0.0.1:{daemon.port}"
        if tls is not None:
            (folder / "pem").write_bytes(tls)
            listens = f"https_port 127.0.0.1:{daemon.port} tls-cert={folder}/pem"
            daemon.url = daemon.url.replace("http", "https")
        allowed = "known" if login else "all"
        daemon.configure(_SQUID.format(folder=folder, listens=listens, basic=basic, allowed=allowed))
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()


@contextlib.contextmanager
def tinyproxy(*, login: tuple[str, str] | None = None) -> Iterator[Daemon]:
    """A tinyproxy that lets everybody through, or those who log in."""
    with _folder() as folder:
        daemon = Daemon("tinyproxy", folder, free_port())
        daemon.configure(_TINYPROXY.format(port=daemon.port, login=f"BasicAuth {' '.join(login)}" if login else ""))
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()


@contextlib.contextmanager
def danted(*, lets_through: bool = True) -> Iterator[Daemon]:
    """A danted: SOCKS4 and SOCKS5, without a login."""
    with _folder() as folder:
        daemon = Daemon("danted", folder, free_port())
        daemon.configure(_DANTED.format(port=daemon.port, verdict="pass" if lets_through else "block"))
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()
