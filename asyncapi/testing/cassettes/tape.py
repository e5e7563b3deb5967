"""The tape of a cassette: takes what fits from it, records onto it, and writes it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from asyncapi.messages.open_body import release_at_end
from asyncapi.messages.request import Body
from asyncapi.testing.carrying import LOOP_CLOCK, received
from asyncapi.testing.cassettes import files
from asyncapi.testing.cassettes.exchange import Exchange, plain
from asyncapi.testing.cassettes.index import Index
from asyncapi.testing.cassettes.masked import masked
from asyncapi.testing.cassettes.masking import Secrets, highest
from asyncapi.testing.cassettes.recording import recorded
from asyncapi.testing.cassettes.replaying import check_sent, replayed
from asyncapi.testing.cassettes.rows import row_of
from asyncapi.testing.cassettes.unmatched import shown_path, why_unmatched
from asyncapi.testing.nearest import MOST_EXPLAINED, UnmatchedCall
from asyncapi.testing.rpc_wire import is_stream
from asyncapi.transports.mock import MockTransport
from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection
    from pathlib import Path

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.testing.mock_calls import MockCall
    from asyncapi.transports.interception import Network


class Tape:
    """What is recorded, and what is replayed. Rules 2 to 4 of a cassette are kept here.

    Args:
        path: The file.
        mode: As of a `Cassette`.
        secrets: Makes the masks, from the highest number of one in the file; or, with `alike=True`, those that compare.
        parts: The parts of a request that are compared.
        ignored: The names that are not.
        repeats: As of a `Cassette`.

    Attributes:
        failed: Whether the run has failed.
        old: The exchanges of the file.
        new: Those that were recorded in this run, and aren't written yet.
        saved: How many of those of the file were recorded in this run.
        problems: What no exchange fitted.
    """

    def __init__(
        self,
        path: Path,
        mode: str,
        secrets: Callable[..., Secrets],
        *,
        parts: Collection[str],
        ignored: Collection[str],
        repeats: bool,
    ) -> None:
        self.failed: bool = False
        self.new: list[Exchange] = []
        self.saved: int = 0
        self.problems: list[UnmatchedCall] = []
        self._path, self._mode = path, mode
        self._make = secrets
        self._secrets = secrets(0)
        self._ignored = ignored
        self._index = Index(parts, ignored, secrets(0, alike=True), repeats=repeats)
        self.old: list[Exchange] = self._index.exchanges
        self._lock = threading.Lock()
        self._seen: files.Recording | None = None
        self._records = False
        self._before = 0  # how many there were before this run

    def load(self) -> files.Recording:
        """Read the file, once.

        Raises:
            ConfigError: It is no cassette.
        """
        if self._seen is None:
            with self._lock:
                seen = files.load(self._path)
                for exchange in seen.exchanges:
                    self._index.add(exchange)
                fresh = not seen.text or seen.unfinished
                self._records = self._mode in {"new", "all"} or (self._mode == "once" and fresh)
                self._secrets = self._make(highest(seen.text))
                self._before = len(self.old)
                self._seen = seen
        return self._seen

    def _why(self, call: MockCall) -> str:
        if len(self.problems) >= MOST_EXPLAINED:
            return f"cassette: no exchange of {shown_path(self._path)} is left for {call.line}"
        text = why_unmatched(call, self._index, self._path, self._mode, exists=bool(self.load().text))
        return str(self._secrets.swept(self._secrets.text(text)))

    def _noted(self, message: str) -> UnmatchedCall:
        problem = UnmatchedCall(message)
        self.problems.append(problem)
        return problem

    def save(self) -> None:
        """Write what was recorded, secrets masked (rule 4); nothing where nothing is new.

        Raises:
            ConfigError: The file can't be written.
        """
        seen = self.load()
        with self._lock:
            new = [exchange for exchange in self.new if exchange.is_good or not self.failed]
            over = self._mode == "all"
            finishes = seen.unfinished and not self.failed and self._mode in {"once", "new"}
            if not new and not finishes:
                return
            if over and self.failed and seen.text and not seen.unfinished:
                return
            old = [row_of(exchange) for exchange in (self.old[self._before :] if over else self.old)]
            written = masked(new, self._secrets)
            rows = [row_of(exchange) for exchange in written]
            unfinished = self.failed and not (seen.text and not seen.unfinished)
            self._seen = files.save(self._path, [*old, *rows], seen, unfinished=unfinished)
            for exchange in written:
                exchange.played = 1
                self._index.add(exchange)
            taken = set(map(id, new))
            self.new = [exchange for exchange in self.new if id(exchange) not in taken]
            self.saved += len(new)

    async def send(self, request: Request, network: Network) -> Response:
        """Replay an exchange that fits, or record a new one."""
        self._secrets.learn(request)
        self.load()
        if self.old and self._mode != "all":
            call = await received(request)
            exchange = self._taken(call)
            if exchange is not None:
                return await self._replay(exchange, request, call)
            if isinstance(request.content, Body) and not is_stream(request):
                request, network = _read_before(request, network, call.content)
            if not self._records:
                raise self._noted(self._why(call))
        elif not self._records:
            raise self._noted(self._why(await received(request)))
        return await self._record(request, network)

    async def _record(self, request: Request, network: Network) -> Response:
        content = request.content if isinstance(request.content, bytes) else b""
        exchange = Exchange(
            request.method,
            str(request.target),
            plain(request.headers),
            content,
            websocket=request.call.upgrade is not None,
        )
        with self._lock:
            self.new.append(exchange)
        try:
            return await recorded(request, network, exchange)
        finally:
            if not exchange.status and exchange.failure is None:  # neither: a wrong setting
                with self._lock:
                    self.new.remove(exchange)

    async def _replay(self, exchange: Exchange, request: Request, call: MockCall) -> Response:
        told, sockets = list[UnmatchedCall](), list[MockSocket]()

        def complain(message: str) -> UnmatchedCall:
            told[:] = told or [self._noted(message)]
            return told[0]

        async def respond(request: Request) -> Response | MockSocket:
            made = await replayed(exchange, request, self._ignored, complain)
            if isinstance(made, MockSocket):
                sockets.append(made)
            return made

        if request.call.before_write is not None:
            request.call.before_write()
        whole = request if is_stream(request) else request.copy(content=call.content or None)
        carrier = MockTransport(respond, clock=LOOP_CLOCK)
        try:
            response = await carrier.send(whole)
        finally:
            await carrier.aclose()
        if sockets:
            release_at_end(response, lambda _: check_sent(exchange, sockets[0].sent, self._ignored, complain))
        response.request, response.target, response.http_version = request, request.target, exchange.version
        return response

    def _taken(self, call: MockCall) -> Exchange | None:
        """Take the exchange that fits best (rule 2)."""
        with self._lock:
            found = self._index.find(call)
            if found is not None:
                found.played += 1
            return found


def _read_before(request: Request, network: Network, content: bytes) -> tuple[Request, Network]:
    """Return a request, and a way to send it, whose body was read to be compared."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    length = request.content.length if isinstance(request.content, Body) else None
    body = Body(pieces, length=length, rewindable=True)

    async def again(other: Body | None) -> Response:
        return await network(other or body)

    return request.copy(content=body), again
