"""Stores that outlive a client: for tokens, so that a person logs in once, and for responses."""

from typing import TYPE_CHECKING

from asyncapi.faces import lazy_face
from asyncapi.stores.tokens import FileStore, KeyringStore, MemoryStore, TokenStore

if TYPE_CHECKING:
    from asyncapi.stores.redis_tokens import RedisStore
    from asyncapi.stores.responses import CacheStore
    from asyncapi.stores.sqlite import SQLiteStore

__all__ = ["CacheStore", "FileStore", "KeyringStore", "MemoryStore", "RedisStore", "SQLiteStore", "TokenStore"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_face(
        __name__, {"redis_tokens": "RedisStore", "responses": "CacheStore", "sqlite": "SQLiteStore"}
    )
