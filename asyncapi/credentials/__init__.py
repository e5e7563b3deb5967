"""Credentials: what `Client(auth=...)` takes, to identify itself to an API."""

from typing import TYPE_CHECKING, Any

from asyncapi.credentials.renamed import warn
from asyncapi.faces import lazy_face

if TYPE_CHECKING:
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
    from asyncapi.credentials.sources import Env, File
    from asyncapi.credentials.static import ApiKey, Basic, Bearer
    from asyncapi.credentials.together import Together

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
    "Together",
]

# The same as above: module -> names.
_HOMES = {
    "aws": "AWSSigV4",
    "base": "AuthContext Credential Signature",
    "digest": "Digest",
    "key_pool": "Key KeyPool",
    "oauth.assertions": "OAuth2JWTBearer OAuth2TokenExchange",
    "oauth.authorization_code": "OAuth2AuthorizationCode",
    "oauth.client_credentials": "OAuth2ClientCredentials",
    "oauth.device": "OAuth2DeviceCode",
    "oauth.refresh_token": "OAuth2RefreshToken",
    "oauth.server": "Issuer",
    "sources": "Env File",
    "static": "ApiKey Basic Bearer",
    "together": "Together",
}

_find, __dir__ = lazy_face(__name__, _HOMES)


def __getattr__(name: str) -> Any:
    """Find a name, and `AuthContext` by its name of 0.1, `Means`, for one more minor release."""
    if name == "Means":
        warn("asyncapi.credentials.Means is now AuthContext")
        name = "AuthContext"
    return _find(name)
