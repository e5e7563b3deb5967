"""Read a response while it arrives: as bytes, lines, JSON lines or events, each an iterator, or into a file."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from asyncapi.errors import AsyncAPIError, ConfigError, RequestTimeout, final_error
from asyncapi.layers import deadline
from asyncapi.messages import decoding
from asyncapi.messages.open_body import OpenBody
from asyncapi.redact import forget_variables, redact_url, unsaid
from asyncapi.sansio.http.ndjson import MOST, ChunkParser, LineParser
from asyncapi.sansio.http.sse import EventParser, ServerSentEvent
from asyncapi.scheduling.ownership import refuse_copy
from asyncapi.streaming import download
from asyncapi.streaming.items import Items, item_reader

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable
    from os import PathLike

    from multidict import CIMultiDictProxy
    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.multipart_mixed import MultipartParser, Part
    from asyncapi.scheduling.watchdog import Watchdog

T = TypeVar("T")

# Charsets whose line ends are not one byte.
_WIDE = ("utf-16", "utf-32", "utf_16", "utf_32", "ucs")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds the reading of a body: seconds of silence, bytes of `read()`, and what ends a wait."""

    read: float | None
    max_body: int | None
    watchdog: Watchdog
    clock: Clock


class StreamedResponse:
    """A response whose body is read while it arrives, in one of the ways below, once.

    Attributes:
        status: HTTP status code.
        headers: Case-insensitive multidict.
        url: Where it came from, after redirects.
        request: The request that it answers.
        http_version: As in `Response`.
        elapsed: Seconds from the call to the headers, waits and retries included.
        attempts: One `Attempt` record per attempt, oldest first.
        degraded: As in `Response`.
        from_cache: As in `Response`.
    """

    __slots__ = (
        "_body",
        "_content_type",
        "_deadline",
        "_limits",
        "_read_mode",
        "_reading",
        "_reopen",
        "_target",
        "attempts",
        "degraded",
        "elapsed",
        "from_cache",
        "headers",
        "http_version",
        "request",
        "status",
    )  # fmt: skip

    __reduce_ex__: Callable[..., NoReturn] = refuse_copy

    def __init__(
        self, response: Response, limits: Limits, due: float | None, reopen: download.Reopen | None = None
    ) -> None:
        self.status: int = response.status
        self.headers: CIMultiDictProxy[str] = response.headers
        self._target = response.target
        self.request: Request | None = response.request
        self.http_version: str = response.http_version
        self.elapsed: float = response.elapsed
        self.attempts: tuple[Attempt, ...] = response.attempts
        self.degraded: str = response.degraded
        self.from_cache: str = response.from_cache
        self._content_type = response.headers.get("Content-Type", "")
        self._body = response.open_body or _read_already(response)
        self._limits = limits
        self._deadline = due
        self._reading = False
        self._reopen = reopen
        self._read_mode = ""

    @property
    def url(self) -> URL:
        """The URL that it came from, after redirects."""
        return self._target.url

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400  # noqa: PLR2004 - where errors begin, RFC 9110 section 15.5

    @property
    def trailers(self) -> CIMultiDictProxy[str]:
        """The trailer fields, once the body has been read to its end; empty before that, or where there are none."""
        return self._body.trailers

    def __repr__(self) -> str:
        return f"<StreamedResponse {self.status} {redact_url(self._target)}>"

    def bytes(self, size: int | None = None) -> Items[builtins.bytes]:
        """Iterate over the decoded (decompressed) body in pieces.

        Args:
            size: Bytes of each piece but the last; by default they have the sizes in which they arrive.

        Raises (the loop):
            TransportError: The body broke off, or time ran out.
        """
        if size is not None and (type(size) is not int or size < 1):
            raise ConfigError(f"bytes({size!r}): the size of a piece is a number of bytes, at least 1")
        self._take("bytes()")
        if size is None:
            return Items(self._piece, lambda piece: (piece,), tuple, _same)
        chunks = ChunkParser(size)
        return Items(self._piece, chunks.feed, chunks.end, _same)

    def lines(self, *, max_line: int = MOST) -> Items[str]:
        """Iterate over the lines of a text, without their ends (LF or CRLF); by the server's charset, else UTF-8.

        Args:
            max_line: The longest line accepted, in bytes.

        Raises (the loop):
            TransportError: The body broke off, time ran out, or a line is too long.
            DecodeError: A line does not fit the charset.
        """
        named = decoding.charset(self._content_type)
        if named is not None and named.lower().startswith(_WIDE):
            raise ConfigError(f"lines(): the response is {named}, whose line ends are not single bytes: read() it")
        self._take("lines()")
        lines = LineParser(max_line)
        return Items(self._piece, self._closing_on_error(lines.feed), lines.end, self._text)

    @overload
    def json_lines(self, *, model: None = None, max_line: int = MOST) -> Items[Any]: ...

    @overload
    def json_lines(self, *, model: TypeForm[T], max_line: int = MOST) -> Items[T]: ...

    def json_lines(self, *, model: Any = None, max_line: int = MOST) -> Items[Any]:
        """Iterate over the values of an NDJSON (JSON Lines) body; empty lines are skipped.

        Args:
            model: What each line is, as in `Client.request`; plain data by default.
            max_line: The longest line accepted, in bytes.

        Raises (the loop):
            TransportError: The body broke off, time ran out, or a line is too long.
            DecodeError: A line is not JSON, or (SchemaError) does not fit. The next round resumes after it.
        """
        parse = item_reader(model, "a line of NDJSON")
        self._take("json_lines()")
        lines = LineParser(max_line)
        return Items(
            self._piece,
            self._closing_on_error(lambda piece: _filled(lines.feed(piece))),
            lambda: _filled(lines.end()),
            partial(self.value, parse),
        )

    @overload
    def events(
        self, *, model: None = None, until: str | None = None, max_event: int = MOST
    ) -> Items[ServerSentEvent]: ...

    @overload
    def events(self, *, model: TypeForm[T], until: str | None = None, max_event: int = MOST) -> Items[T]: ...

    def events(self, *, model: Any = None, until: str | None = None, max_event: int = MOST) -> Items[Any]:
        """Iterate over server-sent events (WHATWG HTML section 9.2), or over the data of each as a value of `model`.

        Args:
            model: What the data of each event is, as JSON; without it, you get `ServerSentEvent`s.
            until: The data that ends the stream, such as "[DONE]"; you don't get it.
            max_event: The longest event accepted, in bytes.

        Raises (the loop):
            TransportError: The body broke off, time ran out, or an event is too long.
            DecodeError: The data is not JSON, or (SchemaError) does not fit. The next round resumes after it.
        """
        parse = None if model is None else partial(self.value, item_reader(model, "the data of an event"))
        return self.events_of(EventParser(max_event), parse, until)

    def events_of(
        self, parser: EventParser, parse: Callable[[builtins.bytes], Any] | None, until: str | None
    ) -> Items[Any]:
        """Iterate over the events that this parser finds."""
        self._take("events()")
        return Items(
            self._piece,
            self._closing_on_error(parser.feed),
            parser.end,
            _same if parse is None else lambda event: parse(event.data.encode()),
            None if until is None else lambda event: event.data == until,
        )

    def parts_of(self, parser: MultipartParser) -> Items[Part]:
        """Iterate over the parts of a multipart body that this parser finds."""
        self._take("parts_of()")
        return Items(self._piece, self._closing_on_error(parser.feed), self._closing_at_end(parser.end), _same)

    async def read(self) -> builtins.bytes:
        """Return the whole body, within the client's `max_body`.

        Raises:
            TransportError: The body broke off, time ran out, or it is too large.
        """
        self._take("read()")
        pieces, size, max_body = [], 0, self._limits.max_body
        while piece := await self._piece():
            pieces.append(piece)
            size += len(piece)
            if max_body is not None and size > max_body:
                raise self._failed(
                    final_error(
                        f"the body is over max_body={max_body:,} bytes: read it piece by piece, or raise max_body"
                    )
                )
        return b"".join(pieces)

    async def save(
        self, path: str | PathLike[str], *, progress: Callable[[int, int | None], object] | None = None
    ) -> int:
        """Write the body into a file, which is there whole or not at all.

        A body that breaks off is resumed where the server can send the rest of the very same one (Range and If-Range),
        else requested anew, within the call's retries.

        Args:
            path: The file; an existing one is replaced at the end.
            progress: Called as bytes arrive, with the bytes so far, and those in all or None.

        Returns:
            int: The bytes of the file.

        Raises:
            TransportError: The body broke off for good, or time ran out.
            ConfigError: The file can't be created.
            OSError: The file can't be written to its end.
        """
        if self._read_mode:
            self._take("save()")
        return await download.save(self, path, progress, self._reopen, self._limits.clock)

    async def aclose(self) -> None:
        """Close the body, before its end if need be. May be called twice."""
        self.close()

    def close(self, error: BaseException | None = None) -> None:
        """Close the body without waiting; `error` is the failure that ends it."""
        if not self._body.closed:
            self._body.close(error)

    def _take(self, read_mode: str) -> None:
        if self._read_mode:
            raise ConfigError(f"{read_mode}: the body is already being read by {self._read_mode}: keep that iterator")
        self._read_mode = read_mode

    async def _piece(self) -> builtins.bytes:
        """Read the next bytes, b"" at the end; all ways of reading come here."""
        if self._reading:
            raise ConfigError("two tasks read one stream: let one of them read it, and share what it reads")
        limits, due, now, scope = self._limits, self._deadline, self._limits.clock.now(), deadline.current.get()
        if scope is not None and (due is None or scope < due):
            due = scope
        if due is not None and now >= due:
            raise self._failed(RequestTimeout("the deadline passed during body", phase="body"))
        why = "the deadline passed during body"
        if limits.read is not None and (due is None or now + limits.read < due):
            due, why = now + limits.read, f"the body was silent for {limits.read:g} s (Timeout.read)"
        guard = None if due is None else limits.watchdog.enter(due)
        self._reading = True
        try:
            piece = await self._body.read()
        except asyncio.CancelledError:
            if guard is not None and guard.fired():
                raise self._failed(RequestTimeout(why, phase="body")) from None
            raise
        except AsyncAPIError as error:
            forget_variables(error)  # the transport's frames hold the URL with its credential
            raise self._failed(error)  # noqa: B904 - the same error
        finally:
            self._reading = False
            if guard is not None:
                limits.watchdog.leave(guard)
        if not piece:
            self.close()
        return piece

    def _failed(self, error: AsyncAPIError) -> AsyncAPIError:
        """Close the body with this error, and add the request and attempts to the error."""
        self.close(error)
        return self.with_call(error)

    def with_call(self, error: AsyncAPIError) -> AsyncAPIError:
        """Add the request and the attempts to the error."""
        if self.request is not None:
            error.message = unsaid(error.message, self.request)
            error.args = (error.message,)
            error.request = self.request.redacted()
        error.attempts = self.attempts
        return error

    def _closing_on_error(
        self, feed: Callable[[builtins.bytes], Iterable[Any]]
    ) -> Callable[[builtins.bytes], Iterable[Any]]:
        """Wrap `feed` so that a parse error closes the body."""

        def checked(piece: builtins.bytes) -> Iterable[Any]:
            try:
                return feed(piece)
            except AsyncAPIError as error:
                raise self._failed(error)  # noqa: B904 - the same error

        return checked

    def _closing_at_end(self, end: Callable[[], Iterable[Any]]) -> Callable[[], Iterable[Any]]:
        feed = self._closing_on_error(lambda _: end())
        return lambda: feed(b"")

    def _text(self, line: builtins.bytes) -> str:
        try:
            return decoding.text(line, self._content_type)
        except AsyncAPIError as error:
            self.with_call(error)
            raise

    def value(self, parse: Callable[[builtins.bytes], Any], item: builtins.bytes) -> Any:
        """Parse one item; add the request and the attempts to its error."""
        try:
            return parse(item)
        except AsyncAPIError as error:
            self.with_call(error)
            raise


def _same(item: T) -> T:
    return item


def _filled(lines: list[bytes]) -> list[bytes]:
    return [line for line in lines if line and not line.isspace()]


def _read_already(response: Response) -> OpenBody:
    """Wrap a body that has already been read."""
    pieces = [response.content, b""]

    async def read() -> bytes:
        return pieces.pop(0) if pieces else b""

    body = OpenBody(read, None)
    body.trailers = response.trailers
    return body
