"""Metadata: the fields that go before and after the messages of an RPC (gRPC over HTTP/2, "Custom-Metadata").

Names that end in -bin have bytes, which travel as base64; all others have printable ASCII text.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from asyncapi.errors import ConfigError

Value = str | bytes

_NAME = re.compile(r"[0-9a-z_.\-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")
# What the protocol itself says in headers: never a user's to send, and no metadata when it comes.
_OURS = frozenset({"content-type", "content-length", "te", "host", "connection", "transfer-encoding", "user-agent"})
_OF_HTTP = frozenset({
    "content-type", "te", "grpc-encoding", "grpc-accept-encoding", "grpc-status", "grpc-message", "trailer",
    "content-length", "content-encoding", "transfer-encoding", "connection", "keep-alive",
    "connect-content-encoding", "connect-accept-encoding",
})  # fmt: skip


class Metadata:
    """Metadata as it came: names in lower case, each with one value or several; iterating gives (name, value) pairs.

    The values of names in -bin are bytes.
    """

    __slots__ = ("_fields", "_read")

    def __init__(self, pairs: Iterable[tuple[str, Value]] = ()) -> None:
        self._read: tuple[tuple[str, Value], ...] | None = tuple(pairs)
        self._fields: Any = ()

    @classmethod
    def of(cls, fields: Any) -> Metadata:
        """Read header or trailer fields, without what the protocol says in them, once somebody asks.

        Args:
            fields: A multidict.
        """
        made = cls()
        made._read, made._fields = None, fields
        return made

    @property
    def _pairs(self) -> tuple[tuple[str, Value], ...]:
        if self._read is None:
            self._read, self._fields = tuple(_pairs_of(self._fields.items())), ()
        return self._read

    def __getitem__(self, name: str) -> Value:
        low = name.lower()
        for each, value in self._pairs:
            if each == low:
                return value
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the first value of a name."""
        try:
            return self[name]
        except KeyError:
            return default

    def get_all(self, name: str) -> list[Value]:
        """Return all values of a name."""
        low = name.lower()
        return [value for each, value in self._pairs if each == low]

    def keys(self) -> list[str]:
        """Return the names, each once."""
        return list(dict.fromkeys(name for name, _ in self._pairs))

    def values(self) -> list[Value]:
        """Return the values."""
        return [value for _, value in self._pairs]

    def items(self) -> list[tuple[str, Value]]:
        """Return (name, value) pairs."""
        return list(self._pairs)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(each == name.lower() for each, _ in self._pairs)

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Metadata):
            return self._pairs == other._pairs
        return self._pairs == tuple(other) if isinstance(other, tuple | list) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __reduce__(self) -> tuple[Any, ...]:
        return Metadata, (self._pairs,)

    def __repr__(self) -> str:
        return f"Metadata({list(self._pairs)!r})"


NONE: Final = Metadata()


def written(given: Any) -> list[tuple[str, str]]:
    """Write what a user gives as metadata as header fields.

    Args:
        given: (name, value) pairs, or a mapping.

    Raises:
        ConfigError: A name or value can't be sent, or is not the user's to say.
    """
    pairs = given.items() if isinstance(given, Mapping) else given
    fields: list[tuple[str, str]] = []
    try:
        for name, value in pairs:
            fields.append(_written(name, value))
    except (TypeError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"metadata: give (name, value) pairs or a mapping, not {type(given).__name__}") from None
    return fields


def _written(name: Any, value: Any) -> tuple[str, str]:
    low = name.lower() if isinstance(name, str) else ""
    if not _NAME.fullmatch(low):
        raise ConfigError(f"metadata name {name!r}: it has letters, digits, '_', '-' and '.'")
    if low in _OURS or low.startswith("grpc-"):
        raise ConfigError(f"metadata name {name!r}: the protocol says that itself; leave it out")
    if low.endswith("-bin"):
        data = value.encode() if isinstance(value, str) else value
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ConfigError(f"metadata {name}: give bytes, not {type(value).__name__}")
        return low, to_base64(bytes(data))
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        raise ConfigError(f"metadata {name}: give text, not {type(value).__name__}")
    if not _TEXT.fullmatch(text) or text != text.strip():
        raise ConfigError(
            f"metadata {name}: the value has a character that is not printable ASCII, or a space at an end: send "
            f"bytes, as {name}-bin"
        )
    return low, text


def read(fields: Iterable[tuple[str, str]]) -> Metadata:
    """Read header or trailer fields as metadata, without what the protocol says in them."""
    return Metadata(_pairs_of(fields))


def _pairs_of(fields: Iterable[tuple[str, str]]) -> list[tuple[str, Value]]:
    pairs: list[tuple[str, Value]] = []
    for name, value in fields:
        low = name.lower()
        if low in _OF_HTTP:
            continue
        if low.endswith("-bin"):
            # section "Custom-Metadata": values of one name may have been joined by commas
            pairs.extend((low, data) for part in value.split(",") if (data := from_base64(part)) is not None)
        else:
            pairs.append((low, value))
    return pairs


def to_base64(data: bytes) -> str:
    """Write bytes as base64, without padding."""
    return b2a_base64(data, newline=False).rstrip(b"=").decode()


def from_base64(text: str) -> bytes | None:
    """Read base64, with or without padding; None for what is none."""
    bare = text.strip().rstrip("=")
    try:
        return a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True) if bare else b""
    except (Base64Error, ValueError):
        return None


_CODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def message_of(text: str) -> str:
    """Read a `grpc-message`: percent-encoded UTF-8; what is not well encoded stays as it is ("Status-Message")."""
    if "%" not in text:
        return text
    raw = _CODED.sub(lambda found: bytes((int(found[1], 16),)), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "replace")
