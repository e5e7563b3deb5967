"""Pin public keys: by the SHA-256 of a certificate's SubjectPublicKeyInfo, in base64 (RFC 7469 section 2.4).

The key's bytes are cut out of the certificate as they are (RFC 5280 section 4.1), since a key that is parsed
and written again need not give the same bytes. The certificate has been parsed by OpenSSL before it comes here.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha256

_FORM = re.compile(r'(?:pin-sha256=(?P<quote>"?)|sha256//?)?(?P<hash>[A-Za-z0-9+/]{43}=)(?(quote)(?P=quote))')
_VERSION, _SEQUENCE = 0xA0, 0x30  # DER tags
_BEFORE_THE_KEY = 5  # serialNumber, signature, issuer, validity, subject


def parse(text: str) -> str:
    """Read a pin in any of its forms: `sha256/...=`, which is returned, `pin-sha256="..."`, `sha256//...`, bare base64.

    Raises:
        ValueError: The text is not a pin.
    """
    found = _FORM.fullmatch(text.strip())
    try:
        hashed = b64decode(found["hash"], validate=True) if found is not None else b""
    except binascii.Error:
        hashed = b""
    if len(hashed) != sha256().digest_size:
        raise ValueError(
            f"{text!r} is not a pin: write sha256/ and the base64 of 32 bytes, the SHA-256 of a public key"
        )
    return _written(hashed)


def pin(certificate: bytes) -> str:
    """The pin of the public key of a certificate in DER.

    Raises:
        ValueError: The bytes are not a certificate.
    """
    return _written(sha256(public_key(certificate)).digest())


def public_key(certificate: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate, both in DER.

    Raises:
        ValueError: The bytes are not a certificate.
    """
    try:
        _, start, _ = _element(certificate, 0)
        _, at, _ = _element(certificate, start)  # tbsCertificate
        tag, _, end = _element(certificate, at)
        if tag == _VERSION:  # RFC 5280 section 4.1.2.1: it may be left out
            at = end
        for _ in range(_BEFORE_THE_KEY):
            _, _, at = _element(certificate, at)
        tag, _, end = _element(certificate, at)
    except IndexError:
        raise ValueError("the certificate is cut short") from None
    if tag != _SEQUENCE or end > len(certificate):
        raise ValueError("no public key where a certificate should have it")
    return certificate[at:end]


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """The element that begins at `at`: its tag, where its content begins and where it ends (X.690 section 8.1)."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[start : start + octets], "big")
        start += octets
    return tag, start, start + length


def _written(hashed: bytes) -> str:
    return f"sha256/{b64encode(hashed).decode()}"
