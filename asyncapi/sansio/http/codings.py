"""Decode the codings of a body (RFC 9110 section 8.4, RFC 9112 section 7), a bounded piece at a time.

Rules:
1. Codings are decoded in the reverse of the order in which they are named, over all header lines of the name.
2. A stream that ends before its own end (RFC 1952 section 2.3.1, RFC 1950 section 2.2, RFC 7932 section 9.1, RFC 8878
   section 3.1.1) is an error, however well the bytes around it are framed. So are bytes after its end, but for more
   gzip members, more zstd frames, and the zeros that pad a gzip file.
3. A step returns about as many bytes as allowed at most, and looks at no more than `WINDOW` bytes of input: memory is
   bounded, and so is the time of a step.
4. What can't be decoded is an error, never given out as if it were the body. Some servers put into Content-Encoding
   what is not a coding (a charset, `binary`, S3's `aws-chunked`): their bodies are plain. Any name that is no known
   coding counts as such a label for as long as the bytes are plain text, which coded bytes are not.
5. No bytes at all are an empty body, whatever coding the headers name.
"""

from __future__ import annotations

import re
import zlib
from codecs import getincrementaldecoder
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WINDOW = 16 * 1024  # bytes of input looked at in one step
MOST_CODINGS = 5  # on top of each other: each multiplies what a byte on the wire may decode to
_PLAIN = frozenset({"", "identity", "none", "null", "binary", "7bit", "8bit", "utf-8", "utf8", "aws-chunked"})
_CODED = frozenset({
    "aes128gcm", "aesgcm", "base64", "brotli", "bzip", "bzip2", "compress", "dcb", "dcz", "exi", "lz4", "lzip", "lzma",
    "pack200-gzip", "sdch", "snappy", "x-bzip", "x-bzip2", "x-compress", "x-lz4", "x-lzip", "x-lzma", "x-snappy",
    "x-snappy-framed", "x-xz", "xz", "zip", "zlib", "zstandard",
})  # fmt: skip  # IANA's registry of content codings, and others in use: known, but not decoded here
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_USUAL = ["gzip"]
_GZIP, _ZLIB, _DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS
_ZSTD_WINDOW = 23  # log2 of 8 MiB: RFC 9659


class CodingError(Exception):
    """The bytes can't be decoded.

    Attributes:
        final: Whether the coding is unknown: another attempt would fail, too.
    """

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Coding(Protocol):
    """The coding of one body, or several on top of each other."""

    @property
    def pending(self) -> bool:
        """Whether there is more output without more input."""

    def step(self, data: bytes, max_bytes: int) -> bytes:
        """The next decoded bytes, about `max_bytes` at most; there may be none.

        Args:
            data: More input; b"" while anything is pending.
            max_bytes: How many may be returned, about.

        Raises:
            CodingError: The input can't be decoded.
        """

    def end(self) -> None:
        """Take in that no more input comes.

        Raises:
            CodingError: The coded stream has not come to its own end.
        """


class Decoding:
    """All codings of one body, the one that was applied last first (rule 1). A `Coding` itself."""

    def __init__(self, codings: Sequence[Coding]) -> None:
        self._codings = codings

    @property
    def pending(self) -> bool:
        """As of a `Coding`."""
        return any(coding.pending for coding in self._codings)

    def step(self, data: bytes, max_bytes: int) -> bytes:
        """As of a `Coding`: what is pending nearest to the decoded body comes first."""
        codings, piece = self._codings, data
        first = next((at for at in reversed(range(len(codings))) if codings[at].pending), 0)
        for at in range(first, len(codings)):
            piece = codings[at].step(piece, max_bytes)
            if not piece:
                break
        return piece

    def end(self) -> None:
        """As of a `Coding`."""
        for coding in self._codings:
            coding.end()


def decoding(transfer: Sequence[str], content: Sequence[str]) -> Coding | None:
    """Make the decoder for the codings that the header lines name; None for none.

    Args:
        transfer: The values of Transfer-Encoding; where `chunked` is the last one, the transport decodes it.
        content: The values of Content-Encoding.
    """
    if not transfer and content == _USUAL:
        return _Zlib("gzip")
    outer = _listed(transfer)
    while outer and outer[-1] == "chunked":  # some servers name it twice, and chunk once
        outer.pop()
    applied = [name for name in (*_listed(content), *outer) if name not in _PLAIN]
    if not applied:
        return None
    if len(applied) > MOST_CODINGS:
        return _Unknown(f"{len(applied)} codings on top of each other, more than {MOST_CODINGS}")
    codings = [_coding(name) for name in reversed(applied)]  # rule 1
    return codings[0] if len(codings) == 1 else Decoding(codings)


