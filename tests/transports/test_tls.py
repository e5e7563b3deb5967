"""TLS as it goes wrong in practice: real handshakes, real certificates; the error says which check and what to do.

Each case directly and through a proxy's tunnel; none is ever retried.
"""

from __future__ import annotations

import datetime as dt
import logging
import ssl
import warnings

import pytest
from aiohttp import web

from asyncapi import TLS, Client, ConfigError, ConnectError, InsecureTLSWarning, TLSError
from certificates import LONG_AGO, OK, TOMORROW, openssl, self_signed
from servers import IPV6, always, application, echo, scripted, tunnel

pytestmark = pytest.mark.lanes


@pytest.fixture(params=["direct", "through a proxy"])
async def way(request):
    """The settings of a client that goes to the server directly, or through a tunnel."""
    if request.param == "direct":
        yield {}
        return
    async with scripted(tunnel) as proxy:
        yield {"proxy": proxy.url}
        assert {seen.method for seen in proxy.seen} == {"CONNECT"}


async def refusal(url, **settings):
    """The TLSError that a call ends with, made once and never again."""
    async with Client(**settings) as api:
        with pytest.raises(TLSError) as caught:
            await api.get(url)
        assert api.stats.attempts == 1
    assert len(caught.value.attempts) == 1
    assert str(caught.value).startswith(f"GET {url}")
    return caught


async def test_a_trusted_server_answers(ours, way):
    async with scripted(always(OK), tls=ours.server()) as server:
        for tls in (ours.file, TLS(ca=ours.file), TLS(ca=ours.file, min_version="1.3")):
            async with Client(server.url, tls=tls, **way) as api:
                assert (await api.get("/")).text == "hi"


@pytest.mark.parametrize(
    ("certificate", "host", "message"),
    [
        (
            {"not_before": LONG_AGO, "not_after": LONG_AGO + dt.timedelta(days=9)},
            "127.0.0.1",
            "certificate has expired; the server has to renew it, or this machine's clock is wrong",
        ),
        ({"not_before": TOMORROW}, "127.0.0.1", "certificate is not yet valid; check this machine's clock"),
        ({"names": ["example.org"]}, "127.0.0.1", "IP address mismatch.*'127.0.0.1'; check the host in the URL"),
        ({"names": ["example.org"]}, "localhost", "Hostname mismatch.*'localhost'; check the host in the URL"),
    ],
    ids=["expired", "not yet valid", "other address", "other name"],
)
async def test_a_wrong_certificate_is_named_with_what_to_do(ours, way, certificate, host, message):
    certificate = dict(certificate)
    names = certificate.pop("names", [])
    async with scripted(always(OK), tls=ours.server(*names, **certificate)) as server:
        error = await refusal(server.url.replace("127.0.0.1", host), tls=ours.file, **way)
        assert not server.seen
    error.match(f"TLS: .*{message}$")
    assert isinstance(error.value.__cause__, ssl.SSLCertVerificationError)


async def test_an_unknown_authority_says_how_to_trust_it(ours, theirs, way):
    async with scripted(always(OK), tls=ours.server()) as server:
        for tls in (True, theirs.file):
            error = await refusal(server.url, tls=tls, **way)
            error.match(r"issuer certificate; for a private certificate authority .*tls='ca\.pem'")
        assert not server.seen


async def test_a_proxy_s_own_certificate_is_told_from_the_server_s(ours, theirs):
    async with scripted(tunnel, tls=theirs.server()) as proxy, scripted(always(OK), tls=ours.server()) as server:
        error = await refusal(server.url, tls=ours.file, proxy=proxy.url)
        error.match(f"TLS with the proxy 127.0.0.1:{proxy.port}: unable to get local issuer certificate")
    async with scripted(tunnel, tls=ours.server()) as proxy, scripted(always(OK), tls=theirs.server()) as server:
        error = await refusal(server.url, tls=ours.file, proxy=proxy.url)
        error.match("TLS: unable to get local issuer certificate")
    async with (
        scripted(tunnel, tls=ours.server()) as proxy,
        scripted(always(OK), tls=ours.server()) as server,
        Client(server.url, tls=ours.file, proxy=proxy.url) as api,
    ):
        assert (await api.get("/")).text == "hi"


