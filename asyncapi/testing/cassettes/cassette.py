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

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from asyncapi.errors import ConfigError
from asyncapi.testing.cassettes import conditions
from asyncapi.testing.cassettes.masking import Secrets
from asyncapi.testing.cassettes.tape import Tape
from asyncapi.testing.cassettes.tape_transport import TapeTransport
from asyncapi.testing.hosts import hosts_are
from asyncapi.testing.nearest import UnmatchedCall, message_of, told
from asyncapi.testing.traces import within
from asyncapi.transports import interception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from os import PathLike
    from re import Pattern
    from types import TracebackType

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.hosts import Host
    from asyncapi.transports.interception import Network
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
        only: Hosts that are recorded and replayed; others go to the network. Without any: all. A host may have a
            port, and `*` for any text; "loopback" is this machine. Or functions of a request.
        pass_through: Hosts that go to the network always, in the same form.

    Attributes:
        path: As above.
        mode: As above.

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
        only: Iterable[Host] | Host = (),
        pass_through: Iterable[Host] | Host = (),
    ) -> None:
        self.path: Path = Path(path)
        self.mode: str = _OTHER_NAMES.get(mode, mode)
        if self.mode not in MODES:
            raise ConfigError(f"mode={mode!r}: give one of {', '.join(MODES)}")
        masks = mask if isinstance(mask, str) or not hasattr(mask, "__iter__") else list(mask)
        self._only = hosts_are(only) if only else None
        self._not = hosts_are(pass_through)
        self._started = False
        self._tape = Tape(
            self.path,
            self.mode,
            partial(Secrets, masks, _several(keep)),
            parts=_parts(match_on),
            ignored=conditions.IGNORED | {name.lower() for name in _several(ignore)},
            repeats=repeats,
        )

    @property
    def failed(self) -> bool:
        """Whether the run has failed; what ends the `with` block with an exception sets it."""
        return self._tape.failed

    @failed.setter
    def failed(self, failed: bool) -> None:
        self._tape.failed = failed

    # --- what tests ask ----------------------------------------------------------------------------------------------

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """All exchanges: those of the file, then those that were recorded in this run."""
        self._tape.load()
        return [*self._tape.old, *self._tape.new]

    @property
    def played(self) -> int:
        """How many attempts were replayed."""
        return sum(exchange.played for exchange in self._tape.old) - self._tape.saved

    @property
    def recorded(self) -> int:
        """How many attempts were recorded in this run."""
        return len(self._tape.new) + self._tape.saved

    @property
    def unused(self) -> list[str]:
        """The exchanges of the file that nothing has asked for: method, URL and status of each."""
        self._tape.load()
        return [exchange.name for exchange in self._tape.old if not exchange.played]

    @property
    def problems(self) -> list[str]:
        """What no exchange fitted, as messages."""
        return [message_of(problem) for problem in self._tape.problems]

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
        self._tape.load()
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
        self.failed = self.failed or kind is not None or bool(self._tape.problems)
        self.stop()
        if kind is None:
            self.check()

    def check(self) -> None:
        """Check that exchanges fitted all attempts; each problem is told once.

        Raises:
            UnmatchedCall: One fitted none, and the code under test has gone on.
        """
        problems, self._tape.problems = self._tape.problems, []
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise UnmatchedCall(told([message_of(problem) for problem in problems]))

    def excuse(self, error: BaseException | None = None) -> list[str]:
        """Drop what `check` would tell, and return the problems but for this error, or those of this group."""
        known = set(map(id, within(error)))
        others = [message_of(problem) for problem in self._tape.problems if id(problem) not in known]
        self._tape.problems.clear()
        return others

    def closed(self, *, failed: bool) -> None:
        """Take in that a client has closed the transport that was made for it: write, if no `stop` will do that.

        Args:
            failed: Whether an exception closes it.
        """
        if not self._started:
            self.failed = self.failed or failed or bool(self._tape.problems)
            self.save()

    def save(self) -> None:
        """Write what was recorded, secrets masked (rule 4); nothing where nothing is new.

        Raises:
            ConfigError: The file can't be written.
        """
        self._tape.save()

    # --- what the transports ask -------------------------------------------------------------------------------------

    def takes(self, request: Request) -> bool:
        """As of an `Interceptor`."""
        return not self._not(request) and (self._only is None or self._only(request))

    async def send(self, request: Request, network: Network) -> Response:
        """As of an `Interceptor`: replay an exchange that fits, or record a new one."""
        return await self._tape.send(request, network)

    def __repr__(self) -> str:
        counts = f", {self.played} replayed, {self.recorded} recorded" if hasattr(self, "_tape") else ""
        return f"<Cassette {str(self.path)!r} {self.mode}{counts}>"


def _parts(match_on: Iterable[str]) -> frozenset[str]:
    """Read the names of parts, vcrpy's among them."""
    vcr = {"uri": {"scheme", "host", "port", "path", "query"}, "raw_body": {"body"}, "headers": {"range"}}
    parts = frozenset(part for name in _several(match_on) for part in vcr.get(name, {name}))
    if wrong := parts - set(conditions.PARTS):
        raise ConfigError(f"match_on={sorted(wrong)}: give some of {', '.join((*conditions.PARTS, 'uri'))}")
    return parts


def _several(names: Iterable[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)
