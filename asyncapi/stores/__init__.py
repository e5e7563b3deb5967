"""Stores that outlive a client: for tokens, so that a person logs in once."""

from asyncapi.stores.tokens import FileStore, KeyringStore, MemoryStore, TokenStore

__all__ = ["FileStore", "KeyringStore", "MemoryStore", "TokenStore"]
