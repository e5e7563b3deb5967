"""Proxies of the environment: which one is used for a URL, and for which hosts none."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http.proxies import is_exempt, proxy_for

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("no_proxy", "host", "port", "direct"),
    [
        ("", "h.example", 80, False),
        ("h.example", "h.example", 80, True),
        ("H.Example", "h.example", 80, True),
        ("h.example", "www.h.example", 80, True),
        ("h.example", "nh.example", 80, False),
        ("h.example", "h.example.evil.test", 80, False),
        (".h.example", "www.h.example", 80, True),
        (".h.example", "h.example", 80, True),
        ("*.h.example", "www.h.example", 80, True),
        ("h.example.", "h.example", 80, True),
        ("h.example", "h.example.", 80, True),
        ("example", "h.example", 80, True),
        ("a, b ,h.example", "h.example", 80, True),
        ("a b\th.example", "h.example", 80, True),
        (",,a,", "h.example", 80, False),
        ("*", "h.example", 80, True),
        ("a,*", "10.0.0.1", 80, True),
        ("*:8080", "h.example", 80, False),
        ("*:8080", "h.example", 8080, True),
        ("h.example:8080", "h.example", 8080, True),
        ("h.example:8080", "www.h.example", 8080, True),
        ("h.example:8080", "h.example", 80, False),
        (".h.example:443", "h.example", 443, True),
        ("bücher.example", "xn--bcher-kva.example", 80, True),
        ("127.0.0.1", "127.0.0.1", 80, True),
        ("127.0.0.1", "127.0.0.2", 80, False),
        ("0.0.1", "127.0.0.1", 80, False),
        ("1", "127.0.0.1", 80, False),
        ("127.0.0.1:81", "127.0.0.1", 80, False),
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("127.0.0.0/8", "127.9.9.9", 80, True),
        ("127.0.0.1/8", "127.9.9.9", 80, True),
        ("10.0.0.0/8", "11.0.0.1", 80, False),
        ("10.0.0.0/255.0.0.0", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "10.example", 80, False),
        ("10.0.0.0/99", "10.0.0.1", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:8080", "::1", 8080, True),
        ("[::1]:8080", "::1", 80, False),
        ("0:0:0:0:0:0:0:1", "::1", 80, True),
        ("fe80::/10", "fe80::1%25eth0", 80, True),
        ("fd00::/8", "fe80::1", 80, False),
        ("[fd00::]/8", "fd12::1", 80, True),
        ("10.0.0.0/8", "::ffff:10.0.0.1", 80, True),
        ("10.0.0.0/8", "::1", 80, False),
        ("." * 300, "h.example", 80, False),
    ],
)
def test_hosts_that_are_asked_directly(no_proxy, host, port, direct):
    assert is_exempt(no_proxy, host, port) is direct


@pytest.mark.parametrize(
    ("environment", "scheme", "proxy"),
    [
        ({}, "http", None),
        ({"http_proxy": PROXY}, "http", PROXY),
        ({"http_proxy": PROXY}, "https", None),
        ({"HTTPS_PROXY": PROXY}, "https", PROXY),
        ({"http_proxy": PROXY, "HTTP_PROXY": "http://other"}, "http", PROXY),
        ({"http_proxy": "", "HTTP_PROXY": PROXY}, "http", None),
        ({"all_proxy": PROXY}, "https", PROXY),
        ({"ALL_PROXY": PROXY, "https_proxy": "http://other"}, "https", "http://other"),
        ({"http_proxy": "proxy:3128"}, "http", PROXY),
        ({"http_proxy": f" {PROXY} "}, "http", PROXY),
        ({"ALL_PROXY": "socks5h://u:p@h:1080"}, "https", "socks5h://u:p@h:1080"),
        ({"https_proxy": "socks4://h", "all_proxy": PROXY}, "https", "socks4://h"),
        ({"HTTP_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": PROXY, "REQUEST_METHOD": "GET"}, "http", PROXY),
        ({"HTTPS_PROXY": PROXY, "REQUEST_METHOD": "GET"}, "https", PROXY),
        ({"http_proxy": PROXY, "NO_PROXY": "h.example"}, "http", None),
        ({"http_proxy": PROXY, "no_proxy": "", "NO_PROXY": "h.example"}, "http", PROXY),
        ({"http_proxy": PROXY, "no_proxy": "h.example:80"}, "http", None),
        ({"https_proxy": PROXY, "no_proxy": "h.example:80"}, "https", PROXY),
    ],
)
def test_the_proxy_that_the_environment_names(environment, scheme, proxy):
    assert proxy_for(environment, scheme=scheme, host="h.example", port=None) == proxy
