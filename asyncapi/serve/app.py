"""The endpoints in one table, and the way of a request: count, find the route, draw a fault, answer, write.

Routes are of three kinds:
- "plain": faults by rate and by query apply.
- "fault": a fault in itself; answers exactly as asked.
- "control": about the server; not counted either.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

from aiohttp import web

from asyncapi.errors import ConfigError
from asyncapi.serve import bodies, shop, trouble, vendors
from asyncapi.serve.bucket import Bucket
from asyncapi.serve.echo import echo
from asyncapi.serve.faults import NO_FAULT, Fault, Faults, asked, decide
from asyncapi.serve.graphql import Graph
from asyncapi.serve.items import Listing
from asyncapi.serve.oauth import CLIENT_ID, CLIENT_SECRET, Tokens
from asyncapi.serve.payments import Ledger
from asyncapi.serve.replies import (
    Answer,
    Outcomes,
    Refusal,
    Reply,
    Script,
    cut,
    http_date,
    json_reply,
    send,
    stalled,
)
from asyncapi.serve.stats import Stats
from asyncapi.serve.talk import Talk
from asyncapi.serve.users import Users
from asyncapi.serve.websocket import Sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

Handler = Callable[[web.BaseRequest, str], Awaitable[Answer]]

_MANY_PATHS = 1_000_000
_VERSION = "v1"  # /v1/users is /users: samples with a versioned base URL work too


class Route(NamedTuple):
    """One endpoint: `methods` is empty where any will do."""

    kind: Literal["plain", "fault", "control"]
    methods: tuple[str, ...]
    handler: Handler
    about: Mapping[str, str]


class App:
    """The state of one server and its request handler.

    Args:
        faults: What to mix into the answers.
        log: Receives one line per request, or None.
    """

    def __init__(self, faults: Faults, log: Callable[[str], object] | None = None) -> None:
        self.faults = faults
        self.stats: Stats = Stats()
        self._log = log
        self._outcomes = Outcomes()
        self._talks: set[Talk] = set()
        self.reset()

    def reset(self) -> None:
        """Forget everything: counters, visits, buckets, keys, payments and tokens."""
        self.stats.clear()
        self._visits: dict[str, int] = {}
        rate = self.faults.rate_limit
        self._bucket = None if rate is None else Bucket(rate, time.monotonic())
        self._tokens = Tokens()
        self._routes = self._table()

    async def leave(self) -> None:
        """Close the WebSockets that are open, since they would not end by themselves."""
        await asyncio.gather(*(talk.leave() for talk in self._talks))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; what aiohttp calls."""
        raw = request.raw_path
        path = raw.partition("?")[0] if raw.startswith("/") else request.rel_url.raw_path
        name, _, rest = path[1:].partition("/")
        if name == _VERSION:
            name, _, rest = rest.partition("/")
        route = self._routes.get(name)
        if route is not None and route.kind == "control":
            return await send(await self._call(route, request, rest), request, self._outcomes)
        stats, started, status = self.stats, time.perf_counter(), "gone"
        answer: Answer | None = None
        stats.requests += 1
        stats.by_prefix["/" + name if route else "other"] += 1
        stats.in_flight += 1
        stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
        try:
            answer = await self._answer(route, request, raw, rest)
            if isinstance(answer, Talk):
                self._talks.add(answer)
            sent = await send(answer, request, self._outcomes)
            status = str(answer.status or "dropped")
        except ConnectionError:
            return self._outcomes.gone
        else:
            return sent
        finally:
            if isinstance(answer, Talk):
                self._talks.discard(answer)
                status = status if answer.status else "dropped"
            stats.in_flight -= 1
            stats.by_status[status] += 1
            if self._log is not None:
                self._log(f"{request.method} {raw} {status} {(time.perf_counter() - started) * 1000:.1f} ms")

    async def _answer(self, route: Route | None, request: web.BaseRequest, raw: str, rest: str) -> Answer:
        if route is None:
            return json_reply({"error": f"no such endpoint: {request.path}; GET / lists them"}, 404)
        if route.kind == "fault":
            return await self._call(route, request, rest)
        if self._bucket is not None and self.faults.rate_limit is not None:
            refused = trouble.limited(self._bucket, self.faults.rate_limit)
            if refused is not None:
                self.stats.faults["limited"] += 1
                return refused
        fault = NO_FAULT
        if self.faults.drawn:
            fault = decide(self.faults, raw, self._visit(raw))
        if "?" in raw:
            try:
                fault = self._asked(fault, request.query)
            except ConfigError as error:
                return json_reply({"error": str(error)}, 400)
        if fault is NO_FAULT:
            return await self._call(route, request, rest)
        return await self._with_fault(fault, route, request, rest)

    def _visit(self, raw: str) -> int:
        visit = self._visits.pop(raw, 0) + 1
        self._visits[raw] = visit
        if len(self._visits) > _MANY_PATHS:
            del self._visits[next(iter(self._visits))]
        return visit

    def _asked(self, fault: Fault, query: Mapping[str, str]) -> Fault:
        name, latency = query.get("fault"), query.get("latency_ms")
        return fault if name is None and latency is None else asked(self.faults, fault, name, latency)

    async def _with_fault(self, fault: Fault, route: Route, request: web.BaseRequest, rest: str) -> Answer:
        if fault.name:
            self.stats.faults[fault.name] += 1
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.status:
            return self._failure(fault)
        if fault.cut == "connect":
            return Script(0, (), end="close")
        answer = await self._call(route, request, rest)
        if fault.cut:
            return cut(answer, fault.cut, request.method)
        return stalled(answer, fault.stall) if fault.stall else answer

    def _failure(self, fault: Fault) -> Reply:
        headers: tuple[tuple[str, str], ...] = ()
        if fault.retry_after == "seconds":
            headers = (("Retry-After", str(self.faults.retry_after)),)
        elif fault.retry_after == "date":
            headers = http_date(self.faults.retry_after, time.time())
        return json_reply({"error": f"{fault.name} on purpose"}, fault.status, headers)

    async def _call(self, route: Route, request: web.BaseRequest, rest: str) -> Answer:
        if route.methods and request.method not in route.methods:
            allow = [("Allow", ", ".join(route.methods))]
            return json_reply({"error": f"{request.method} is not for this endpoint"}, 405, allow)
        try:
            return await route.handler(request, rest)
        except Refusal as refusal:
            return refusal.reply
        except web.HTTPException as error:
            return json_reply({"error": error.reason}, error.status)
        except web.RequestPayloadError as error:
            return json_reply({"error": f"the body cannot be read: {error}"}, 400)

    async def _index(self, _request: web.BaseRequest, _rest: str) -> Reply:
        return json_reply({path: text for route in self._routes.values() for path, text in route.about.items()})

    async def _stats(self, _request: web.BaseRequest, _rest: str) -> Reply:
        return json_reply(self.stats.shown() | {"tokens_issued": self._tokens.issued})

    async def _reset(self, _request: web.BaseRequest, _rest: str) -> Reply:
        self.reset()
        return json_reply({"reset": True})

    def _table(self) -> dict[str, Route]:
        get, any_ = ("GET", "HEAD"), ()
        return {
            "": Route("control", get, self._index, {"/": "this list"}),
            "users": Route("plain", any_, Users(), {
                "/users": "GET lists, ?page=&per_page= or ?offset=&limit=, ?team=; POST creates (Idempotency-Key)",
                "/users/{id}": "GET, PUT, PATCH, DELETE; 1 to 1000 never change, 404 does not exist",
            }),
            "items": Route("plain", get, Listing(total=1_000, per_page=20), {
                "/items/{id}": "one typed row, always the same for an id",
                "/items?page=&per_page=": "numbered pages, with total and a Link header",
                "/items?cursor=": "cursor pages: next_cursor and next are null on the last",
                "/items?offset=&limit=": "a slice, with total; ?total= sets how many rows there are",
            }),
            "orders": Route("plain", get, shop.orders, {"/orders": "a short list, in pages as /items"}),
            "rows": Route("plain", any_, shop.rows, {"/rows": "50 JSON lines; ?pause="}),
            "prices": Route("plain", get, shop.prices, {
                "/prices": "server-sent events, resumed behind Last-Event-ID; ?events= a connection, ?pause=",
            }),
            "chat": Route("plain", ("POST",), vendors.Completions(shop.chat), {
                "/chat/completions": "POST as to a language model; stream: true for server-sent events; ?pause=",
                "/chat": 'POST {"prompt": ...}: server-sent events, word by word, then [DONE]; ?pause=',
            }),
            "export": Route("plain", get, shop.export, {"/export": "100,000 bytes with an ETag; takes Range"}),
            "photos": Route("plain", ("POST",), shop.photos, {"/photos": "POST a form with files"}),
            "login": Route("plain", ("POST",), shop.login, {"/login": "POST the form fields name and password"}),
            "repos": Route("plain", ("GET", "HEAD", "POST"), vendors.Repositories(), {
                "/repos/{owner}/{name}": "a repository with an ETag; /issues lists in pages by Link, POST opens one",
            }),
            "echo": Route("plain", any_, echo, {"/echo": "any method: the request as the server saw it"}),
            "payments": Route("plain", ("GET", "HEAD", "POST"), Ledger(), {
                "/payments": "POST settles once per Idempotency-Key (?delay= answers late); GET lists",
            }),
            "oauth": Route("plain", ("POST",), self._tokens.token, {
                "/oauth/token": f"client_credentials and refresh_token for {CLIENT_ID}:{CLIENT_SECRET}; ?expires_in=",
            }),
            "me": Route("plain", get, self._tokens.me, {"/me": "needs the bearer token"}),
            "ws": Route("plain", ("GET",), Sockets(self._tokens), {
                "/ws": "a WebSocket that echoes; after ?messages=, ?then=close|drop|stall|garbage with ?code= ?reason=",
                "/ws/feed": 'a WebSocket feed, from {"subscribe": "some room", "after": 0} on; ?pause= and as /ws',
                "/ws/private": "the feed, for the bearer token; closes with 4401 when that expires",
            }),
            "graphql": Route("plain", any_, Graph(), {
                "/graphql": "GraphQL by POST and GET; subscriptions by server-sent events and WebSocket; ?pause=",
            }),
            "stream": Route("plain", any_, bodies.stream, {"/stream/{n}": "n JSON lines in chunks; ?pause="}),
            "gzip": Route("plain", any_, bodies.gzipped, {"/gzip": "a compressed row"}),
            "bytes": Route("plain", any_, bodies.large, {"/bytes/{n}": "n bytes"}),
            "charset": Route("plain", any_, bodies.charset, {
                "/charset/{name}": "JSON in that charset; ?as= is another one that it really is in",
            }),
            "status": Route("fault", any_, trouble.status, {
                "/status/{code}": "that status; ?retry_after= ?retry_after_date= (seconds from now) ?retry_after_ms=",
            }),
            "flaky": Route("fault", any_, trouble.Flaky(), {
                "/flaky/{key}?fail=N&status=503": "fails the first N requests of the key, then succeeds",
            }),
            "delay": Route("fault", any_, trouble.delay, {"/delay/{seconds}": "silence, then an answer"}),
            "slow-headers": Route("fault", any_, trouble.slow_headers, {
                "/slow-headers?seconds=": "the headers come a line at a time",
            }),
            "slow-body": Route("fault", any_, trouble.slow_body, {
                "/slow-body?bytes=&chunk=&pause=": "the body comes in chunks after pauses",
            }),
            "drop": Route("fault", any_, trouble.drop, {
                "/drop?at=connect|headers|body|N": "closes the connection there; reset=1 resets it",
            }),
            "bomb": Route("fault", any_, bodies.bomb, {"/bomb?mb=100": "gzip that expands to so many MiB"}),
            "redirect": Route("fault", any_, trouble.redirect, {"/redirect/{n}": "n redirects, then /echo; ?status="}),
            "redirect-to": Route("fault", any_, trouble.redirect_to, {"/redirect-to?url=&status=": "one redirect"}),
            "not-json": Route("fault", any_, bodies.not_json, {"/not-json": "HTML that says it is JSON"}),
            "empty": Route("fault", any_, bodies.empty, {"/empty": "200 without a body"}),
            "nothing": Route("fault", any_, bodies.nothing, {"/nothing": "204"}),
            "limited": Route("fault", any_, trouble.Limits(), {
                "/limited?rate=&per=&burst=&key=": "a token bucket: 429 with Retry-After and X-RateLimit-*",
            }),
            "stats": Route("control", get, self._stats, {"/stats": "what the server has seen"}),
            "reset": Route("control", ("POST",), self._reset, {"/reset": "POST clears counters and state"}),
        }  # fmt: skip
