"""Stand in for the APIs that the code under test calls: the routes of a test, and what was sent to them.

Rules:
1. Of the routes that take a call, the most specific has it: one with a literal path goes before one with a template,
   then the one with more conditions, then the one that was declared last: a test replaces what a fixture declared.
2. A call that no route takes raises `UnmatchedCall` in the code under test, and fails the test even where the code
   swallows that. So does an AssertionError in a function that responds.
3. Everything above the transport works as usual: retries, limits, deadlines, credentials, caches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from asyncapi.errors import ConfigError
from asyncapi.messages.response import Response
from asyncapi.testing import matching
from asyncapi.testing.carrying import LOOP_CLOCK, chaotic, received
from asyncapi.testing.coded_bodies import decoded
from asyncapi.testing.hosts import hosts_are
from asyncapi.testing.mock_calls import Calls, MockCall
from asyncapi.testing.nearest import MOST_EXPLAINED, UnmatchedCall, message_of, told, why_unmatched, why_used_up
from asyncapi.testing.route_methods import RouteMethods
from asyncapi.testing.traces import within
from asyncapi.transports import interception
from asyncapi.transports.mock import MockTransport
from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from asyncapi.messages.request import Request
    from asyncapi.settings import Chaos
    from asyncapi.testing.hosts import Host
    from asyncapi.testing.script import Script
    from asyncapi.transports.interception import Network
    from asyncapi.types import Send, Transport


class APIMock(RouteMethods):
    """Mocks the APIs that this SDK's clients call, whoever makes the clients.

        def test_it(api_mock):                                  # the fixture; or `with APIMock() as api_mock:`
            user = api_mock.get("https://api.example.com/users/{id}").reply(json={"id": 1})
            ...
            user.assert_called_once()

    While it is active, nothing that is sent over the transports "aiohttp" and "native" reaches the network. A client
    with a transport object of its own keeps it; `transport` is one that always leads here.

    Args:
        required: Whether the test fails where a route that it has declared is never called.

    Attributes:
        calls: All attempts that routes have taken, oldest first.
        required: As above, for routes that are declared from now on.
    """

    def __init__(self, *, required: bool = True) -> None:
        self.calls: Calls = Calls()
        self.required: bool = required
        self._routes: list[Script] = []
        self._open: list[Callable[[Request], bool]] = []  # tell which requests are not mocked
        self._places: dict[str | None, list[tuple[int, Script]]] = {}  # path -> routes for it alone; None: the others
        self._placed = 0  # how many routes stand there
        self._problems: list[AssertionError] = []
        self._chaos: Send | None = None

    # --- other settings ----------------------------------------------------------------------------------------

    def pass_through(self, *hosts: Host) -> None:
        """Let calls to these hosts go to the network, where no route takes them.

        Args:
            hosts: Hosts, perhaps with a port; `*` stands for any text, and "loopback" for this machine; or functions of
                a request. Without any: this machine.

        Raises:
            ConfigError: One is no host.
        """
        self._open.append(hosts_are(hosts or ("loopback",)))

    def chaos(self, settings: Chaos | str | None) -> None:
        """Have a share of the attempts fail that routes take: a `Chaos`, the name of a preset, or None for none."""
        self._chaos = None if settings is None else chaotic(settings)(self._responded)

    @property
    def transport(self) -> Transport:
        """A transport for one client, `Client(transport=api_mock.transport)`, that leads here at all times."""
        return _Explicit(self)

    def reset(self) -> None:
        """Forget the routes, the calls, and the calls that no route took."""
        self._routes.clear()
        self._places.clear()
        self._placed = 0
        self._problems.clear()
        self.calls = Calls()

    @property
    def routes(self) -> Sequence[Script]:
        """All routes, in the order of their declaration."""
        return tuple(self._routes)

    def assert_all_called(self) -> None:
        """Check that every route was called, those of fixtures too.

        Raises:
            AssertionError: One was not.
        """
        __tracebackhide__ = True
        idle = [route for route in self._routes if not route.calls]
        if idle:
            raise AssertionError(f"api_mock: never called:\n{_names(idle)}")

    # --- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to mock."""
        interception.register(self)

    def stop(self) -> None:
        """End it."""
        interception.unregister(self)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        if kind is None:
            self.check()

    @property
    def problems(self) -> list[str]:
        """What went wrong so far: calls that no route took, and AssertionErrors of functions that respond."""
        return [message_of(problem) for problem in self._problems]

    def check(self) -> None:
        """Check that routes took all calls, and that those that must be called were; each problem is told once.

        Raises:
            UnmatchedCall: A call was taken by no route, and the code under test has gone on.
            AssertionError: A function that responds raised it, or a route that the test declared was never called.
        """
        problems, self._problems = self._problems, []
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise UnmatchedCall(told([message_of(problem) for problem in problems]))
        idle = [route for route in self._routes if route.required and not route.calls]
        for route in idle:
            route.required = False
        if idle:
            raise AssertionError(
                f"api_mock: never called, although the test declares it:\n{_names(idle)}\n{_NOT_REQUIRED}"
            )

    def excuse(self, error: BaseException | None = None) -> list[str]:
        """Drop what `check` would tell, and return the problems but for this error, or those of this group."""
        known = set(map(id, within(error)))
        others = [message_of(problem) for problem in self._problems if id(problem) not in known]
        self._problems.clear()
        for route in self._routes:
            route.required = False
        return others

    # --- what the transports ask -------------------------------------------------------------------------------

    def takes(self, request: Request) -> bool:
        """As of an `Interceptor`."""
        if not any(meant(request) for meant in self._open):
            return True
        call = MockCall(request, request.content if isinstance(request.content, bytes) else b"")
        return self._route_of(call) is not None

    async def send(self, request: Request, network: Network | None = None) -> Response:
        """As of an `Interceptor`."""
        passing = self._passing(request)
        if passing is not None:
            return await self._passed(passing, network)
        if request.call.before_write is not None:
            request.call.before_write()
        carrier = MockTransport(self._chaos or self._responded, clock=LOOP_CLOCK)
        try:
            return await carrier.send(request)
        finally:
            await carrier.aclose()

    def _passing(self, request: Request) -> MockCall | None:
        """Return a call that its route lets go to the network."""
        call = MockCall(request, request.content if isinstance(request.content, bytes) else b"")
        call.route = self._route_of(call)
        return call if call.route is not None and call.route.passes else None

    async def _passed(self, call: MockCall, network: Network | None) -> Response:
        if network is None:
            raise ConfigError("api_mock.transport has no network to pass through to: leave transport= out")
        route = call.route
        if route is not None:
            route.next_step()
            route.calls.add(call)
        self.calls.add(call)
        try:
            call.response = await network(None)
        except BaseException as error:
            call.error = error
            raise
        return call.response

    async def _responded(self, request: Request) -> Response:
        call = await received(request)
        route = self._route_of(call)
        if route is None:
            raise self._noted(UnmatchedCall(self._why(call)))
        step = route.next_step()
        if step is None and not route.is_empty:
            raise self._noted(UnmatchedCall(why_used_up(call, route)))
        call.on_assertion, call.route = self._noted, route
        for calls in (route.calls, self.calls):
            calls.add(call)
        try:
            made = await (step or route.default()).respond(call)
            if isinstance(made, MockSocket):
                call.socket = made
                made = made.accept(request)
            made = _readable(made)
        except BaseException as error:
            call.error = error
            if isinstance(error, AssertionError):
                self._noted(error)
            raise
        call.response = made
        return made

    def _route_of(self, call: MockCall) -> Script | None:
        """Return the route that has a call (rule 1)."""
        found: Script | None = None
        best = (-1, -1)
        for _, route in self._candidates(call):
            if route.handshake != call.is_handshake or any(each.difference(call) for each in route.conditions):
                continue
            paths = [2 if each.exact else 1 for each in route.conditions if each.part == "path"]
            rank = min(paths, default=0), len(route.conditions)
            if rank >= best:
                found, best = route, rank
        if found is not None:
            call.path_params = {}
            for each in found.conditions:  # what its path's slots stand for
                each.difference(call)
        return found

    def _candidates(self, call: MockCall) -> list[tuple[int, Script]]:
        """Return the routes that may have a call, in their order: all but those for another path alone."""
        for number in range(self._placed, len(self._routes)):
            route = self._routes[number]
            path = next((each.literal for each in route.conditions if each.literal is not None), None)
            self._places.setdefault(path, []).append((number, route))
        self._placed = len(self._routes)
        found = [*self._places.get(None, ()), *self._places.get(matching.segments(call.url.raw_path), ())]
        return sorted(found, key=lambda numbered: numbered[0])

    def _why(self, call: MockCall) -> str:
        if len(self._problems) < MOST_EXPLAINED:
            return why_unmatched(call, self._routes)
        return f"api_mock: no route takes {call.line}"

    def _noted(self, problem: AssertionError) -> AssertionError:
        if not any(each is problem for each in self._problems[-MOST_EXPLAINED:]):
            self._problems.append(problem)
        return problem


def _readable(response: Response) -> Response:
    """Decode a body that is coded as its Content-Encoding says, as transports do."""
    codings = response.headers.getall("Content-Encoding", [])
    plain = decoded(response.content, codings) if codings and response.open_body is None else None
    if plain is None:
        return response
    return Response(response.status, response.headers, plain, trailers=response.trailers)


def _names(routes: Sequence[Script]) -> str:
    return "\n".join(f"  {route.name}  [{route.place}]" for route in routes)


_NOT_REQUIRED = "  (required=False is for what may or may not be called)"


class _Explicit:
    """The transport of one client that leads to a mock, whether or not that is active."""

    offline = True

    def __init__(self, mock: APIMock) -> None:
        self._mock = mock

    async def send(self, request: Request) -> Response:
        """Send one attempt to the mock."""
        if not self._mock.takes(request):
            raise ConfigError("api_mock.transport has no network to pass through to: leave transport= out")
        return await self._mock.send(request)

    async def aclose(self) -> None:
        """There is nothing to close."""
