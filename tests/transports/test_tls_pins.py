"""Pinned keys are looked at once a connection, before a byte of a request is sent; only what was verified counts."""

from __future__ import annotations

import asyncio
import ssl
from ipaddress import ip_address

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from asyncapi import TLS, Client, ConfigError, TLSError
from asyncapi.sansio.http.pins import pin
from asyncapi.transports import tls as transport_tls
from certificates import OK
from servers import IPV6, Peer, always, scripted, tunnel

pytestmark = pytest.mark.lanes

OTHER = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


class Pinned:
    """A server's certificate, and the pins of its chain."""

    def __init__(self, authority: trustme.CA, *names: str) -> None:
        self.leaf = authority.issue_cert(*(names or ("127.0.0.1", "localhost")))
        self.pin, *_ = (pin(ssl.PEM_cert_to_DER_cert(blob.bytes().decode())) for blob in self.leaf.cert_chain_pems)
        self.ca_pin = pin(ssl.PEM_cert_to_DER_cert(authority.cert_pem.bytes().decode()))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.leaf.configure_cert(self.context)


@pytest.fixture
def pinned(ours):
    return Pinned(ours.made)


@pytest.fixture(params=["direct", "through a proxy"])
async def way(request):
    if request.param == "direct":
        yield {}
        return
    async with scripted(tunnel) as proxy:
        yield {"proxy": proxy.url}


async def test_one_of_several_pins_is_enough(ours, pinned, way):
    async with scripted(always(OK), tls=pinned.context) as server:
        for pins in (pinned.pin, [OTHER, pinned.pin], [f'pin-sha256="{pinned.pin[7:]}"'], {"127.0.0.1": [pinned.pin]}):
            async with Client(server.url, tls=TLS(ca=ours.file, pins=pins), **way) as api:
                assert (await api.get("/")).text == "hi"


async def test_the_key_of_an_authority_can_be_pinned(ours, pinned):
    tls = TLS(ca=ours.file, pins=[pinned.ca_pin])
    async with scripted(always(OK), tls=pinned.context) as server, Client(server.url, tls=tls) as api:
        assert (await api.get("/")).text == "hi"


async def test_a_wrong_pin_is_told_with_the_one_seen_and_nothing_is_sent(ours, pinned, way):
    read = []

    async def script(peer: Peer) -> None:
        """A client on uvloop hangs up before its last word of the handshake has gone: that is no less to be seen here."""
        try:
            await peer.writer.start_tls(pinned.context)
            read.append(await peer.reader.read())
        except OSError:
            read.append(b"")

    tls = TLS(ca=ours.file, pins=[OTHER])
    async with scripted(script) as server, Client(server.url.replace("http", "https"), tls=tls, **way) as api:
        with pytest.raises(TLSError, match="is not pinned") as caught:
            await api.post("/", json={"secret": 1}, idempotency_key=True)
        async with asyncio.timeout(30):
            while not read:  # hung up on, while the client and the error are still there
                await asyncio.sleep(0.001)
    assert b"".join(read) == b""
    assert len(caught.value.attempts) == 1
    assert f"its key is {pinned.pin}, pinned are {OTHER}" in str(caught.value)
    assert str(caught.value).startswith(
        f"POST {server.url.replace('http', 'https')}/: TLS: the key of 127.0.0.1 is not pinned"
    )


async def test_a_certificate_that_is_merely_sent_along_proves_nothing(ours, pinned, theirs):
    """An attacker with a certificate of his own appends the pinned one, which he has no key of."""
    mine = theirs.made.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain = [mine.private_key_pem.bytes(), *(blob.bytes() for blob in mine.cert_chain_pems)]
    with trustme.Blob(
        b"".join([*chain, pinned.leaf.cert_chain_pems[0].bytes(), ours.made.cert_pem.bytes()])
    ).tempfile() as path:
        context.load_cert_chain(path)
    for tls in (
        TLS(ca=theirs.file, pins=[pinned.pin, pinned.ca_pin]),
        TLS(verify=False, pins=[pinned.pin, pinned.ca_pin]),
    ):
        async with scripted(always(OK), tls=context) as server, Client(server.url, tls=tls) as api:
            with pytest.raises(TLSError, match="is not pinned"):
                await api.get("/")
            assert not server.seen