async def test_a_self_signed_certificate_is_called_that(ours, way):
    async with scripted(always(OK), tls=self_signed("127.0.0.1")) as server:
        error = await refusal(server.url, tls=ours.file, **way)
        assert not server.seen
    error.match(r"self-signed certificate; for a private certificate authority .*tls='ca\.pem'")


BOTH = pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@BOTH
async def test_a_missing_client_certificate_is_asked_for(ours, newest, way):
    """TLS 1.3 tells it only where the first answer should be."""
    async with openssl(ours.asking(newest=newest)) as url:
        error = await refusal(url, tls=ours.file, **way)
    error.match(r"client certificate: tls=TLS\(cert='client\.pem'\)")


@BOTH
async def test_a_client_certificate_the_server_does_not_know_is_told(ours, theirs, newest, tmp_path, way):
    async with openssl(ours.asking(newest=newest)) as url:
        error = await refusal(url, tls=TLS(ca=ours.file, cert=theirs.client(tmp_path)), **way)
    error.match(r"the server does not accept our certificate: check TLS\(cert=\.\.\.\)")


@BOTH
async def test_an_expired_client_certificate_is_told(ours, newest, tmp_path, way):
    old = {"not_before": LONG_AGO, "not_after": LONG_AGO + dt.timedelta(days=9)}
    async with openssl(ours.asking(newest=newest)) as url:
        error = await refusal(url, tls=TLS(ca=ours.file, cert=ours.client(tmp_path, **old)), **way)
    error.match(r"the server does not accept our certificate: renew that of TLS\(cert=\.\.\.\)")


async def test_a_client_certificate_is_shown(ours, tmp_path, way):
    tls = TLS(ca=ours.file, cert=ours.client(tmp_path))
    async with scripted(always(OK), tls=ours.asking()) as server, Client(server.url, tls=tls, **way) as api:
        assert (await api.get("/")).text == "hi"


async def test_no_common_version_is_told(ours, way):
    context = ours.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with openssl(context) as url:
        error = await refusal(url, tls=TLS(ca=ours.file, min_version="1.3"), **way)
    error.match(r"no TLS version in common: see TLS\(min_version=\.\.\.\)")


async def test_a_server_of_the_last_century_is_told(ours, way):
    context = ours.server()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with openssl(context) as url:
        error = await refusal(url, tls=ours.file, **way)
    error.match("client and server have no TLS version in common")


async def test_a_plain_server_on_https_is_told(way):
    async with application(web.get("/", echo)) as url:
        error = await refusal(url.replace("http", "https"), **way)
    error.match("the server does not speak TLS on this port: .*http://")


async def test_a_host_the_server_does_not_know_is_told(ours, way):
    def none_such(*_):
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context = ours.server()
    context.sni_callback = none_such
    async with openssl(context) as url:
        error = await refusal(url.replace("127.0.0.1", "localhost"), tls=ours.file, **way)
    error.match("the server doesn't serve this host name: check the host in the URL")


async def test_without_verification_it_works_and_warns_once_for_each_host(ours, caplog):
    async with scripted(always(OK), tls=ours.server("example.org")) as server, Client(tls=False) as api:
        message = f"tls=False: the certificate of 127.0.0.1:{server.port} is not verified"
        with pytest.warns(InsecureTLSWarning, match=message):
            await api.get(server.url)
        await api.get(server.url)  # warnings are errors here
        with pytest.warns(InsecureTLSWarning, match="tls=False: the certificate of localhost"):
            await api.get(server.url.replace("127.0.0.1", "localhost"))
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.name for record in told] == ["asyncapi"] * 2
    assert message in told[0].message


