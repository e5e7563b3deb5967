"""Decode the details of a `google.rpc.Status`: messages where their types are known, else their names and bytes.

The types of google.rpc (`googleapis-common-protos`) and those of the program's own stubs are known where protobuf is
installed; without it, every detail is a `Detail`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from asyncapi.sansio.rpc.packed import packed_details

# where the types of Google are: they are known once these are imported
_HOMES = {
    "google.rpc.": ("google.rpc.error_details_pb2", "google.rpc.status_pb2"),
    "google.protobuf.": tuple(
        f"google.protobuf.{name}_pb2"
        for name in ("any", "duration", "empty", "field_mask", "struct", "timestamp", "wrappers")
    ),
}


@dataclass(frozen=True, slots=True)
class Detail:
    """A detail whose type is not known here.

    Attributes:
        type: The full name of its type: "google.rpc.RetryInfo".
        value: The serialized message.
    """

    type: str
    value: bytes


def decoded(packed: bytes) -> tuple[Any, ...]:
    """Decode the details of a serialized `google.rpc.Status`; what can't be read is left out."""
    return tuple(decoded_any(kind, value) for kind, value in packed_details(packed))


def decoded_any(kind: str, value: bytes) -> Any:
    """Decode one detail.

    Args:
        kind: The type, as a full name or as the URL of an `Any`.
        value: The serialized message.
    """
    name = kind.rpartition("/")[2]
    with suppress(Exception):  # not installed, not known, or not of this type: its name and bytes are there
        from google.protobuf import descriptor_pool, message_factory  # noqa: PLC0415 - optional, and for errors alone

        for prefix, modules in _HOMES.items():
            if name.startswith(prefix):
                for module in modules:
                    import_module(module)
        found = descriptor_pool.Default().FindMessageTypeByName(name)
        return message_factory.GetMessageClass(found).FromString(value)
    return Detail(name, value)
