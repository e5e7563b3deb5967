"""Send each attempt to one of several endpoints: by their load, latency and health (sansio/limits/balance.py).

Above this layer a request names the whole set, by the base URL that stands for it: what is cached, shared, budgeted and
hedged is the same resource wherever it comes from. Below, it names the endpoint that was picked: breaker, limits and
credentials go by that.

Rules:
1. Only URLs of the set are balanced: relative ones. Another URL is sent where it says, be it that of an endpoint.
2. A call that has tried an endpoint (a retry, a hedge) goes to another, while there is one.
3. An endpoint whose circuit is open, or whose host asks to wait, is passed over while there is another; and a retry
   that goes to another doesn't wait for what the first has asked for (`call.elsewhere`).
4. An attempt counts as in flight until its body ends. Its latency is that of the attempt alone, without our queues.
5. A failure is a response of the server's errors (5xx) or none at all; not what we refused or cancelled. A cancelled
   attempt says that the latency is at least as long as it took.
6. A probe costs no call: where it fails, its request, if that is safe, goes elsewhere at once.
7. SRV records are looked up by one task for all calls. Only the first calls wait for it; while a later look-up is under
   way, and where it fails, the old list is used.
8. A call that is sent again because its credential was refused goes to the same endpoint: a nonce or a token may hold
   for that one alone.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError, CircuitOpen, ConnectError, RequestTimeout, TransportError
from asyncapi.messages.base_url import root_of
from asyncapi.messages.open_body import release_at_end
from asyncapi.messages.placed import Placed
from asyncapi.messages.target import Target
from asyncapi.sansio.failures.resend import blames_host, resend_obstacle, safe
from asyncapi.sansio.limits.balance import Balancer
from asyncapi.sansio.limits.endpoint_health import Health
from asyncapi.transports.srv import look_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from yarl import URL

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.http.origin import Origin
    from asyncapi.settings.endpoints import Endpoint, Endpoints
    from asyncapi.transports.srv import Place
    from asyncapi.types import Layer, Send

_ERRORS = 400  # RFC 9110 section 15.5: from here on
_SERVER_ERRORS = 500  # RFC 9110 section 15.6: from here on
_TOO_MANY = 429
_WANTS_OUT = "x-envoy-immediate-health-check-fail"  # of a host that fails its health check from now on
_AGAIN = 5.0  # seconds after which a failed look-up is repeated, where there is an old list
_RARE = 0.01  # of the other weights: RFC 2782 gives a weight of 0 "a very small chance"


class EndpointSet:
    """The endpoints of one client, and their state.

    Args:
        settings: Name them.
        clock: Times everything.
        holds_back: Whether an attempt to this host would have to wait, or be refused (rule 3).
        find: Looks up the SRV records of a service.

    Attributes:
        settings: As above.
        balancer: Picks one of them.
        origins: Theirs, and those of endpoints that have left the list but still have requests in flight.
    """

    def __init__(
        self,
        settings: Endpoints,
        clock: Clock,
        holds_back: Callable[[str], bool] = lambda _: False,
        find: Callable[[str, tuple[str, ...]], Awaitable[tuple[list[Place], float]]] = look_up,
    ) -> None:
        self.settings: Endpoints = settings
        self.balancer: Balancer = Balancer(settings.rules, clock.random)
        self.origins: frozenset[Origin] = frozenset()
        self._clock = clock
        self._holds_back = holds_back
        self._find = find
        self._base = settings.base
        root = root_of(settings.base)
        self._host, self._path = root.host, root.path
        self._roots: dict[str, Target] = {}
        self._leaving: dict[str, Health] = {}  # no longer listed, with requests in flight
        self._due = -inf if settings.service else inf  # when the list is to be looked up again
        self._failure = ""
        self._task: asyncio.Task[None] | None = None
        if settings.endpoints:
            self._use(settings.endpoints)

    def has(self, target: Target) -> bool:
        """Whether a URL names the whole set (rule 1)."""
        text, base = target.text, self._base
        return (
            target.host == self._host
            and text.startswith(base)
            and text[len(base) : len(base) + 1] in {"", "/", "?", "#"}
        )

    def covers(self, target: Target) -> bool:
        """Whether a URL is the set's, or has the origin of an endpoint: what is given for the set may go there."""
        return self.has(target) or target.origin in self.origins

    def host(self, member: Health) -> str:
        """The host of an endpoint, with its port where one is written."""
        return self._roots[member.key].host

    def member(self, host: str) -> Health | None:
        """The endpoint at a host."""
        return next((member for member in self.balancer.members if self.host(member) == host), None)

    def at(self, member: Health, asked: Target) -> Target:
        """Move a URL of the set to an endpoint, byte for byte."""
        root, rest = self._roots[member.key], asked.text[len(self._base) :]
        path = root.path + asked.path[len(self._path) :] if rest[:1] not in {"", "#"} else root.path
        if path[:1] != "/":  # RFC 9112 section 3.2.1: an empty path is sent as "/"
            path = f"/{path}"
            rest = f"/{rest}" if rest else rest
        return Target(root.text + rest, root.host, path, secure=root.secure)

    def everywhere(self, asked: Target) -> list[Target]:
        """The URL of the set at each endpoint."""
        return [self.at(member, asked) for member in self.balancer.members]

    def pick(self, call: Call, *, may_probe: bool) -> Health:
        """Pick the endpoint of the next attempt of a call (rules 2 and 3)."""
        members, tried = self.balancer.members, call.tried
        if call.resend and tried:  # rule 8
            last = next((member for member in members if member.key == tried[-1] and not member.out), None)
            if last is not None:
                self.balancer.take(last, self._clock.now())
                return last
        held = [member for member in members if self._holds_back(self._roots[member.key].host)]
        member = self.balancer.pick(self._clock.now(), call, tried=tried or (), held=held, may_probe=may_probe)
        if tried is None:
            tried = call.tried = []
        tried.append(member.key)
        return member

    def others(self, call: Call) -> bool:
        """Whether there is an endpoint that the call has not tried yet."""
        tried = call.tried or ()
        return any(
            not (member.out or member.key in tried or self._holds_back(self.host(member)))
            for member in self.balancer.members
        )

    async def ready(self, call: Call) -> None:
        """Look up the list, if that is due (rule 7).

        Raises:
            ConnectError: There is no list.
        """
        if self._clock.now() < self._due:
            return
        if self._task is None:  # outside the context of the call, whose deadline isn't that of the others
            self._task = asyncio.get_running_loop().create_task(self._look_up(), context=Context())
        if self.balancer.members:
            return
        call.phase = "connect"
        await asyncio.wait({self._task})
        if not self.balancer.members:
            raise ConnectError(self._failure or "the client was closed while it looked up its endpoints")

    async def aclose(self) -> None:
        """End a look-up under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _look_up(self) -> None:
        settings, now = self.settings, self._clock.now
        try:
            places, ttl = await self._find(settings.service, settings.nameservers)
            self._use(_endpoints_at(places, settings))
            self._due = now() + ttl
        except Exception as error:  # whatever it is, the next call is to look again
            self._failure = error.message if isinstance(error, AsyncAPIError) else f"{type(error).__name__}: {error}"
            self._due = now() + _AGAIN if self.balancer.members else -inf
        finally:
            self._task = None

    def _use(self, endpoints: Iterable[Endpoint]) -> None:
        """Use this list from now on."""
        balancer, now = self.balancer, self._clock.now()
        began = bool(balancer.members)
        known = self._leaving | {member.key: member for member in balancer.members}
        members: dict[str, Health] = {}
        for endpoint in endpoints:
            key = endpoint.base
            if key in members:
                members[key].weight += endpoint.weight
                continue
            member = members[key] = (
                known.pop(key) if key in known else Health(key, self.settings.rules, now, slowly=began)
            )
            member.weight, member.zone, member.priority = endpoint.weight, endpoint.zone, endpoint.priority
            self._roots[key] = root_of(key)
        self._leaving = {key: member for key, member in known.items() if member.in_flight}
        self._roots = {key: root for key, root in self._roots.items() if key in members or key in self._leaving}
        self.origins = frozenset(root.origin for root in self._roots.values())
        balancer.replace(members.values())


def _endpoints_at(places: list[Place], settings: Endpoints) -> list[Endpoint]:
    from asyncapi.settings.endpoints import Endpoint  # noqa: PLC0415 - most clients have none

    endpoints = []
    for place in places:
        total = sum(other.weight for other in places if other.priority == place.priority)
        host = f"[{place.host}]" if ":" in place.host else place.host
        endpoints.append(
            Endpoint(
                f"{settings.scheme}://{host}:{place.port}{settings.path}",
                weight=float(place.weight or total * _RARE or 1),
                priority=place.priority,
            )
        )
    return endpoints


def cookies_everywhere(endpoints: EndpointSet, cookies: Callable[[URL], str]) -> Callable[[URL], str]:
    """Return what gives the kept cookies for a URL: for one of the set, those that any endpoint would be sent."""

    def kept(url: URL) -> str:
        target = Target.of(url)
        if not endpoints.has(target):
            return cookies(url)
        return "; ".join(cookies(each.url) for each in endpoints.everywhere(target))

    return kept


def balance(endpoints: EndpointSet, clock: Clock) -> Layer:
    """Give every attempt to a URL of the set its endpoint.

    Raises (from the layer):
        ConnectError: The endpoints could not be looked up.
    """

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            if not endpoints.has(request.target):  # rule 1
                return await inner(request)
            await endpoints.ready(request.call)
            return await _sent(endpoints, clock, inner, request)

        return send

    return layer


async def _sent(endpoints: EndpointSet, clock: Clock, inner: Send, request: Request) -> Response:
    """Send the attempt to the endpoint that is picked; elsewhere where that costs nothing (rules 3 and 6)."""
    call, may_probe = request.call, safe(request)
    while True:
        member = endpoints.pick(call, may_probe=may_probe)
        probes = member.probes is call
        failure: Response | TransportError
        try:
            failure = await _once(endpoints, clock, inner, request, member)
            if failure.effective_status < _ERRORS and not probes:  # the common case
                return failure
        except TransportError as error:
            failure = error
        except CircuitOpen:  # nothing was sent
            if not endpoints.others(call):
                raise
            continue
        again = probes and _failed(failure) and endpoints.others(call) and resend_obstacle(request, failure) is None
        call.elsewhere = endpoints.others(call)
        if not again:
            if isinstance(failure, TransportError):
                raise failure
            return failure
        may_probe = False
        _note_probe(call, endpoints.host(member), failure)


def _note_probe(call: Call, host: str, failure: Response | TransportError) -> None:
    """Write into the records that a probe failed, and why there is a next attempt."""
    if not isinstance(failure, TransportError) and failure.open_body is not None:
        failure.open_body.close()
    if call.attempts:
        call.attempts[-1].then = "sent elsewhere at once: it was the probe of an endpoint that had failed"
    call.why = f"balance: the probe of {host} failed"


async def _once(endpoints: EndpointSet, clock: Clock, inner: Send, request: Request, member: Health) -> Response:
    """Make one attempt at an endpoint, and let its state learn from it (rules 4 and 5)."""
    balancer, call = endpoints.balancer, request.call
    target, records_before = endpoints.at(member, request.target), len(call.attempts)
    placed = Placed(request.target, endpoints.settings.base, member.key)
    response: Response | None = None
    try:
        response = await inner(request.copy(target=target))
    except TransportError as error:
        # without an attempt record nothing was sent: no verdict
        if len(call.attempts) > records_before and blames_host(error):
            if isinstance(error, RequestTimeout):
                member.learn(clock.now(), call.attempts[-1].elapsed)
            balancer.failed(member, call, clock.now())
        raise
    except asyncio.CancelledError:
        if len(call.attempts) > records_before:
            balancer.left(member, clock.now(), call.attempts[-1].elapsed)
        raise
    else:
        response.placed = placed
        if len(call.attempts) > records_before:
            _learn(balancer, member, response, call, clock.now())
        return response
    finally:
        release_at_end(response, partial(_done, balancer, member, call))


def _done(balancer: Balancer, member: Health, call: Call, _: BaseException | None) -> None:
    balancer.done(member, call)


def _learn(balancer: Balancer, member: Health, response: Response, call: Call, now: float) -> None:
    status, meaning = response.effective_status, response.meaning
    out = (meaning is not None and meaning.out) or _WANTS_OUT in response.headers
    if out or _failed(response):
        balancer.failed(member, call, now, wants_out=out)
        return
    balancer.succeeded(member, call, now)
    if status != _TOO_MANY:
        member.learn(now, call.attempts[-1].elapsed)


def _failed(outcome: Response | TransportError) -> bool:
    """Rule 5."""
    if isinstance(outcome, TransportError):
        return True
    meaning = outcome.meaning
    if meaning is None or meaning.failed is None:
        return outcome.effective_status >= _SERVER_ERRORS
    return meaning.failed
