"""A cassette: what was recorded against a real API, once, and replays without it.

Rules:
1. What is recorded are attempts, at the transport: retries, limits, caches and credentials do their work in a replay,
   too. Their failures are recorded like their responses.
2. Nothing that was recorded in this run is replayed in it: a second equal request goes to the API, and is recorded. In
   a replay equal requests get their responses in the order in which they were recorded, each once.
3. An attempt that no exchange fits, and may not be recorded, raises `UnmatchedCall` in the code under test, and fails
   the run even where the code swallows that.
4. A run that fails keeps what it has recorded of good responses, in a file that says `unfinished`: the next run replays
   these and records the rest. It never replaces a finished recording.
"""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from asyncapi.errors import ConfigError
from asyncapi.messages.request import Body
from asyncapi.testing.carrying import LOOP_CLOCK, received
from asyncapi.testing.cassettes import conditions, files
from asyncapi.testing.cassettes.exchange import Exchange, plain
from asyncapi.testing.cassettes.masked import masked
from asyncapi.testing.cassettes.masking import Secrets, highest
from asyncapi.testing.cassettes.recording import recorded
from asyncapi.testing.cassettes.replaying import replayed
from asyncapi.testing.cassettes.rows import row_of
from asyncapi.testing.cassettes.tape_transport import TapeTransport
from asyncapi.testing.cassettes.unmatched import why_unmatched
from asyncapi.testing.mock_calls import MockCall
from asyncapi.testing.mocked_api import UnmatchedCall
from asyncapi.testing.rpc_wire import is_stream
from asyncapi.transports import interception
from asyncapi.transports.mock import MockTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence
    from os import PathLike
    from re import Pattern
    from types import TracebackType

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.testing.matching import Condition
    from asyncapi.transports.interception import Network
    from asyncapi.transports.mock_socket import MockSocket
    from asyncapi.types import Transport

    Mask = str | Pattern[str] | Callable[[str], str]

Mode = Literal["once", "none", "new", "all"]
MODES = ("once", "none", "new", "all")
_OTHER_NAMES = {"new_episodes": "new", "rewrite": "all"}  # of vcrpy and pytest-recording


