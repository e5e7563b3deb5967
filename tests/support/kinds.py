"""Every kind of credential there is, with secrets that can be looked for."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from multidict import CIMultiDict

from asyncapi import (
    ApiKey,
    AWSSigV4,
    Basic,
    Bearer,
    Digest,
    KeyPool,
    OAuth2ClientCredentials,
    OAuth2JWTBearer,
    OAuth2RefreshToken,
    OAuth2TokenExchange,
)
from asyncapi.credentials import Signature

CANARY = "canary" + "bird"


class Signed:
    """A credential of somebody's own: a header, a query key and a cookie, and a header made at the last moment."""

    max_resends = 0

    def cached_signature(self, request, context):
        return Signature(
            headers=(("X-One", CANARY),),
            params=(("two", CANARY),),
            cookies=(("three", CANARY),),
            secrets=(CANARY,),
            sign=lambda made, now: made.copy(headers=CIMultiDict({**made.headers, "X-Four": CANARY})),
        )

    async def fetch_signature(self, request, context):
        return self.cached_signature(request, context)

    def on_response(self, signature, response, refused, context):
        return ""

    def describe(self):
        return "Signed"


PRIVATE = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()  # fmt: skip


# Each is given the URL of the token endpoint.
KINDS = {
    "header": lambda _: ApiKey(CANARY, header="X-Odd"),
    "query": lambda _: ApiKey(CANARY, query="odd"),
    "cookie": lambda _: ApiKey(CANARY, cookie="odd"),
    "bearer": lambda _: Bearer(CANARY),
    "basic": lambda _: Basic("me", CANARY),
    "digest": lambda _: Digest("me", CANARY),
    "pool": lambda _: KeyPool(
        [ApiKey(CANARY, query="odd"), ApiKey(CANARY, header="X-Odd"), ApiKey(CANARY, cookie="odd")]
    ),
    "client credentials": lambda url: OAuth2ClientCredentials(url, "me", CANARY),
    "refresh token": lambda url: OAuth2RefreshToken(url, "me", refresh_token=CANARY),
    "token exchange": lambda url: OAuth2TokenExchange(url, "me", CANARY, client_secret=CANARY),
    "JWT bearer": lambda url: OAuth2JWTBearer(url, "me", PRIVATE),
    "DPoP": lambda url: OAuth2ClientCredentials(url, "me", CANARY, dpop=True),
    "AWS": lambda _: AWSSigV4("s3", "r", access_key="id", secret_key=CANARY, session_token=CANARY),
    "AWS, not S3": lambda _: AWSSigV4("es", "r", access_key="id", secret_key=CANARY),
    "own": lambda _: Signed(),
}

NEED = {"JWT bearer": "joserfc", "DPoP": "joserfc", "AWS": "botocore", "AWS, not S3": "botocore"}


def make(kind: str, token_url: str):
    """One of them; skips where its package is missing."""
    if kind in NEED:
        pytest.importorskip(NEED[kind])
    return KINDS[kind](token_url)
