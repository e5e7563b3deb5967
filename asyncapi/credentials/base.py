"""Define what a credential is: it gives every attempt a `Signature`, and looks at every response.

Rules:
1. A credential is asked again for each attempt, after every wait of ours: the signature is fresh.
2. A `Signature` is data. It is written onto a copy of the request just above the transport, and erased from the
   response, so that no record, hook, error or layer ever holds it.
3. What a credential may use of its client (the bare transport, the clock, tasks that end with the client) is the
   `AuthContext` that is passed to each of its methods: one credential may serve several clients.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from json import dumps
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from multidict import CIMultiDict, CIMultiDictProxy

from asyncapi.credentials.renamed import alias, warn
from asyncapi.errors import AuthError
from asyncapi.messages.target import Target
from asyncapi.redact import MASK
from asyncapi.sansio.auth.rejections import route_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Iterator, Sequence

    from asyncapi.clock import Clock
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sharing.fleet import Fleet
    from asyncapi.types import Send

Pairs = tuple[tuple[str, str], ...]

_ECHOES = ("Location", "Content-Location", "Link", "Refresh")  # headers in which a server repeats a URL
_QUERY = re.compile(r"\?([^#>\s\"]*)")
_IN_QUERY = "-._~!$'()*,/:;?@"  # characters that URLs leave unquoted in a query
_GRACE = 5.0  # seconds that closing waits for what should not be cancelled
_SHORTEST_SECRET = 6  # characters: anything shorter may occur in a text by chance


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Signature:
    """What a credential adds to one attempt.

    Attributes:
        headers: Set on the request.
        params: Added to the query.
        cookies: Added to the `Cookie` header.
        secrets: The parts of it that nothing may show.
        source: What the credential made it from: which key, which token.
        pooled: Whether it is one of several keys. The limits that a response states are then the key's, not the host's.
        sign: Signs the copy that carries all this, for a credential that depends on what is sent: called just above the
            transport with the copy and the time (seconds since the Unix epoch), and returns another copy.
    """

    headers: Pairs = ()
    params: Pairs = ()
    cookies: Pairs = ()
    secrets: tuple[str, ...] = ()
    source: Any = None
    pooled: bool = False
    sign: Callable[[Request, float], Request] | None = None

    def __init__(  # noqa: PLR0917 - the fields in their order
        self,
        headers: Pairs = (),
        params: Pairs = (),
        cookies: Pairs = (),
        secrets: tuple[str, ...] = (),
        source: Any = None,
        pooled: bool = False,
        sign: Callable[[Request, float], Request] | None = None,
        *,
        by: Any = None,
        of_many: bool = False,
    ) -> None:
        if by is not None or of_many:
            warn("Signature(by=, of_many=) are now source= and pooled=")
            source, pooled = by if source is None else source, pooled or of_many
        put = object.__setattr__
        put(self, "headers", headers)
        put(self, "params", params)
        put(self, "cookies", cookies)
        put(self, "secrets", secrets)
        put(self, "source", source)
        put(self, "pooled", pooled)
        put(self, "sign", sign)

    by: ClassVar[property] = alias("by", "source")
    of_many: ClassVar[property] = alias("of_many", "pooled")

    def __repr__(self) -> str:
        names = [name for name, _ in (*self.headers, *self.params, *self.cookies)]
        return f"<Signature {', '.join(names) or '(none)'}>"

    def conflicts(self, request: Request) -> bool:
        """Whether the request has a credential of its own in the same place."""
        return (
            any(name in request.headers for name, _ in self.headers)
            or any(name in request.url.query for name, _ in self.params)
            or any(name in _cookies(request) for name, _ in self.cookies)
        )

    def write(self, request: Request, now: float) -> Request:
        """Return a signed copy of the request; `now` in seconds since the Unix epoch."""
        target, headers = request.target, CIMultiDict(request.headers)
        for name, value in self.headers:
            headers[name] = value
            if name == "Authorization" and target.has_user:
                target = Target.of(target.url.with_user(None))  # transports write user-info into the same header
        if self.cookies:
            own = [headers["Cookie"]] if "Cookie" in headers else []
            headers["Cookie"] = "; ".join([*own, *(f"{name}={value}" for name, value in self.cookies)])
        if self.params:
            target = target.with_pairs(self.params)
        signed = request.copy(target=target, headers=headers)
        return signed if self.sign is None else self.sign(signed, now)

    def erase(self, response: Response, request: Request) -> None:
        """Remove it from a response: from its request, from URLs it repeats, and from the text of an error."""
        response.request = request  # rule 2
        # The URL of the response is the one that was sent: with our parameters, or as `sign` has written it.
        if self.params or self.sign is not None:
            response.target = request.target
        if self.params and any(name in response.headers for name in _ECHOES):
            response.headers = self._without_echoes(response.headers)
        if response.status >= 400:  # noqa: PLR2004 - whose body is shown in errors
            response.content = self.mask(response.content)

    def mask(self, content: bytes) -> bytes:
        """Mask its secrets in text that may repeat them."""
        return mask(content, self.secrets)

    def _without_echoes(self, headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
        echoes = {name.lower() for name in _ECHOES}
        return CIMultiDictProxy(
            CIMultiDict(
                (name, _QUERY.sub(self._without_ours, value) if name.lower() in echoes else value)
                for name, value in headers.items()
            )
        )

    def _without_ours(self, query: re.Match[str]) -> str:
        others = "&".join(pair for pair in query[1].split("&") if not self._is_ours(pair))
        return f"?{others}" if others else ""

    def _is_ours(self, pair: str) -> bool:
        name, _, value = pair.partition("=")
        return any(ours == (decode(name), decode(value)) for ours in self.params for decode in (unquote, unquote_plus))


def _cookies(request: Request) -> set[str]:
    """Return the names in the request's Cookie header."""
    return {pair.partition("=")[0].strip() for pair in request.headers.get("Cookie", "").split(";")}


