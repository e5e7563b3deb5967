"""The servers that the contestants are measured against, each in a process of its own on the server's core.

nginx answers at once with the row of row.py; where it isn't installed, and wherever an answer has to come late,
delay_server.py does. Both bind 127.0.0.1 only.
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
from pathlib import Path
from typing import TYPE_CHECKING

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
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""


def nginx_path() -> str | None:
    """Where nginx is, or None."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def fast() -> Iterator[tuple[str, str]]:
    """A server that answers at once: its base URL and its name."""
    program = nginx_path()
    if program is None:
        with delayed(0) as (url,):
            yield url, "delay_server.py (nginx is not installed)"
        return
    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX_CONF.format(folder=folder, port=port, body=BODY.decode().replace("'", "\\'")))
        with running([program, "-p", folder, "-c", str(config), "-e", "stderr"], core=SERVER_CORE) as child:
            _wait_for(port, child)
            yield f"http://127.0.0.1:{port}", version.partition("/")[2].strip().join(("nginx ", ""))


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
