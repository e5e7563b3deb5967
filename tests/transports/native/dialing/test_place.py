"""What a connection leads to, read from the host and the port of a URL."""

from __future__ import annotations

import pytest

from asyncapi.transports.native.dialing.place import Place


@pytest.mark.parametrize(
    ("authority", "secure", "host", "port", "sent"),
    [
        ("h.example", True, "h.example", 443, "h.example"),
        ("h.example", False, "h.example", 80, "h.example"),
        ("h.example:8080", True, "h.example", 8080, "h.example:8080"),
        ("h.example.:8080", True, "h.example.", 8080, "h.example.:8080"),
        ("127.0.0.1:81", False, "127.0.0.1", 81, "127.0.0.1:81"),
        ("[::1]", True, "::1", 443, "[::1]"),
        ("[::1]:8080", False, "::1", 8080, "[::1]:8080"),
        ("[fe80::1%25eth0]:8080", False, "fe80::1%eth0", 8080, "[fe80::1]:8080"),
        ("[fe80::1%25eth0]", True, "fe80::1%eth0", 443, "[fe80::1]"),
    ],
)
def test_a_place_has_the_host_to_look_up_and_the_one_to_send(authority, secure, host, port, sent):
    place = Place.of(authority, secure=secure)
    assert (place.host, place.port, place.authority, place.secure, place.proxy) == (host, port, sent, secure, None)


def test_equal_places_share_their_connections_and_others_do_not():
    one = Place.of("h.example", secure=True)
    assert one == Place.of("h.example", secure=True)
    assert hash(one) == hash(Place.of("h.example", secure=True))
    others = [
        Place.of("h.example", secure=False),
        Place.of("h.example:444", secure=True),
        Place.of("i.example", secure=True),
        Place.of("h.example", secure=True, proxy="http://p"),
        Place.of("[fe80::1%25eth0]", secure=True),
        Place.of("[fe80::1%25eth1]", secure=True),
    ]
    assert len({one, *others}) == 7


def test_the_user_info_of_a_proxy_is_not_shown():
    assert "secret" not in repr(Place.of("h.example", secure=True, proxy="http://me:secret@p:3128"))
