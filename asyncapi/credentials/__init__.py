"""Credentials: what `Client(auth=...)` takes."""

from asyncapi.credentials.credential import Credential, Means, Signature
from asyncapi.credentials.plain import ApiKey, Basic, Bearer
from asyncapi.credentials.values import Env, File

__all__ = ["ApiKey", "Basic", "Bearer", "Credential", "Env", "File", "Means", "Signature"]
