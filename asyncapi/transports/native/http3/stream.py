"""One request stream of an HTTP/3 connection: what its response must be like (RFC 9114 section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multidict import CIMultiDict

from asyncapi.errors import ConfigError, ProtocolError, final_error
from asyncapi.sansio.failures.resend import rewindable
from asyncapi.sansio.http.field_sections import (
    BadSection,
    content_length,
    request_section,
    response_section,
    trailer_section,
)
from asyncapi.transports.failures import TOO_MUCH
from asyncapi.transports.native.http3.failures import unprocessed

if TYPE_CHECKING:
    import asyncio

    from asyncapi.sansio.http.field_sections import Section
    from asyncapi.transports.native.exchange import Exchange

MOST_INTERIM = 100  # 1xx responses of one request
_CONTINUE, _FINAL, _NO_CONTENT, _NOT_MODIFIED, _MISDIRECTED = 100, 200, 204, 304, 421


class Broken(Exception):
    """A response that is refused.

    Attributes:
        failure: What the exchange ends with.
        misdirected: Whether the server does not serve the origin (RFC 9110 section 15.5.20).
    """

    def __init__(self, failure: ProtocolError, *, misdirected: bool = False) -> None:
        super().__init__(failure.message)
        self.failure: ProtocolError = failure
        self.misdirected: bool = misdirected


class Stream:
    """One stream.

    Args:
        number: Its id.
        exchange: The exchange that it carries.
        began: When it was opened, on the loop's clock.
        max_headers: Most bytes of a header section.

    Attributes:
        trailers: The trailer fields, where they have come.
        proceed: Set when `100 Continue` has come; None while nobody waits for it.
        room: Set when more of the body may be written; None while nobody waits for it.
    """

    __slots__ = (
        "_bodiless",
        "_bound",
        "_got",
        "_interim",
        "_length",
        "began",
        "exchange",
        "id",
        "proceed",
        "room",
        "trailers",
    )

    def __init__(self, number: int, exchange: Exchange, began: float, max_headers: int) -> None:
        self.id: int = number
        self.exchange: Exchange = exchange
        self.began: float = began
        self.trailers: list[tuple[str, str]] | None = None
        self.proceed: asyncio.Future[None] | None = None
        self.room: asyncio.Future[None] | None = None
        self._bound = max_headers
        self._length: int | None = None
        self._got = self._interim = 0
        self._bodiless = exchange.request.method == "HEAD"

    def interim(self, section: Section) -> None:
        """Take in a 1xx response.

        Raises:
            Broken: It is malformed, or there are too many.
        """
        self._interim += 1
        if self._interim > MOST_INTERIM:
            raise self._malformed("it has too many interim responses")
        try:
            status, _ = response_section(section, self._bound)
        except BadSection as error:
            raise self._refused(error) from None
        if status == _CONTINUE:
            self._proceed()

    def section(self, section: Section, *, last: bool) -> ProtocolError | None:
        """Take in the fields of a response, or its trailers; returns the failure where its body can't be accepted.

        Raises:
            Broken: They are malformed or too large.
        """
        exchange = self.exchange
        try:
            if exchange.headed:
                self.trailers = trailer_section(section, self._bound)
                return None
            status, fields = response_section(section, self._bound)
            length = content_length(fields)
        except BadSection as error:
            raise self._refused(error) from None
        if status < _FINAL:
            raise self._malformed("its final status is an interim one")
        if status == _MISDIRECTED and rewindable(exchange.request):
            raise self._misdirected()
        self._proceed()
        self._bodiless = self._bodiless or status in {_NO_CONTENT, _NOT_MODIFIED}
        if not self._bodiless:
            self._length = length
        return exchange.begin(
            status, "3", CIMultiDict(fields), length=0 if last and length is None else length, framed=True
        )

    def data(self, data: bytes) -> ProtocolError | None:
        """Take in bytes of the body; returns the failure where there are too many.

        Raises:
            Broken: There must not be so many, or none.
        """
        if not data:
            return None
        self._got += len(data)
        if self._bodiless or (self._length is not None and self._got > self._length):
            raise self._malformed("it has more bytes than its head says")
        return self.exchange.feed(data)

    def incomplete(self) -> ProtocolError | None:
        """Return what is wrong where the response ends too early."""
        if not self.exchange.headed:
            return self._malformed("it ends before its head").failure
        if self._length is not None and self._got != self._length:
            return ProtocolError(
                f"the body broke off: {self._got:,} of {self._length:,} bytes came", request=self.exchange.request
            )
        return None

    def wake(self) -> None:
        """Have whoever waits for this stream look again."""
        for future in (self.proceed, self.room):
            if future is not None and not future.done():
                future.set_result(None)

    def _proceed(self) -> None:
        """End the wait for `100 Continue`: it has come, or the final head has."""
        if self.proceed is not None and not self.proceed.done():
            self.proceed.set_result(None)

    def _misdirected(self) -> Broken:
        failure = unprocessed("the server does not serve this host over HTTP/3 (421)", self.exchange)
        return Broken(failure, misdirected=True)

    def _refused(self, error: BadSection) -> Broken:
        if error.too_large:
            return Broken(final_error(TOO_MUCH, self.exchange.request))
        return self._malformed(error.why)

    def _malformed(self, why: str) -> Broken:
        what = "the body broke off" if self.exchange.headed else "the response isn't valid HTTP"
        return Broken(ProtocolError(f"{what}: {why}", request=self.exchange.request))


def section_of(exchange: Exchange, authority: str) -> Section:
    """Write the fields of a request.

    Args:
        exchange: The exchange.
        authority: The origin's host and port.

    Raises:
        ConfigError: A header can't be sent.
    """
    request, content = exchange.request, exchange.request.content
    length = len(content) if isinstance(content, bytes) else None
    try:
        return request_section(
            request.method, authority, request.target.path, exchange.headers, length, body=content is not None
        )
    except ValueError as error:
        raise ConfigError(str(error), request=request) from None
