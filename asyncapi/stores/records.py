"""Write stored responses as bytes, and read them back: whole or not at all, and sealed where there is a key.

1. A value is the number of the format, a checksum, the length of the head, the head as JSON, and the body as it is.
   What has another number, or is damaged, is none.
2. With a key, values are sealed by AES-GCM; their place belongs to the seal, so that nobody can exchange two of them.
3. Places are keyed hashes: they show no URL and no credential. Without a key of the user's the hash is keyed by a salt
   that the store keeps beside them, which makes two stores of the same responses differ.
"""

from __future__ import annotations

import json
import os
from hashlib import blake2b
from importlib import import_module
from struct import Struct, error
from typing import TYPE_CHECKING, Any, cast
from zlib import crc32

from asyncapi.errors import ConfigError
from asyncapi.sansio.http.stored_response import FORMAT

if TYPE_CHECKING:
    from asyncapi.sansio.http.stored_response import Record

_FRONT = Struct(">BII")  # format, checksum of all that follows it, length of the head
_NONCE = 12
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class Records:
    """Turns records into the bytes of one store, and back.

    Args:
        salt: Keys the hashes.
        key: The user's Fernet key, or None for values that are stored as they are.

    Raises:
        ConfigError: `cryptography` is not installed (extra `auth`).
    """

    __slots__ = ("_invalid", "_salt", "_seal")

    def __init__(self, salt: bytes, key: str | None) -> None:
        self._salt = salt if key is None else blake2b(key.encode(), person=b"asyncapi places").digest()
        self._seal: Any = None
        self._invalid: tuple[type[Exception], ...] = (ValueError, TypeError, error)
        if key is not None:
            try:
                aead = import_module("cryptography.hazmat.primitives.ciphers.aead")
                self._invalid = (*self._invalid, import_module("cryptography.exceptions").InvalidTag)
            except ImportError:
                raise ConfigError("a store with key= needs cryptography: pip install 'asyncapi-sdk[auth]'") from None
            self._seal = aead.AESGCM(blake2b(key.encode(), person=b"asyncapi values", digest_size=32).digest())

    def place(self, key: str) -> bytes:
        """The place of a key (rule 3)."""
        return blake2b(key.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=16).digest()

    def variant(self, record: Record) -> bytes:
        """The place of a record among those of its key."""
        return self.place(repr(record[:2]))

    def pack(self, place: bytes, record: Record) -> bytes:
        """Write a record as bytes for a place."""
        head, body = _encode(record[:-1]).encode(), cast("bytes", record[-1])
        front = _FRONT.pack(FORMAT, crc32(body, crc32(head)), len(head))
        value = b"".join((front, head, body))
        if self._seal is None:
            return value
        nonce = os.urandom(_NONCE)
        return nonce + cast("bytes", self._seal.encrypt(nonce, value, place))

    def unpack(self, place: bytes, value: bytes) -> Record | None:
        """Read a record; None where it is of another format, damaged, or sealed for another place or by another key."""
        try:
            if self._seal is not None:
                value = self._seal.decrypt(value[:_NONCE], value[_NONCE:], place)
            number, checksum, length = _FRONT.unpack_from(value)
            if number != FORMAT:
                return None
            end = _FRONT.size + length
            head, body = value[_FRONT.size : end], value[end:]
            if len(head) != length or crc32(body, crc32(head)) != checksum:
                return None
            return (*[tuple(part) if type(part) is list else part for part in _decode(head.decode())], body)
        except self._invalid:
            return None