async def test_plain_http_does_not_warn():
    async with scripted(always(OK)) as server, Client(server.url, tls=False) as api:
        assert (await api.get("/")).status == 200


async def test_over_a_unix_socket_https_is_https(ours, theirs, tmp_path):
    path = str(tmp_path / "server.sock")
    async with scripted(always(OK), unix=path, tls=ours.server("docker")) as server:
        async with Client("https://docker", unix_socket=path, tls=ours.file) as api:
            assert (await api.get("/version")).text == "hi"
        assert server.seen[0].headers["Host"] == "docker"
        error = await refusal("https://docker/", unix_socket=path, tls=theirs.file)
        error.match("unable to get local issuer certificate")
        error = await refusal("https://podman/", unix_socket=path, tls=ours.file)
        error.match("Hostname mismatch.*'podman'; check the host in the URL")
        assert len(server.seen) == 1
    async with Client("https://docker", unix_socket=f"{path}.gone", tls=ours.file, retry=None) as api:
        with pytest.raises(ConnectError, match=r"can.t connect to the socket .*No such file"):
            await api.get("/")


@IPV6
async def test_ipv6_is_verified_as_well(ours):
    right, wrong = ours.server("::1"), ours.server("127.0.0.1")
    async with scripted(always(OK), tls=right, host="::1") as server, Client(server.url, tls=ours.file) as api:
        assert (await api.get("/")).text == "hi"
    async with scripted(always(OK), tls=wrong, host="::1") as server:
        error = await refusal(server.url, tls=ours.file)
    error.match("IP address mismatch.*'::1'; check the host in the URL")


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ("no-such.pem", r"tls='no-such\.pem': .*No such file.*; give a PEM file"),
        (__file__, "give a PEM file of certificate authorities"),
        (TLS(cert="no-such.pem"), r"TLS\(cert='no-such\.pem'\).*No such file.*'no-such.pem'; give a PEM file"),
        (TLS(cert=__file__, key="no.key"), r"TLS\(cert='.*', key='no\.key'\).*No such file.*'no\.key'; give a PEM"),
        (TLS(cert=__file__), "give a PEM file with the certificate and its chain, and key= if it is apart"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_told_at_once(tls, message):
    with pytest.raises(ConfigError, match=message):
        Client("https://example.org", tls=tls)


def test_a_key_of_another_certificate_is_told_at_once(ours, tmp_path):
    one, other = ours.pair(tmp_path / "a"), ours.pair(tmp_path / "b")
    with pytest.raises(ConfigError, match="the key doesn't belong to the certificate"):
        Client(tls=TLS(cert=one[0], key=other[1]))


async def test_a_locked_key_is_opened_with_its_password_and_never_asked_for(ours, tmp_path):
    cert, key = ours.pair(tmp_path, password="open sesame")
    with pytest.raises(ConfigError, match="the key is encrypted: give its password="):
        Client(tls=TLS(cert=cert, key=key))
    with pytest.raises(ConfigError, match="password= doesn't decrypt the key") as caught:
        Client(tls=TLS(cert=cert, key=key, password="canary"))
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}"
    tls = TLS(ca=ours.file, cert=cert, key=key, password="open sesame")
    async with scripted(always(OK), tls=ours.asking()) as server, Client(server.url, tls=tls) as api:
        assert (await api.get("/")).text == "hi"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: TLS(key="k.pem"), r"TLS\(key=\.\.\., password=\.\.\.\) belong to a certificate: give cert= too"),
        (lambda: TLS(ca="ca.pem", verify=False), "ca= has no effect where certificates aren't verified"),
        (lambda: TLS(min_version="1.1"), r"TLS\(min_version='1\.1'\): Input should be '1\.2' or '1\.3'"),
        (lambda: Client(tls=5), r"tls=5: give True, False, the path of a file of authorities, or TLS\(\.\.\.\)"),
    ],
)
def test_settings_that_make_no_sense_are_told(wrong, message):
    with pytest.raises(ConfigError, match=message):
        wrong()
