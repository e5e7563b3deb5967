"""Credentials: what `Client(auth=...)` takes."""

from asyncapi.credentials.aws import AWSSigV4
from asyncapi.credentials.base import Credential, Means, Signature
from asyncapi.credentials.digest import Digest
from asyncapi.credentials.key_pool import Key, KeyPool
from asyncapi.credentials.oauth.assertions import OAuth2JWTBearer, OAuth2TokenExchange
from asyncapi.credentials.oauth.authorization_code import OAuth2AuthorizationCode, OAuth2RefreshToken
from asyncapi.credentials.oauth.client_credentials import OAuth2ClientCredentials
from asyncapi.credentials.oauth.device import OAuth2DeviceCode
from asyncapi.credentials.oauth.server import Issuer
from asyncapi.credentials.sources import Env, File
from asyncapi.credentials.static import ApiKey, Basic, Bearer

__all__ = [
    "AWSSigV4",
    "ApiKey",
    "Basic",
    "Bearer",
    "Credential",
    "Digest",
    "Env",
    "File",
    "Issuer",
    "Key",
    "KeyPool",
    "Means",
    "OAuth2AuthorizationCode",
    "OAuth2ClientCredentials",
    "OAuth2DeviceCode",
    "OAuth2JWTBearer",
    "OAuth2RefreshToken",
    "OAuth2TokenExchange",
    "Signature",
]
