"""Credentials: what `Client(auth=...)` takes, to identify itself to an API."""

from typing import Any

from asyncapi.credentials.aws import AWSSigV4
from asyncapi.credentials.base import AuthContext, Credential, Signature
from asyncapi.credentials.digest import Digest
from asyncapi.credentials.key_pool import Key, KeyPool
from asyncapi.credentials.oauth.assertions import OAuth2JWTBearer, OAuth2TokenExchange
from asyncapi.credentials.oauth.authorization_code import OAuth2AuthorizationCode
from asyncapi.credentials.oauth.client_credentials import OAuth2ClientCredentials
from asyncapi.credentials.oauth.device import OAuth2DeviceCode
from asyncapi.credentials.oauth.refresh_token import OAuth2RefreshToken
from asyncapi.credentials.oauth.server import Issuer
from asyncapi.credentials.renamed import warn
from asyncapi.credentials.sources import Env, File
from asyncapi.credentials.static import ApiKey, Basic, Bearer

__all__ = [
    "AWSSigV4",
    "ApiKey",
    "AuthContext",
    "Basic",
    "Bearer",
    "Credential",
    "Digest",
    "Env",
    "File",
    "Issuer",
    "Key",
    "KeyPool",
    "OAuth2AuthorizationCode",
    "OAuth2ClientCredentials",
    "OAuth2DeviceCode",
    "OAuth2JWTBearer",
    "OAuth2RefreshToken",
    "OAuth2TokenExchange",
    "Signature",
]


def __getattr__(name: str) -> Any:
    """Find `AuthContext` by its name of 0.1, `Means`, for one more minor release."""
    if name == "Means":
        warn("asyncapi.credentials.Means is now AuthContext")
        return AuthContext
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
