"""What is trusted by default: what the system trusts, found once, and what SSL_CERT_FILE and SSL_CERT_DIR name."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys

import pytest
import truststore

from asyncapi import TLS, Client, TLSError
from asyncapi.transports import tls as transport_tls
from certificates import OK
from servers import always, scripted

pytestmark = pytest.mark.lanes

UNTRUSTED = "unable to get local issuer certificate"


@pytest.fixture(autouse=True)
def _afresh():
    """No context that another test's environment has made."""
    transport_tls._shared.cache_clear()
    yield
    transport_tls._shared.cache_clear()


async def test_ssl_cert_file_is_trusted(ours, monkeypatch):
    async with scripted(always(OK), tls=ours.server()) as server:
        async with Client(server.url) as api:
            with pytest.raises(TLSError, match=UNTRUSTED):
                await api.get("/")
        monkeypatch.setenv("SSL_CERT_FILE", ours.file)
        async with Client(server.url) as api:
            assert (await api.get("/")).text == "hi"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl names the files of such a folder")
async def test_ssl_cert_dir_is_trusted(ours, monkeypatch, tmp_path):
    """A folder as `openssl rehash` makes it."""
    named = subprocess.run(
        ["openssl", "x509", "-in", ours.file, "-noout", "-hash"], capture_output=True, text=True, check=True
    )
    (tmp_path / f"{named.stdout.strip()}.0").symlink_to(ours.file)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url) as api:
        assert (await api.get("/")).text == "hi"
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url, tls=tmp_path) as api:
        assert (await api.get("/")).text == "hi"


async def test_an_authority_of_ones_own_leaves_the_environment_out(ours, theirs, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url, tls=theirs.file) as api:
        with pytest.raises(TLSError, match=UNTRUSTED):
            await api.get("/")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_a_variable_that_names_nothing_is_told_where_it_matters(ours, monkeypatch, name):
    monkeypatch.setenv(name, "/no/such/place")
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url) as api:
        with pytest.raises(TLSError, match=f"{UNTRUSTED}; .*; {name}=/no/such/place does not exist"):
            await api.get("/")


async def test_a_container_without_authorities_is_told_so(ours, monkeypatch, tmp_path):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(truststore._openssl, "_CA_FILE_CANDIDATES", [])
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url) as api:
        with pytest.raises(TLSError, match="no trust store: install its ca-certificates package"):
            await api.get("/")


@pytest.mark.skipif(transport_tls.NATIVE, reason="the system verifies by itself")
async def test_the_store_is_read_once_for_any_number_of_clients_and_connections(ours, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    read = []
    usual = ssl.SSLContext.set_default_verify_paths
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", lambda self: (read.append(1), usual(self))[1])
    async with scripted(always(OK, close=True), tls=ours.server()) as server:
        for _ in range(3):
            async with Client(server.url) as api:
                await asyncio.gather(*(api.get("/") for _ in range(5)))
    assert len(server.peers) == 15
    assert len(read) == 1


async def test_the_system_is_trusted_beside_a_certificate_of_ours(ours, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    tls = TLS(cert=ours.client(tmp_path), min_version="1.3")
    async with scripted(always(OK), tls=ours.asking()) as server, Client(server.url, tls=tls) as api:
        assert (await api.get("/")).text == "hi"


@pytest.mark.parametrize("settings", [True, TLS(min_version="1.3"), TLS(verify=False)])
def test_no_setting_weakens_another(settings):
    made = transport_tls.Handshakes() if settings is True else transport_tls.Handshakes(
        verify=settings.verify, min_version=settings.min_version
    )  # fmt: skip
    context = made.context()
    assert context.verify_mode is (ssl.CERT_REQUIRED if made.verify else ssl.CERT_NONE)
    assert context.check_hostname is made.verify
    oldest = ssl.TLSVersion.TLSv1_3 if settings == TLS(min_version="1.3") else ssl.TLSVersion.TLSv1_2
    assert context.minimum_version is oldest
    assert transport_tls.Handshakes().context().minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("settings", [{}, {"verify": False}, {"min_version": "1.3"}])
def test_each_offer_of_protocols_has_a_context_of_its_own(settings):
    one, other = transport_tls.Handshakes(**settings), transport_tls.Handshakes(**settings)
    offers = [("http/1.1",), ("h2", "http/1.1"), ("h2",)]
    contexts = [one.context(offer) for offer in offers]
    assert len(set(map(id, contexts))) == 3
    assert [one.context(offer) for offer in offers] == contexts
    assert one.context() is contexts[0]
    shared = not settings  # clients without TLS settings share theirs
    assert [other.context(offer) is context for offer, context in zip(offers, contexts, strict=True)] == [shared] * 3


async def test_where_the_system_verifies_it_is_asked(ours, monkeypatch):
    """On macOS and Windows: truststore's own context, unless the environment names authorities."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transport_tls, "NATIVE", True)
    assert type(transport_tls.Handshakes().context()) is truststore.SSLContext
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url) as api:
        assert (await api.get("/")).text == "hi"
    assert type(transport_tls.Handshakes().context()) is ssl.SSLContext


async def test_keys_are_logged_for_wireshark_where_that_is_asked_for(ours, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    async with scripted(always(OK), tls=ours.server()) as server, Client(server.url) as api:
        await api.get("/")
    assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys").read_text()


def test_a_client_of_plain_http_reads_no_trust_store():
    code = "import asyncapi; asyncapi.Client('http://h'); from asyncapi.transports import tls; print(tls._shared.cache_info().misses)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "0"
