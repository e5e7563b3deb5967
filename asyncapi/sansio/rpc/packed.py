"""Read a serialized `google.rpc.Status` without protobuf: which details it has, and how long it asks to wait."""

from __future__ import annotations

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # the wire types of protobuf


def packed_details(packed: bytes) -> list[tuple[str, bytes]]:
    """Read the (type, bytes) pairs of the details of a serialized `google.rpc.Status` (its field 3)."""
    found = []
    for number, value in _fields(packed):
        if number == 3 and isinstance(value, bytes):  # noqa: PLR2004 - repeated google.protobuf.Any details
            parts = dict(_fields(value))
            kind, data = parts.get(1, b""), parts.get(2, b"")
            if isinstance(kind, bytes) and isinstance(data, bytes):
                found.append((kind.decode("utf-8", "replace"), data))
    return found


def retry_delay(packed: bytes) -> float | None:
    """Read the seconds that a `google.rpc.RetryInfo` among the details asks to wait; None where there is none."""
    for kind, value in packed_details(packed):
        if kind.rpartition("/")[2] == "google.rpc.RetryInfo":
            duration = dict(_fields(value)).get(1)
            if isinstance(duration, bytes):
                parts = dict(_fields(duration))
                seconds, nanos = parts.get(1, 0), parts.get(2, 0)
                if isinstance(seconds, int) and isinstance(nanos, int) and seconds < 1 << 40 and nanos < 10**9:
                    return seconds + nanos / 1e9
    return None


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Read the fields of a serialized message, as far as it is one."""
    found: list[tuple[int, int | bytes]] = []
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            found.append((key >> 3, value))
            continue
        size, at = (8, at) if kind == _FIXED64 else (4, at) if kind == _FIXED32 else _varint(data, at)
        if kind not in {_FIXED64, _FIXED32, _BYTES} or at + size > end:
            break
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:  # noqa: PLR2004 - bits of the longest
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:  # noqa: PLR2004 - the last octet
            return value, at
        shift += 7
    return value, len(data)
