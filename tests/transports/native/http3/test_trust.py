"""What of a client's TLS settings goes to HTTP/3's library, and which pinned keys prove something."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from asyncapi.errors import ConfigError
from asyncapi.sansio.http.pins import pin
from asyncapi.transports import tls as transport_tls
from asyncapi.transports.native.http3.trust import Trust
from asyncapi.transports.tls import Handshakes
from certificates import aged

OTHER = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode())


def chain(authority, *names):
    """A server's certificates as it sends them, in DER."""
    made = authority.issue_cert(*(names or ("h.example", "127.0.0.1", "::1")))
    return [der(blob.bytes()) for blob in made.cert_chain_pems]


def proves(ours, sent, pins, host="h.example", **settings):
    return Trust(Handshakes(ca=ours.file, pins=pins, **settings)).proves(host, sent)


# --- authorities ----------------------------------------------------------------------------------------------------


def test_the_systems_authorities_are_handed_over():
    trust = Trust(Handshakes())
    configuration = trust.configuration("h.example")
    assert configuration.verify_mode == ssl.CERT_REQUIRED
    if not transport_tls.NATIVE:
        assert configuration.cadata.count(b"BEGIN CERTIFICATE") == len(Handshakes().authorities())
    assert configuration.alpn_protocols == ["h3"]


def test_a_file_of_authorities_replaces_them(ours):
    configuration = Trust(Handshakes(ca=ours.file)).configuration("h.example")
    assert configuration.cadata.split() == ours.made.cert_pem.bytes().split()


def test_a_folder_of_authorities_is_read_under_the_names_that_openssl_looks_for(ours, theirs, tmp_path):
    (tmp_path / "0a1b2c3d.0").write_bytes(ours.made.cert_pem.bytes())
    (tmp_path / "0a1b2c3d.1").write_bytes(ours.made.cert_pem.bytes())
    (tmp_path / "notes.pem").write_bytes(theirs.made.cert_pem.bytes())
    (tmp_path / "deadbeef.0").write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense!\n-----END CERTIFICATE-----")
    found = Handshakes(ca=str(tmp_path)).authorities()
    assert found[0] == der(ours.made.cert_pem.bytes())
    assert der(theirs.made.cert_pem.bytes()) not in found


@pytest.mark.skipif(transport_tls.NATIVE, reason="the system keeps its authorities to itself")
def test_the_environment_names_authorities(ours, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", ours.file)
    monkeypatch.setenv("SSL_CERT_DIR", os.devnull)
    assert Handshakes().authorities() == [der(ours.made.cert_pem.bytes())]


def test_without_verification_nothing_is_verified():
    assert Trust(Handshakes(verify=False)).configuration("h.example").verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("host", "name"), [("h.example.", "h.example"), ("fe80::1%eth0", "fe80::1"), ("127.0.0.1", "127.0.0.1")]
)
def test_the_name_that_the_certificate_must_have(host, name):
    assert Trust(Handshakes()).configuration(host).server_name == name


# --- the client certificate -----------------------------------------------------------------------------------------


def test_a_client_certificate_in_one_file_or_two(ours, tmp_path):
    one = ours.client(tmp_path)
    cert, key = ours.pair(tmp_path / "two")
    for settings in ({"cert": one}, {"cert": cert, "key": key}):
        configuration = Trust(Handshakes(ca=ours.file, **settings)).configuration("h.example")
        assert configuration.certificate is not None
        assert configuration.private_key is not None


def test_keys_in_their_traditional_form_are_read(ours, tmp_path):
    cert, key = ours.pair(tmp_path / "two")
    parsed = serialization.load_pem_private_key(Path(key).read_bytes(), None)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    old = parsed.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(b"a comment\n" + old)
    tls = Handshakes(ca=ours.file, cert=cert, key=str(tmp_path / "key.pem"))
    assert Trust(tls).configuration("h.example").private_key is not None


def test_a_key_with_a_password_is_refused_with_what_to_do(ours, tmp_path):
    cert, key = ours.pair(tmp_path / "locked", password="secret")
    with pytest.raises(ConfigError, match="HTTP/3 needs one without a password") as caught:
        Trust(Handshakes(ca=ours.file, cert=cert, key=key, password="secret"))
    assert "secret" not in str(caught.value)


def test_new_files_are_taken_over(ours, theirs, tmp_path, monkeypatch):
    file = tmp_path / "ca.pem"
    file.write_bytes(ours.made.cert_pem.bytes())
    aged(file, 100.0)
    trust = Trust(Handshakes(ca=str(file)))
    assert trust.configuration("h").cadata.split() == ours.made.cert_pem.bytes().split()
    file.write_bytes(theirs.made.cert_pem.bytes())
    aged(file, 50.0)
    assert trust.configuration("h").cadata.split() == theirs.made.cert_pem.bytes().split()


# --- pins -----------------------------------------------------------------------------------------------------------


def test_without_pins_everything_that_was_verified_is_proven(ours):
    assert proves(ours, chain(ours.made), None)
    assert proves(ours, chain(ours.made), {"other.example": [OTHER]})


def test_the_servers_own_key_proves_it(ours):
    sent = chain(ours.made)
    assert proves(ours, sent, [OTHER, pin(sent[0])])
    assert not proves(ours, sent, [OTHER])
    assert not proves(ours, [], [OTHER])


def test_the_key_of_the_authority_proves_it_though_it_is_not_sent(ours):
    assert proves(ours, chain(ours.made)[:1], [pin(der(ours.made.cert_pem.bytes()))])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "h.example."])
def test_the_key_of_the_authority_proves_addresses_and_names(ours, host):
    assert proves(ours, chain(ours.made), [pin(der(ours.made.cert_pem.bytes()))], host)


def test_the_key_of_an_intermediate_proves_it(ours):
    middle = ours.made.create_child_ca()
    sent = chain(middle)
    assert len(sent) == 2
    assert proves(ours, sent, [pin(sent[1])])


def test_a_certificate_that_is_merely_sent_along_proves_nothing(ours, theirs):
    pinned = der(theirs.made.cert_pem.bytes())
    sent = [*chain(ours.made), pinned]
    assert not proves(ours, sent, [pin(pinned)])
    middle = trustme.CA().create_child_ca()
    assert not proves(ours, [*chain(ours.made), der(middle.cert_pem.bytes())], [pin(der(middle.cert_pem.bytes()))])


def test_without_verification_only_the_servers_own_key_counts(ours):
    sent = chain(ours.made)
    assert proves(ours, sent, [pin(sent[0])], verify=False)
    assert not proves(ours, sent, [pin(der(ours.made.cert_pem.bytes()))], verify=False)
