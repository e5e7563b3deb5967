"""Let something else carry the attempts of the transports that have a name, while it is registered.

The tests of programs use it: the programs make their clients themselves, or have made them long before. A transport
that a client was given as an object is its user's choice, and is left alone.

Rules:
1. The interceptor that was registered last decides. It may leave a request to the network.
2. It holds for the whole process, and for all its threads: a blocking client has its event loop in a thread of its own.
3. What a transport adds to a request (cookies, the user-info of the URL) is added, and cookies that a response sets are
   kept, as over the network.
4. `Call.before_write` is called before the interceptor is: a bulk job's journal notes what was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from asyncapi.transports import outgoing

if TYPE_CHECKING:
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response


class Interceptor(Protocol):
    """What carries attempts instead of the network."""

    def takes(self, request: Request) -> bool:
        """Whether it carries this attempt; else the network does."""
        ...

    async def send(self, request: Request) -> Response:
        """Carry one attempt, as a transport's `send` does."""
        ...


active: list[Interceptor] = []
"""Those that are registered, the last one last. The transports ask whether there is any before each attempt."""


def register(interceptor: Interceptor) -> None:
    """Have an interceptor carry all attempts from now on."""
    active.append(interceptor)


def unregister(interceptor: Interceptor) -> None:
    """Take an interceptor out again, wherever it stands; one that isn't registered is ignored."""
    active[:] = [each for each in active if each is not interceptor]


async def carry(request: Request, jar: outgoing.Cookies | None) -> Response | None:
    """Have the interceptor carry an attempt; None where it leaves it to the network.

    Args:
        request: The attempt.
        jar: The cookies of the transport, where it keeps any.
    """
    interceptor = active[-1]
    url, headers = request.url, request.headers
    if outgoing.is_special(url):  # rule 3
        url, headers = outgoing.addressed(url, headers)
    if jar is not None:
        headers = jar.onto(headers, url)
    sent = request if headers is request.headers else request.copy(url=url, headers=headers)
    if not interceptor.takes(sent):
        return None
    if request.call.before_write is not None:  # rule 4
        request.call.before_write()
    response = await interceptor.send(sent)
    if jar is not None:
        jar.keep(response.headers, url)
    response.request, response.target = request, request.target
    return response
