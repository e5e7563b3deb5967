"""Unpack gzip and zstd while it arrives, in pieces of bounded size.

Both are recognized by their first bytes: gzip (RFC 1952 section 2.3.1) and zstd (RFC 8878 section 3.1.1), and in files
also by the ending. Several members or frames after each other are one text; zeros may pad a gzip file.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

Packing = Literal["gzip", "zstd"]

MAGIC_BYTES = 4  # that `packing_of` needs

_PIECE = 256 * 1024  # bytes unpacked at a time: a megabyte of zeros is a kilobyte of gzip
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ENDINGS: dict[str, Packing] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}


class BadArchive(ValueError):
    """The data can't be unpacked."""


def packing_of(begin: bytes) -> Packing | None:
    """Recognize what packed the data that begins so; None: nothing."""
    if begin.startswith(_GZIP):
        return "gzip"
    return "zstd" if begin.startswith(_ZSTD) or _is_skippable(begin) else None


def _is_skippable(begin: bytes) -> bool:
    """RFC 8878 section 3.1.2: pzstd begins its files with such a frame."""
    return len(begin) >= MAGIC_BYTES and 0x50 <= begin[0] <= 0x5F and begin[1:4] == b"\x2a\x4d\x18"  # noqa: PLR2004


def packing_by_name(name: str) -> tuple[Packing | None, str]:
    """Tell by the ending of a name what packed the file, and return the name without that ending."""
    for ending, packing in _ENDINGS.items():
        if name.lower().endswith(ending):
            return packing, name[: -len(ending)]
    return None, name


def unpacked(raw: Iterator[bytes], packing: Packing) -> Iterator[bytes]:
    """Yield what is packed in `raw`, in pieces.

    Raises:
        BadArchive: The data is broken, or ends too early; what came before has been yielded.
        ConfigError: zstd needs a package that is not installed.
    """
    make = _gzip if packing == "gzip" else _zstd()
    stream: Any = None
    began = False
    for chunk in raw:
        data = chunk
        while data or (stream is not None and not _hungry(stream)):
            if stream is None:
                if began and packing == "gzip" and not (data := data.lstrip(b"\0")):
                    break
                stream, began = make(), True
            try:
                piece = stream.decompress(data, _PIECE)
            except Exception as error:  # each library has an error of its own
                raise BadArchive(f"the {packing} data is broken: {_why(error)}") from None
            data = b""
            if stream.eof:
                data, stream = stream.unused_data, None
            elif packing == "gzip":
                data = stream.unconsumed_tail
            if piece:
                yield piece
    if stream is not None or not began:
        raise BadArchive(f"the {packing} data ends early: the file is cut off")


def _hungry(stream: Any) -> bool:
    return bool(getattr(stream, "needs_input", True))


def _gzip() -> Any:
    return zlib.decompressobj(wbits=31)


def _zstd() -> Any:
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(module).ZstdDecompressor
        except ImportError:
            continue
    raise ConfigError("zstd data needs backports.zstd: pip install 'asyncapi-sdk[zstd]'")


def _why(error: Exception) -> str:
    return str(error).rpartition(": ")[2] or type(error).__name__