def accepted() -> str:
    """The value of Accept-Encoding: all codings that can be decoded here."""
    return ", ".join(["gzip", "deflate", *(name for name in _OPTIONAL if _optional(name) is not None)])


def _listed(values: Iterable[str]) -> list[str]:
    """The codings of a header, in the order of application. Case and parameters do not count (section 8.4.1)."""
    return [item.partition(";")[0].strip(" \t\"'").lower() for value in values for item in value.split(",")]


def _coding(name: str) -> Coding:
    if name in {"gzip", "x-gzip"}:  # RFC 9110 section 8.4.1.3
        return _Zlib("gzip")
    if name == "deflate":
        return _Zlib("deflate")
    optional = _optional(name)
    if optional is not None:
        return optional()
    if name == "chunked":  # RFC 9112 section 6.3, rule 4: nobody has taken its chunks apart
        return _Unknown("its chunks are within another transfer coding")
    if name in _OPTIONAL:
        return _Unknown(f"{name}: install {_OPTIONAL[name]}")
    shown = name[:20] if name.isascii() and name.isprintable() else "?"
    why = f"{shown!r} is not a known coding; ask for another with Accept-Encoding"
    return _Unknown(why) if name in _CODED else _Label(why)


class _Unknown:
    """A coding that can't be decoded: an error as soon as there is a body (rules 4 and 5)."""

    def __init__(self, why: str) -> None:
        self._why = why
        self.pending = False

    def step(self, data: bytes, max_bytes: int) -> bytes:  # noqa: ARG002 - a coding
        if data:
            raise CodingError(self._why, final=True)
        return b""

    def end(self) -> None:
        """Do nothing: nothing came, so nothing is missing (rule 5)."""


class _Label:
    """A name that is no known coding: plain text stays as it is, anything else can't be decoded (rule 4)."""

    def __init__(self, why: str) -> None:
        self._why = why
        self._decoder = getincrementaldecoder("utf-8")()
        self.pending = False

    def step(self, data: bytes, max_bytes: int) -> bytes:  # noqa: ARG002 - it grows by nothing
        self._check(data)
        return data

    def end(self) -> None:
        self._check(b"", final=True)

    def _check(self, data: bytes, *, final: bool = False) -> None:
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError:
            text = "\0"
        if _NO_TEXT.search(text):
            raise CodingError(self._why, final=True)


class _Input:
    """Input that was not looked at yet."""

    def __init__(self) -> None:
        self._data, self._at = b"", 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def add(self, data: bytes) -> None:
        if data:
            self._data, self._at = self._data[self._at :] + data if self else data, 0

    def window(self) -> bytes:
        piece = self._data[self._at : self._at + WINDOW]
        self._at += len(piece)
        return piece

    def head(self) -> bytes:
        return self._data[self._at : self._at + 2]

    def back(self, unread: int) -> None:
        self._at -= unread

    def skip_zeros(self) -> None:
        if self._data[self._at : self._at + 1] == b"\0":
            self._data, self._at = self._data[self._at :].lstrip(b"\0"), 0