async def test_a_name_that_is_merely_claimed_proves_nothing(ours, tmp_path):
    """A forged certificate names the pinned authority as its issuer, and sends that along."""
    authority = x509.load_pem_x509_certificate(ours.made.cert_pem.bytes())
    mine = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    key = ec.generate_private_key(ec.SECP256R1())
    forged = (
        x509.CertificateBuilder(authority.subject, mine, key.public_key(), x509.random_serial_number())
        .not_valid_before(authority.not_valid_before_utc)
        .not_valid_after(authority.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with trustme.Blob(private + forged + ours.made.cert_pem.bytes()).tempfile() as path:
        context.load_cert_chain(path)
    tls = TLS(verify=False, pins=[pin(ssl.PEM_cert_to_DER_cert(ours.made.cert_pem.bytes().decode()))])
    async with scripted(always(OK), tls=context) as server, Client(server.url, tls=tls) as api:
        with pytest.raises(TLSError, match="is not pinned"):
            await api.get("/")
        assert not server.seen


async def test_a_pin_alone_may_prove_who_a_server_is(theirs):
    """`verify=False` with the pin of a device's own key: no warning, and nobody else gets through."""
    device = Pinned(theirs.made, "device.invalid")
    tls = TLS(verify=False, pins=[device.pin])
    async with scripted(always(OK), tls=device.context) as server, Client(server.url, tls=tls) as api:
        assert (await api.get("/")).text == "hi"
    async with scripted(always(OK), tls=Pinned(theirs.made).context) as server, Client(server.url, tls=tls) as api:
        with pytest.raises(TLSError, match="is not pinned"):
            await api.get("/")


async def test_pins_of_one_host_leave_others_alone(ours, pinned):
    tls = TLS(ca=ours.file, pins={"LocalHost.": [OTHER]})
    async with scripted(always(OK), tls=pinned.context) as server, Client(tls=tls) as api:
        assert (await api.get(server.url)).text == "hi"
        with pytest.raises(TLSError, match="the key of localhost is not pinned"):
            await api.get(server.url.replace("127.0.0.1", "localhost"))


async def test_a_redirect_meets_the_pins_of_its_own_host(ours, pinned):
    async def script(peer: Peer) -> None:
        while (seen := await peer.request()) is not None:
            elsewhere = f"https://localhost:{peer.server.port}/there"
            await (peer.answer() if seen.path == "/there" else peer.answer(status="302 Found", Location=elsewhere))

    tls = TLS(ca=ours.file, pins={"localhost": [OTHER], "127.0.0.1": [pinned.pin]})
    async with scripted(script, tls=pinned.context) as server, Client(server.url, tls=tls) as api:
        with pytest.raises(TLSError, match="the key of localhost is not pinned"):
            await api.get("/")
    assert [seen.path for seen in server.seen] == ["/"]


@IPV6
async def test_pins_hold_for_ipv6(ours):
    six = Pinned(ours.made, "::1")
    async with scripted(always(OK), tls=six.context, host="::1") as server:
        async with Client(server.url, tls=TLS(ca=ours.file, pins={"::1": [six.pin]})) as api:
            assert (await api.get("/")).text == "hi"
        async with Client(server.url, tls=TLS(ca=ours.file, pins={"::1": [OTHER]})) as api:
            with pytest.raises(TLSError, match="the key of ::1 is not pinned"):
                await api.get("/")


async def test_pins_hold_over_a_unix_socket(ours, tmp_path):
    path, docker = str(tmp_path / "s"), Pinned(ours.made, "docker")
    async with scripted(always(OK), tls=docker.context, unix=path):
        for pins, fits in ((docker.pin, True), (OTHER, False)):
            async with Client("https://docker", unix_socket=path, tls=TLS(ca=ours.file, pins=pins)) as api:
                if fits:
                    assert (await api.get("/")).text == "hi"
                else:
                    with pytest.raises(TLSError, match="the key of docker is not pinned"):
                        await api.get("/")


async def test_a_kept_connection_was_looked_at_when_it_was_made(ours, pinned, monkeypatch):
    looked = []
    usual = transport_tls.Handshakes.check
    monkeypatch.setattr(transport_tls.Handshakes, "check", lambda *args: (looked.append(args), usual(*args))[1])
    tls = TLS(ca=ours.file, pins=[pinned.pin])
    async with scripted(always(OK), tls=pinned.context) as server, Client(server.url, tls=tls) as api:
        for _ in range(20):
            await api.get("/")
    assert (len(looked), len(server.peers)) == (1, 1)


async def test_every_new_connection_is_looked_at(ours, pinned):
    """The server is replaced by another with a certificate as good, while a client goes on."""
    tls = TLS(ca=ours.file, pins=[pinned.pin])
    async with scripted(always(OK), tls=pinned.context) as server:
        api = Client(server.url, tls=tls)
        assert (await api.get("/")).text == "hi"
    async with api, scripted(always(OK), tls=Pinned(ours.made).context, port=server.port) as other:
        with pytest.raises(TLSError, match="is not pinned"):
            await api.get("/")
        assert not other.seen


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ([], "give at least one pin, better two: the key in use and the next one"),
        ({"h": []}, "give at least one pin"),
        (["nope"], "'nope' is not a pin: write sha256/"),
        ({"h": "nope"}, "'nope' is not a pin"),
        (5, "give pins as text, sha256/...="),
        ([5], "give pins as text"),
    ],
)
def test_what_is_no_pin_is_told_at_once(pins, message):
    with pytest.raises(ConfigError, match=message):
        TLS(pins=pins)
