"""The choice of a transport: a client's own as it is, else the one it names, with the client's settings."""

from __future__ import annotations

import importlib.util

import aiohttp
import pytest

from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError
from asyncapi.sansio.http2 import engine as engine_module
from asyncapi.settings import HTTP2, TLS, Egress
from asyncapi.testing import MockTransport, reply
from asyncapi.transports import factory
from asyncapi.transports.aiohttp import AioHTTPTransport
from asyncapi.transports.factory import LEAST_HEADERS, choose_transport, http_transport
from asyncapi.transports.native.transport import NativeTransport


class Own:
    async def send(self, request): ...

    async def aclose(self): ...


async def test_a_transport_of_the_user_s_own_is_taken_as_it_is():
    own = Own()
    assert choose_transport(own, SYSTEM, egress=None) is own


@pytest.mark.parametrize("name", [None, "aiohttp"])
async def test_without_one_it_is_aiohttp(name):
    transport = choose_transport(name, SYSTEM, egress=None, max_body=None)
    assert isinstance(transport, AioHTTPTransport)
    await transport.aclose()


@pytest.mark.parametrize("name", ["curl", "", "Native"])
def test_a_name_that_no_transport_has_is_refused_with_the_names_there_are(name):
    with pytest.raises(ConfigError, match=f"transport='{name}': give 'aiohttp', 'native', or an object with `send`"):
        choose_transport(name, SYSTEM, egress=None, max_body=None)


async def test_the_native_lane_takes_no_session():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ConfigError, match="session= doesn't work with transport='native'"):
            choose_transport("native", SYSTEM, egress=None, max_body=None, session=session)


async def test_a_session_needs_aiohttp_whatever_the_default_is(monkeypatch):
    monkeypatch.setattr(factory, "DEFAULT", "native")
    async with aiohttp.ClientSession() as session:
        transport = choose_transport(None, SYSTEM, egress=None, max_body=None, session=session)
        assert isinstance(transport, AioHTTPTransport)


@pytest.mark.parametrize("wrong", [object(), Own.send, 5])
def test_what_can_not_send_is_refused(wrong):
    with pytest.raises(ConfigError, match="it needs `send` and `aclose`, as MockTransport"):
        choose_transport(wrong, SYSTEM, egress=None)


def test_an_egress_guard_can_not_watch_a_transport_of_the_user_s_own():
    with pytest.raises(ConfigError, match="egress= doesn't work with transport="):
        choose_transport(Own(), SYSTEM, egress="public")


def test_a_mock_needs_no_guard():
    mock = MockTransport(lambda request: reply(200))
    assert choose_transport(mock, SYSTEM, egress="public") is mock


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_body": 0}, "max_body=0: give a number of bytes, at least 1, or None for no bound"),
        ({"max_body": 1.5}, "max_body=1.5: give a number of bytes"),
        ({"max_body": True}, "max_body=True: give a number of bytes"),
        ({"max_headers": LEAST_HEADERS - 1}, "max_headers=8191: give a number of bytes, at least 8,192, or None"),
        ({"tls": 5}, "tls=5: give True, False, the path of a file of authorities, or TLS(...)"),
        ({"tls": None}, "tls=None: give True, False, the path"),
        ({"egress": "private"}, "egress='private': give None, 'public', or Egress(allow=[...], deny=[...])"),
        ({"tls": "/no/such/ca.pem"}, "tls='/no/such/ca.pem': "),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError) as caught:
        http_transport(SYSTEM, **{"max_body": None, **settings})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("tls", "verify"), [(True, True), (False, False), (TLS(verify=False), False), (TLS(), True)])
async def test_tls_says_whether_certificates_are_verified(tls, verify):
    transport = http_transport(SYSTEM, max_body=None, tls=tls)
    assert transport._tls.verify is verify
    await transport.aclose()


async def test_an_authority_may_be_given_as_a_path(ours):
    for path in (ours.file, str(ours.file)):
        transport = http_transport(SYSTEM, max_body=None, tls=path)
        assert transport._tls.verify
        await transport.aclose()


@pytest.mark.parametrize(("egress", "guarded"), [(None, False), ("public", True), (Egress(), True)])
async def test_egress_makes_a_guard(egress, guarded):
    transport = http_transport(SYSTEM, max_body=None, egress=egress)
    assert (transport._guard is not None) is guarded
    await transport.aclose()


# HTTP/2


@pytest.mark.parametrize("name", [None, "native"])
@pytest.mark.parametrize(("http2", "prior"), [(True, False), ("prior", True), (HTTP2(streams=5), False)])
async def test_http2_is_the_native_transport_s(name, http2, prior):
    transport = choose_transport(name, SYSTEM, egress=None, max_body=None, http2=http2)
    assert isinstance(transport, NativeTransport)
    assert transport._http2 == (http2 if isinstance(http2, HTTP2) else HTTP2())
    assert transport._prior is prior
    await transport.aclose()


async def test_without_http2_the_native_transport_speaks_http1_alone():
    transport = choose_transport("native", SYSTEM, egress=None, max_body=None, http2=False)
    assert transport._http2 is None
    assert transport.http2_counts == {}
    await transport.aclose()


@pytest.mark.parametrize("http2", [True, "prior", HTTP2()])
async def test_http2_does_not_go_with_what_speaks_http1_alone(http2):
    async with aiohttp.ClientSession() as session:
        for settings, message in (
            ({"transport": Own()}, "http2= doesn't work with transport="),
            ({"transport": "aiohttp"}, "http2= doesn't work with transport='aiohttp'"),
            ({"transport": None, "session": session}, "http2= doesn't work with session="),
            ({"transport": "native", "session": session}, "http2= doesn't work with session="),
        ):
            with pytest.raises(ConfigError, match=message):
                choose_transport(clock=SYSTEM, egress=None, max_body=None, http2=http2, **settings)


def test_a_mock_may_be_told_that_there_is_no_http2():
    mock = MockTransport(lambda request: reply(200))
    assert choose_transport(mock, SYSTEM, egress=None, http2=False) is mock


@pytest.mark.parametrize("missing", [("ngh2", "hpack")])
def test_a_package_that_is_missing_is_named_as_the_client_is_made(missing, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(engine_module, "find_spec", lambda name: None if name in missing else find(name))
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[http2\]'"):
        choose_transport(None, SYSTEM, egress=None, max_body=None, http2=True)
