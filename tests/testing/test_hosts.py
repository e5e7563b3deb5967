"""Lists of hosts: names, patterns, ports, this machine, functions."""

import pytest

from asyncapi import ConfigError, Request
from asyncapi.testing.hosts import hosts_are


@pytest.mark.parametrize(
    ("hosts", "url", "meant"),
    [
        ("api.example.com", "https://api.example.com/a", True),
        ("API.example.com", "https://api.example.com:8443/a", True),
        ("api.example.com:443", "https://api.example.com:8443/a", False),
        (["*.example.com"], "https://api.example.com/a", True),
        (["*.example.com"], "https://example.com/a", False),
        ("loopback", "http://127.0.0.1:8000/a", True),
        ("loopback", "http://localhost/a", True),
        ("loopback", "http://[::1]:80/a", True),
        ("loopback", "http://api.example.com/a", False),
        (lambda request: request.url.path == "/health", "https://h/health", True),
        ([lambda request: request.url.path == "/health", "i"], "https://i/a", True),
        ([], "https://h/a", False),
    ],
)
def test_a_request_is_meant(hosts, url, meant):
    assert hosts_are(hosts)(Request("GET", url)) is meant


@pytest.mark.parametrize("wrong", ["https://api.example.com", "", "api.example.com/a"])
def test_what_is_no_host_is_refused(wrong):
    with pytest.raises(ConfigError, match="give a host"):
        hosts_are([wrong])
