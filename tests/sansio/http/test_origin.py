"""A credential is bound to an origin: scheme, host and port, however the URL writes them."""

from __future__ import annotations

import pytest
from yarl import URL

from asyncapi.sansio.http.origin import bound, origin


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h", "https://h:443/a?b#c"),
        ("http://h:80/", "http://h"),
        ("https://user:secret@h/", "https://h/"),
        ("https://H.example/", "https://h.example/"),
        ("https://[2001:db8::1]/", "https://[2001:DB8::1]:443/"),
        ("wss://h", "wss://h:443"),
    ],
)
def test_the_same_place_has_the_same_origin(one, other):
    assert origin(URL(one)) == origin(URL(other))


@pytest.mark.parametrize(
    "other", ["http://h", "https://h:8443", "https://h.example", "https://i", "https://h.", "wss://h"]
)
def test_another_scheme_host_or_port_is_another_origin(other):
    assert origin(URL("https://h")) != origin(URL(other))


@pytest.mark.parametrize("name", ["Authorization", "cookie", "X-API-Key", "Proxy-Authorization", "Host", "HOST"])
def test_credentials_and_the_host_stay_with_their_origin(name):
    assert bound(name)


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Idempotency-Key", "User-Agent", "traceparent"])
def test_other_headers_may_go_to_any_origin(name):
    assert not bound(name)
