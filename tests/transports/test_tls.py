"""TLS as it goes wrong in practice: real handshakes, real certificates; the error says which check and what to do."""

from __future__ import annotations

import datetime as dt
import ssl
import threading
from contextlib import contextmanager, suppress
from socket import create_server

import pytest
import trustme
from aiohttp import web

from asyncapi import TLS, Client, ConfigError, TLSError
from servers import always, application, echo, scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)


class Authority:
    """A certificate authority and its file."""

    def __init__(self, folder) -> None:
        self.made = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.made.cert_pem.write_to_path(self.file)

    def server(self, *names: str, **kwargs) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.made.issue_cert(*(names or ("127.0.0.1", "localhost")), **kwargs).configure_cert(context)
        return context

    def asking(self, trusted: Authority | None = None, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server that asks for a client certificate."""
        context = self.server()
        (trusted or self).made.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        if newest is not None:
            context.maximum_version = newest
        return context

    def client(self, folder) -> str:
        path = folder / "client.pem"
        self.made.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("theirs"))


@contextmanager
def openssl(context: ssl.SSLContext):
    """A server on blocking sockets: unlike asyncio's, it tells the client by an alert why it refuses a handshake."""
    listener = create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain.dup() as kept, suppress(OSError):
                kept.settimeout(5)
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.recv(65536)
                        secure.sendall(OK)
                except ssl.SSLError:
                    while kept.recv(65536):  # closed with bytes unread, it would be a reset that overtakes the alert
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(2)
        listener.close()
        thread.join(5)


async def test_a_trusted_server_answers(ours):
    async with scripted(always(OK), tls=ours.server()) as server:
        for tls in (ours.file, TLS(ca=ours.file), TLS(ca=ours.file, min_version="1.3")):
            async with Client(server.url, tls=tls) as api:
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
async def test_a_wrong_certificate_is_named_with_what_to_do(ours, certificate, host, message):
    names = certificate.pop("names", [])
    async with scripted(always(OK), tls=ours.server(*names, **certificate)) as server:
        certificate["names"] = names
        async with Client(tls=ours.file) as api:
            with pytest.raises(TLSError, match=f"TLS: {message}$") as caught:
                await api.get(server.url.replace("127.0.0.1", host))
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    assert len(caught.value.attempts) == 1  # never retried


async def test_an_unknown_authority_says_how_to_trust_it(ours, theirs):
    async with scripted(always(OK), tls=ours.server()) as server:
        for tls in (True, theirs.file):
            async with Client(server.url, tls=tls) as api:
                with pytest.raises(TLSError, match=r"issuer certificate; for a private authority .*tls='ca\.pem'"):
                    await api.get("/")
        assert not server.seen


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_missing_client_certificate_is_asked_for(ours, newest):
    with openssl(ours.asking(newest=newest)) as url:
        async with Client(url, tls=ours.file) as api:
            with pytest.raises(TLSError, match=r"client certificate: tls=TLS\(cert='client\.pem'\)") as caught:
                await api.get("/")
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_the_server_does_not_know_is_told(ours, theirs, newest, tmp_path):
    with openssl(ours.asking(newest=newest)) as url:
        async with Client(url, tls=TLS(ca=ours.file, cert=theirs.client(tmp_path))) as api:
            with pytest.raises(TLSError, match=r"the server does not accept our certificate: check TLS\(cert=\.\.\.\)"):
                await api.get("/")


async def test_a_client_certificate_is_shown(ours, tmp_path):
    tls = TLS(ca=ours.file, cert=ours.client(tmp_path))
    async with scripted(always(OK), tls=ours.asking()) as server, Client(server.url, tls=tls) as api:
        assert (await api.get("/")).text == "hi"


async def test_no_common_version_is_told(ours):
    context = ours.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with openssl(context) as url:
        async with Client(url, tls=TLS(ca=ours.file, min_version="1.3")) as api:
            with pytest.raises(TLSError, match=r"no TLS version that both speak: see TLS\(min_version=\.\.\.\)"):
                await api.get("/")


async def test_a_plain_server_on_https_is_told():
    async with application(web.get("/", echo)) as url, Client() as api:
        with pytest.raises(TLSError, match=r"the server does not speak TLS on this port: .*http://") as caught:
            await api.get(url.replace("http", "https"))
    assert len(caught.value.attempts) == 1


async def test_without_verification_it_works_and_warns_once_for_each_host(ours):
    async with scripted(always(OK), tls=ours.server("example.org")) as server, Client(tls=False) as api:
        message = f"tls=False: the certificate of 127.0.0.1:{server.port} is not verified"
        with pytest.warns(UserWarning, match=message):
            await api.get(server.url)
        await api.get(server.url)  # warnings are errors here
        with pytest.warns(UserWarning, match="tls=False: the certificate of localhost"):
            await api.get(server.url.replace("127.0.0.1", "localhost"))


async def test_plain_http_does_not_warn():
    async with scripted(always(OK)) as server, Client(server.url, tls=False) as api:
        assert (await api.get("/")).status == 200


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        ("no-such.pem", r"tls='no-such\.pem': .*No such file.*; give a PEM file"),
        (__file__, "give a PEM file of certificate authorities"),
        (TLS(cert="no-such.pem"), r"TLS\(cert='no-such\.pem'\).*give a PEM file"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_told_at_once(tls, message):
    with pytest.raises(ConfigError, match=message):
        Client("https://example.org", tls=tls)