class _Zlib:
    """gzip, and deflate: with the zlib header that it should have (RFC 9110 section 8.4.1.2), or without one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._input = _Input()
        self._stream: Any = None
        self._rest = False  # whether `_stream` may have more output without more input
        self._ended = False  # whether one stream was read to its end
        self.pending = False

    def step(self, data: bytes, max_bytes: int) -> bytes:
        self._input.add(data)
        out = self._inflate(max_bytes) if self._stream is not None or self._open() else b""
        self.pending = self._rest or (bool(self._input) and (self._stream is not None or self._can_open()))
        return out

    def _inflate(self, max_bytes: int) -> bytes:
        stream = self._stream
        piece = stream.unconsumed_tail or (b"" if self._rest else self._input.window())  # rule 3
        try:
            out: bytes = stream.decompress(piece, max_bytes)
        except zlib.error as error:
            raise CodingError(f"it is not {self._name}: {_why(error)}") from None
        self._rest = bool(stream.unconsumed_tail) or (len(out) == max_bytes and not stream.eof)
        if stream.eof:
            self._input.back(len(stream.unused_data))
            self._stream, self._rest, self._ended = None, False, True
        return out

    def _can_open(self) -> bool:
        """Whether there is enough input to open the next stream (rule 2)."""
        if self._ended and self._name == "gzip":  # RFC 1952 section 2.2: more members; tar pads with zeros
            self._input.skip_zeros()
        elif self._ended and self._input:
            raise CodingError(f"bytes come after the end of its {self._name} stream")
        head = self._input.head()
        return len(head) > 1 or (len(head) == 1 and (self._name == "gzip" or not _may_be_wrapped(head)))

    def _open(self) -> bool:
        if not self._can_open():
            return False
        bits = _GZIP
        if self._name == "deflate":
            bits = _ZLIB if _may_be_wrapped(self._input.head()) else _DEFLATE
        self._stream = zlib.decompressobj(bits)
        return True

    def end(self) -> None:
        if self._stream is not None or self._input:
            raise CodingError(f"it ends before its {self._name} stream does")  # rule 2


def _may_be_wrapped(head: bytes) -> bool:
    """Whether a stream that begins so has a zlib header (RFC 1950 section 2.2: CM, CINFO, FCHECK)."""
    if head[0] & 0x0F != 8 or head[0] >> 4 > 7:  # noqa: PLR2004
        return False
    return len(head) == 1 or (head[0] << 8 | head[1]) % 31 == 0


def _why(error: zlib.error) -> str:
    return str(error).rpartition(": ")[2]


class _Brotli:
    """br: RFC 7932."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._stream = make()
        self._input = _Input()
        self._begun = False
        self.pending = False

    def step(self, data: bytes, max_bytes: int) -> bytes:
        self._input.add(data)
        stream = self._stream
        full = not stream.can_accept_more_data()
        piece = b"" if full else self._input.window()  # rule 3
        if piece:
            if self._begun and stream.is_finished():
                raise CodingError("bytes come after the end of its br stream")
            self._begun = True
        try:
            out: bytes = stream.process(piece, output_buffer_limit=max_bytes) if piece or full else b""
        except Exception:  # each library has an error of its own
            raise CodingError("it is not br") from None
        self.pending = bool(self._input) or not stream.can_accept_more_data()
        return out

    def end(self) -> None:
        if self._begun and not self._stream.is_finished():
            raise CodingError("it ends before its br stream does")


class _Zstd:
    """zstd: RFC 8878; the largest window is that of RFC 9659."""

    def __init__(self, library: Any) -> None:
        window = {library.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
        self._make: Callable[[], Any] = partial(library.ZstdDecompressor, options=window)
        self._input = _Input()
        self._frame: Any = None
        self.pending = False

    def step(self, data: bytes, max_bytes: int) -> bytes:
        self._input.add(data)
        if self._frame is None and self._input:
            self._frame = self._make()
        out = b""
        if (frame := self._frame) is not None:
            try:
                out = frame.decompress(self._input.window() if frame.needs_input else b"", max_bytes)
            except Exception as error:  # each library has an error of its own
                large = "window" in str(error) or "memory" in str(error)
                why = " with a window of up to 8 MiB (RFC 9659)" if large else ""
                raise CodingError(f"it is not zstd{why}", final=large) from None
            if frame.eof:
                self._input.back(len(frame.unused_data))
                self._frame = None
        self.pending = bool(self._input) or (self._frame is not None and not self._frame.needs_input)
        return out

    def end(self) -> None:
        if self._frame is not None:
            raise CodingError("it ends before its zstd stream does")


_OPTIONAL = {"br": "brotlicffi", "zstd": "backports.zstd"}  # coding: the package that decodes it


@cache
def _optional(name: str) -> Callable[[], Coding] | None:
    """The decoder of a coding that needs a library, or None where that is not installed."""
    if name == "br":
        for module in ("brotlicffi", "brotli"):
            try:
                make = import_module(module).Decompressor
            except (ImportError, AttributeError):
                continue
            if hasattr(make, "can_accept_more_data"):  # from 1.2 on: before, a step had no bound (rule 3)
                return lambda: _Brotli(make)
    if name == "zstd":
        for module in ("compression.zstd", "backports.zstd"):
            try:
                library = import_module(module)
            except ImportError:
                continue
            return lambda: _Zstd(library)
    return None