def mask(content: bytes, secrets: Iterable[str]) -> bytes:
    """Mask secrets in content: as they are, and as URLs, forms, JSON and HTML write them."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            forms = {quoted(secret, safe=safe) for quoted in (quote, quote_plus) for safe in ("", "/", _IN_QUERY)}
            forms |= {secret, dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1], escape(secret)}
            for form in sorted(forms, key=len, reverse=True):  # a form may be part of a longer one
                content = content.replace(form.encode(), MASK.encode())
    return content


def carried(signature: Signature) -> Any:
    """Return the source of a signature: for one of a pool, the source of the key's own signature."""
    found = signature.source
    while isinstance(inner := getattr(found, "inner", None), Signature):
        found = inner.source
    return found


def route(response: Response) -> Hashable:
    """Return the route of a response's request, as `sansio/auth/rejections.py` tells routes apart."""
    request = response.request
    if request is None:
        return None
    return route_of(request.method, request.target.host, request.route or request.target.path.partition("?")[0])


NOTHING = Signature()
"""The signature of an attempt that needs no credential (yet)."""


class AuthContext:
    """What a credential may use of the client that calls it (rule 3).

    Args:
        send: Sends one attempt: the bare transport, without a layer above it.
        clock: The client's clock.
        fleet: What the client shares with other processes, or None.
    """

    __slots__ = ("_at_close", "_closed", "_finishing", "_tasks", "clock", "fleet", "send")

    def __init__(self, send: Send, clock: Clock, fleet: Fleet | None = None) -> None:
        self.fleet: Fleet | None = fleet
        self.send: Send = send
        self.clock: Clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()
        self._finishing: set[asyncio.Task[Any]] = set()
        self._at_close: dict[Callable[[], Awaitable[object]], None] = {}
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the client is closed or closing: no task may be started."""
        return self._closed

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that ends with the client at the latest.

        Raises:
            AuthError: The client is closed.
        """
        if self._closed:
            work.close()
            raise AuthError("this client is closed")
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @contextmanager
    def finishing(self) -> Iterator[None]:
        """Have closing wait a few seconds for this block: the server may have done its part already."""
        task = asyncio.current_task()
        if task is not None:
            self._finishing.add(task)
        try:
            yield
        finally:
            if task is not None:
                self._finishing.discard(task)

    def at_close(self, last: Callable[[], Awaitable[object]]) -> None:
        """Register a function to be called once when the client closes. It has to bound its own time."""
        self._at_close[last] = None

    async def aclose(self) -> None:
        """Wait a few seconds for the blocks in `finishing`, then cancel all tasks and wait until they have ended."""
        self._closed = True
        try:
            if self._finishing:
                await asyncio.wait(list(self._finishing), timeout=_GRACE)
            # Before the tasks are cancelled: what runs last may save what they have fetched.
            while self._at_close:
                last, _ = self._at_close.popitem()
                await last()
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel("the client was closed")
            if tasks:
                await asyncio.wait(tasks)


class Credential(Protocol):
    """What `auth=` takes: one attribute and four methods, for credentials of your own too.

    It may also have a `principal`: None if it always acts for the same user, or an async method that returns a text
    that identifies the user it acts for now. Without it, responses are neither cached nor shared. One that always acts
    for the same user may have an `account`, a text that tells this user from those of other credentials: clients with a
    store in common share what is stored for equal accounts. Without it, each client keeps its own.

    Attributes:
        max_resends: How often, at most, one call is sent again at once because this credential was refused.
    """

    max_resends: int

    def cached_signature(self, request: Request, context: AuthContext) -> Signature | None:
        """Return the signature for this attempt, or None if it has to be waited for.

        Raises:
            AuthError: There is no signature, and waiting would not help.
        """
        ...

    async def fetch_signature(self, request: Request, context: AuthContext) -> Signature:
        """Wait for the signature for this attempt: called after `cached_signature` has returned None.

        Raises:
            AuthError: There is no signature to be had.
        """
        ...

    def on_response(
        self, signature: Signature, response: Response, refused: Sequence[Signature], context: AuthContext
    ) -> str:
        """Look at a response, and say whether the call should be sent again at once.

        Args:
            signature: The attempt's signature.
            response: The attempt's response, whatever its status.
            refused: The signatures of this call's earlier attempts that were refused, and sent again for that.
            context: What may be used of the client.

        Returns:
            Why the call should be sent again at once ("401, a new token"), or "".
        """
        ...

    def describe(self) -> str:
        """Describe the credential in one line for `explain()`, without a secret."""
        ...
