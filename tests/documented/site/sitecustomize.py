"""Loaded by every Python process of a documentation test: api.example.com and 127.0.0.1:8000 are local servers.

The first is mapped below aiohttp, where names are looked up, and the test's certificate authority is trusted where the
system's are. The second is where `asyncapi serve` listens for a reader; here, where sockets connect, it is another,
free port. The code and the commands of the page run exactly as they are written.
"""

import os
import socket
import ssl
import sys

_PORT = int(os.environ.get("DOCUMENTED_PORT", "0"))
_PLAIN = ("127.0.0.1", int(os.environ.get("DOCUMENTED_PLAIN_PORT", "0")))
_CA = os.environ.get("DOCUMENTED_CA", "")
_HOSTS = {"api.example.com", b"api.example.com"}

_SERVE = ("127.0.0.1", 8000)

_connect = socket.socket.connect
_getaddrinfo = socket.getaddrinfo
_set_default_verify_paths = ssl.SSLContext.set_default_verify_paths


def getaddrinfo(host, port, *args, **kwargs):
    """The local server's address for the hosts of the documentation; no other name leaves this machine."""
    if host in _HOSTS:
        return _getaddrinfo("127.0.0.1", _PORT, *args, **kwargs)
    if host not in {"localhost", "127.0.0.1", "::1", None}:
        raise socket.gaierror(f"the documentation's tests know no host {host!r}: use api.example.com")
    return _getaddrinfo(host, port, *args, **kwargs)


def connect(self, address):
    """To where the test's server listens, in place of the port that readers have it on."""
    return _connect(self, _PLAIN if address == _SERVE else address)


def set_default_verify_paths(self):
    """The system's certificate authorities, and the test's."""
    _set_default_verify_paths(self)
    self.load_verify_locations(_CA)


if _PORT:
    sys.modules["uvloop"] = None  # it looks names up in C, where they can't be mapped: the command line does without
    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connect
    ssl.SSLContext.set_default_verify_paths = set_default_verify_paths