class Cassette:
    """Records what clients exchange with real APIs, and replays it.

        with Cassette("cassettes/users.yaml"):          # whoever makes the clients
            ...

        async with Client("https://api.example.com", transport=cassette.transport()) as api: ...

    Secrets are masked before anything is written: those of credentials, of headers, cookies, queries and bodies whose
    names say so, and what `mask` says.

    Args:
        path: The file: YAML, of ours or vcrpy's (also its JSON), which is read and never written.
        mode: "once" records where there is no file, and replays where there is one. "none" replays only. "new" replays
            what is recorded, and records what isn't. "all" records everything anew.
        mask: What else is secret: names of headers, parameters or fields; patterns, of which all groups are masked, or
            all of it where there is none; functions that take text and return it masked.
        keep: Names that are no secrets, whatever they sound like.
        ignore: Names that are not compared, in queries, forms and JSON.
        match_on: The parts of a request that are compared.
        repeats: Whether the last of equal exchanges replays again and again.
        only: Hosts that are recorded and replayed; others go to the network. Without any: all.

    Attributes:
        path: As above.
        mode: As above.
        failed: Whether the run has failed; what ends the `with` block with an exception sets it.

    Raises:
        ConfigError: A setting makes no sense, or the file is no cassette.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        mode: Mode | str = "once",
        *,
        mask: Iterable[Mask] | Mask = (),
        keep: Iterable[str] = (),
        ignore: Iterable[str] = (),
        match_on: Iterable[str] = conditions.PARTS,
        repeats: bool = False,
        only: Iterable[str] = (),
    ) -> None:
        self.path: Path = Path(path)
        self.mode: str = _OTHER_NAMES.get(mode, mode)
        self.failed: bool = False
        if self.mode not in MODES:
            raise ConfigError(f"mode={mode!r}: give one of {', '.join(MODES)}")
        self._parts = _parts(match_on)
        self._ignored = conditions.IGNORED | {name.lower() for name in _several(ignore)}
        self._only = [each.lower() for each in _several(only)]
        self._masks = mask if isinstance(mask, str) or not hasattr(mask, "__iter__") else list(mask)
        self._keep = _several(keep)
        self._repeats = repeats
        self._lock = threading.Lock()
        self._seen: files.Recording | None = None
        self._old: list[tuple[Exchange, list[Condition]]] = []
        self._new: list[Exchange] = []
        self._saved = 0
        self._records = False
        self._started = False
        self._problems: list[UnmatchedCall] = []
        self._secrets = Secrets(self._masks, self._keep)

    # --- what tests ask ----------------------------------------------------------------------------------------------

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """All exchanges: those of the file, then those that were recorded in this run."""
        self._load()
        return [*(exchange for exchange, _ in self._old), *self._new]

    @property
    def played(self) -> int:
        """How many attempts were replayed."""
        return sum(exchange.played for exchange, _ in self._old) - self._saved

    @property
    def recorded(self) -> int:
        """How many attempts were recorded in this run."""
        return len(self._new) + self._saved

    @property
    def unused(self) -> list[str]:
        """The exchanges of the file that nothing has asked for: method, URL and status of each."""
        self._load()
        return [exchange.name for exchange, _ in self._old if not exchange.played]

    @property
    def problems(self) -> list[str]:
        """What no exchange fitted, as messages."""
        return [str(problem) for problem in self._problems]

    def transport(self, transport: Transport | str | None = None) -> Transport:
        """Make a transport for one client, which records and replays here at all times.

        Args:
            transport: What records: "aiohttp", "native" or an object; None for the default.
        """
        return TapeTransport(self, transport)

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to record or replay, for all clients of this process that have no transport object of their own.

        Raises:
            ConfigError: The file is no cassette.
        """
        self._load()
        self._started = True
        interception.register(self)

    def stop(self) -> None:
        """End it, and write what was recorded.

        Raises:
            ConfigError: The file can't be written.
        """
        self._started = False
        interception.unregister(self)
        self.save()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.failed = self.failed or kind is not None or bool(self._problems)
        self.stop()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Check that exchanges fitted all attempts; each problem is told once.

        Raises:
            UnmatchedCall: One fitted none, and the code under test has gone on.
        """
        problems, self._problems = self._problems, []
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise UnmatchedCall("\n".join(map(str, problems)))

    def excuse(self, error: BaseException | None = None) -> list[str]:
        """Drop what `check` would tell, and return the problems but for this error: the test has failed anyway."""
        told = [str(problem) for problem in self._problems if problem is not error]
        self._problems.clear()
        return told

    def closed(self, *, failed: bool) -> None:
        """Take in that a client has closed the transport that was made for it: write, if no `stop` will do that.

        Args:
            failed: Whether an exception closes it.
        """
        if not self._started:
            self.failed = self.failed or failed or bool(self._problems)
            self.save()

    def save(self) -> None:
        """Write what was recorded, secrets masked (rule 4); nothing where nothing is new.

        Raises:
            ConfigError: The file can't be written.
        """
        seen = self._load()
        with self._lock:
            new = [exchange for exchange in self._new if exchange.is_good or not self.failed]
            over = self.mode == "all"
            finishes = seen.unfinished and not self.failed and self.mode in {"once", "new"}
            if not new and not finishes:
                return
            if over and self.failed and seen.text and not seen.unfinished:
                return
            old = [] if over else [row_of(exchange) for exchange, _ in self._old]
            written = masked(new, self._secrets)
            rows = [row_of(exchange) for exchange in written]
            unfinished = self.failed and not (seen.text and not seen.unfinished)
            files.save(self.path, [*old, *rows], seen, unfinished=unfinished)
            self._seen = files.load(self.path)
            for exchange in written:
                exchange.played = 1
                self._old.append((exchange, self._asked(exchange)))
            self._new = [exchange for exchange in self._new if all(exchange is not each for each in new)]
            self._saved += len(new)

    # --- what the transports ask -------------------------------------------------------------------------------------

    def takes(self, request: Request) -> bool:
        """As of an `Interceptor`."""
        return not self._only or any(host in {request.target.host.lower(), request.url.host} for host in self._only)

    async def send(self, request: Request, network: Network) -> Response:
        """As of an `Interceptor`: replay an exchange that fits, or record a new one."""
        self._secrets.learn(request)
        self._load()
        if self._old and self.mode != "all":
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
            self._new.append(exchange)
        try:
            return await recorded(request, network, exchange)
        finally:
            if not exchange.status and exchange.failure is None:  # neither: a wrong setting
                with self._lock:
                    self._new.remove(exchange)

    async def _replay(self, exchange: Exchange, request: Request, call: MockCall) -> Response:
        async def respond(request: Request) -> Response | MockSocket:
            return await replayed(exchange, request, self._ignored, self._noted)

        if request.call.before_write is not None:
            request.call.before_write()
        whole = request if is_stream(request) else request.copy(content=call.content or None)
        carrier = MockTransport(respond, clock=LOOP_CLOCK)
        try:
            response = await carrier.send(whole)
        finally:
            await carrier.aclose()
        response.request, response.target, response.http_version = request, request.target, exchange.version
        return response

    def _taken(self, call: MockCall) -> Exchange | None:
        """Take the exchange that fits best (rule 2)."""
        with self._lock:
            best: Exchange | None = None
            how = (False, -1)
            for exchange, asked in self._old:
                if exchange.played and not self._repeats:
                    continue
                if exchange.websocket != call.is_handshake or any(each.difference(call) for each in asked):
                    continue
                fits = conditions.likeness(exchange, call)
                if best is None or (not exchange.played, *fits) > (not best.played, *how):
                    best, how = exchange, fits
                elif self._repeats and exchange.played and best.played:
                    best = exchange
            if best is not None:
                best.played += 1
            return best

    # --- inner -------------------------------------------------------------------------------------------------------

    def _load(self) -> files.Recording:
        if self._seen is None:
            with self._lock:
                seen = files.load(self.path)
                self._old = [(exchange, self._asked(exchange)) for exchange in seen.exchanges]
                fresh = not seen.text or seen.unfinished
                self._records = self.mode in {"new", "all"} or (self.mode == "once" and fresh)
                self._secrets = Secrets(self._masks, self._keep, highest(seen.text))
                self._seen = seen
        return self._seen

    def _asked(self, exchange: Exchange) -> list[Condition]:
        return conditions.conditions_of(exchange, self._parts, self._ignored)

    def _why(self, call: MockCall) -> str:
        text = why_unmatched(call, self._old, self.path, self.mode, exists=bool(self._load().text))
        return str(self._secrets.swept(self._secrets.text(text)))

    def _noted(self, message: str) -> UnmatchedCall:
        problem = UnmatchedCall(message)
        self._problems.append(problem)
        return problem

    def __repr__(self) -> str:
        counts = Counter(played=self.played, recorded=self.recorded)
        return f"<Cassette {str(self.path)!r} {self.mode}, {counts['played']} replayed, {counts['recorded']} recorded>"


def _parts(match_on: Iterable[str]) -> frozenset[str]:
    """Read the names of parts, vcrpy's among them."""
    vcr = {"uri": {"scheme", "host", "port", "path", "query"}, "raw_body": {"body"}, "headers": {"range"}}
    parts = frozenset(part for name in _several(match_on) for part in vcr.get(name, {name}))
    if wrong := parts - set(conditions.PARTS):
        raise ConfigError(f"match_on={sorted(wrong)}: give some of {', '.join((*conditions.PARTS, 'uri'))}")
    return parts


def _several(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _read_before(request: Request, network: Network, content: bytes) -> tuple[Request, Network]:
    """Return a request, and a way to send it, whose body was read to be compared."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    length = request.content.length if isinstance(request.content, Body) else None
    body = Body(pieces, length=length, rewindable=True)

    async def again(other: Body | None) -> Response:
        return await network(other or body)

    return request.copy(content=body), again
