"""Let something else carry the attempts of the transports that have a name, while it is registered.

The tests of programs use it: the programs make their clients themselves, or have made them long before. A transport
that a client was given as an object is its user's choice, and is left alone.

Rules:
1. The interceptor that was registered last decides. It may leave a request to the one before it, and all may leave it
   to the network.
2. It holds for the whole process, and for all its threads: a blocking client has its event loop in a thread of its own.
3. What a transport adds to a request (cookies, the user-info of the URL) is added, and cookies that a response sets are
   kept, as over the network.
4. An interceptor that responds by itself calls `Call.before_write` first: a bulk job's journal notes what was sent.
5. A recording interceptor sends the attempt on: `network` leads to the interceptor before it, or to the network.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from asyncapi.transports import outgoing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from asyncapi.messages.request import Body, Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Transport

    Network = Callable[[Body | None], Awaitable[Response]]


class Interceptor(Protocol):
    """What carries attempts instead of the network."""

    def takes(self, request: Request) -> bool:
        """Whether it carries this attempt; else the network does."""
        ...

    async def send(self, request: Request, network: Network) -> Response:
        """Carry one attempt, as a transport's `send` does.

        Args:
            request: The attempt, as it would be sent.
            network: Sends it on (rule 5), with another body in the place of its own where one is given.
        """
        ...


active: list[Interceptor] = []
"""Those that are registered, the last one last. The transports ask whether there is any before each attempt."""


def register(interceptor: Interceptor) -> None:
    """Have an interceptor carry all attempts from now on."""
    active.append(interceptor)


def unregister(interceptor: Interceptor) -> None:
    """Take an interceptor out again, wherever it stands; one that isn't registered is ignored."""
    active[:] = [each for each in active if each is not interceptor]


_below: ContextVar[Sequence[Interceptor] | None] = ContextVar("asyncapi_interceptors_below", default=None)


async def carry(request: Request, transport: Transport, jar: outgoing.Cookies | None) -> Response | None:
    """Have an interceptor carry an attempt; None where all leave it to the network.

    Args:
        request: The attempt.
        transport: The one that was asked to send it.
        jar: The cookies of the transport, where it keeps any.
    """
    url, headers = request.url, request.headers
    if outgoing.is_special(url):  # rule 3
        url, headers = outgoing.addressed(url, headers)
    if jar is not None:
        headers = jar.onto(headers, url)
    sent = request if headers is request.headers else request.copy(url=url, headers=headers)
    left = _below.get()
    stack = list(active if left is None else left)
    while stack and not stack[-1].takes(sent):
        stack.pop()
    if not stack:
        return None
    interceptor = stack.pop()

    async def network(body: Body | None = None) -> Response:
        token = _below.set(stack)
        try:
            return await transport.send(request if body is None else request.copy(content=body))
        finally:
            _below.reset(token)

    response = await interceptor.send(sent, network)
    if jar is not None:
        jar.keep(response.headers, url)
    if response.request is not request:
        response.request, response.target = request, request.target
    return response
