"""Credentials: what `Client(auth=...)` takes."""

from asyncapi.credentials.assertions import OAuth2JWTBearer, OAuth2TokenExchange
from asyncapi.credentials.aws import AWSSigV4
from asyncapi.credentials.credential import Credential, Means, Signature
from asyncapi.credentials.device import OAuth2DeviceCode
from asyncapi.credentials.digest import Digest
from asyncapi.credentials.login import OAuth2AuthorizationCode, OAuth2RefreshToken
from asyncapi.credentials.oauth2 import OAuth2ClientCredentials
from asyncapi.credentials.plain import ApiKey, Basic, Bearer
from asyncapi.credentials.pool import Key, KeyPool
from asyncapi.credentials.server import Issuer
from asyncapi.credentials.values import Env, File

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
