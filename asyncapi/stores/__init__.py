"""Stores that outlive a client: for tokens, so that a person logs in once."""

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face
from asyncapi.stores.tokens import FileStore, KeyringStore, MemoryStore, TokenStore

if TYPE_CHECKING:
    from asyncapi.stores.redis_tokens import RedisStore

__all__ = ["FileStore", "KeyringStore", "MemoryStore", "RedisStore", "TokenStore"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(__name__, {"redis_tokens": "RedisStore"})
