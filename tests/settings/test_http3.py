"""What `Client(http3=)` takes."""

from __future__ import annotations

import aiohttp
import pytest

from asyncapi import Client, ConfigError
from asyncapi.settings.http3 import http3_of
from asyncapi.testing import MockTransport, reply


@pytest.mark.parametrize(("choice", "read"), [(False, False), (None, False), (True, True), ("prior", "prior")])
def test_what_is_taken(choice, read):
    assert http3_of(choice) is read or http3_of(choice) == read


@pytest.mark.parametrize("choice", ["yes", "Prior", 1, 3, "", b"prior"])
def test_what_is_refused(choice):
    with pytest.raises(ConfigError, match="give True, False or 'prior'"):
        Client(http3=choice)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"proxy": "http://p:1"}, "http3= doesn't work with proxy=: proxies forward TCP alone"),
        ({"unix_socket": "/run/s"}, "http3= doesn't work with unix_socket="),
        ({"transport": "aiohttp"}, "http3= doesn't work with transport='aiohttp'"),
        ({"transport": MockTransport(lambda _: reply(200))}, "http3= doesn't work with transport="),
    ],
)
def test_what_it_does_not_go_with(settings, message):
    with pytest.raises(ConfigError, match=message):
        Client(http3=True, **settings)


async def test_it_does_not_go_with_a_session():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="http3= doesn't work with session="):
            Client(http3=True, session=session)


async def test_it_implies_the_native_transport_and_http2_on_its_tcp_side():
    async with Client(http3=True) as api:
        assert type(api._transport).__name__ == "NativeTransport"
        assert api._transport._http2 is not None
