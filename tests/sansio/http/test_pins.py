"""Pins are the hashes that openssl and browsers compute, whatever the key; nothing else is read as one."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from contextlib import suppress
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.pins import parse, pin, public_key

PIN = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
KEYS = {
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "EC": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def certificate(key, *, names: int = 1) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "h.example" * 3)] * names)
    now = dt.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now)
    hashed = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, hashed).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("names", [1, 40])  # lengths in one octet and in several
def test_the_pin_is_the_hash_of_the_key_as_it_stands_in_the_certificate(kind, names):
    key = KEYS[kind]()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    expected = key.public_key().public_bytes(serialization.Encoding.DER, form)
    der = certificate(key, names=names)
    assert public_key(der) == expected
    assert pin(der) == f"sha256/{b64encode(sha256(expected).digest()).decode()}"


@pytest.mark.parametrize(
    "text",
    [PIN, PIN.removeprefix("sha256/"), PIN.replace("/", "//", 1), f'pin-sha256="{PIN[7:]}"', f"pin-sha256={PIN[7:]}", f" {PIN}\n"],
)  # fmt: skip
def test_every_usual_form_is_read(text):
    assert parse(text) == PIN


@pytest.mark.parametrize(
    "text",
    ["", "sha256/", PIN[:-2], PIN[:-1], PIN + "=", f"sha1/{PIN[7:]}", f"sha256/{'0' * 64}", f'pin-sha256="{PIN[7:]}', "Ω" * 44],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is not a pin: write sha256/ and the base64 of 32 bytes"):
        parse(text)


@given(st.binary(max_size=80))
def test_what_is_no_certificate_is_refused_or_cut_from(der):
    with suppress(ValueError):
        assert public_key(der) in der


def test_a_certificate_cut_short_is_refused():
    der = certificate(KEYS["EC"]())
    end = der.index(public_key(der)) + len(public_key(der))
    for length in range(end):
        with pytest.raises(ValueError):
            public_key(der[:length])
