"""The choice of a transport: a client's own as it is, else aiohttp with the client's settings."""

from __future__ import annotations

import pytest

from asyncapi.clock import SYSTEM
from asyncapi.errors import ConfigError
from asyncapi.settings import TLS, Egress
from asyncapi.testing import MockTransport, reply
from asyncapi.transports.aiohttp import AioHTTPTransport
from asyncapi.transports.factory import LEAST_HEADERS, choose_transport, http_transport


class Own:
    async def send(self, request): ...

    async def aclose(self): ...


async def test_a_transport_of_the_user_s_own_is_taken_as_it_is():
    own = Own()
    assert choose_transport(own, SYSTEM, egress=None) is own


async def test_without_one_it_is_aiohttp():
    transport = choose_transport(None, SYSTEM, egress=None, max_body=None)
    assert isinstance(transport, AioHTTPTransport)
    await transport.aclose()


@pytest.mark.parametrize("wrong", [object(), Own.send, "aiohttp", 5])
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
