"""What a route does with a call: a response of a script, the result of a function, or a fault."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError, ConnectError, ProtocolError, RequestTimeout, TLSError
from asyncapi.messages.response import Response
from asyncapi.testing.replies import reply
from asyncapi.testing.reply_parts import body, broken, cut_off, fields_of, number
from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from asyncapi.messages.request import Request
    from asyncapi.testing.mock_calls import MockCall

    Made = Response | MockSocket

_FAULTS: dict[str, Callable[[Request], Exception]] = {
    "refused": lambda request: ConnectError("mock: the connection was refused", request=request),
    "dns": lambda request: ConnectError("mock: the host's name could not be resolved", request=request),
    "tls": lambda request: TLSError("mock: the certificate is not trusted", request=request),
    "connect timeout": lambda request: RequestTimeout("mock: no connection in time", phase="connect", request=request),
    "timeout": lambda request: RequestTimeout("mock: no response in time", phase="headers", request=request),
    "dropped": lambda request: ProtocolError("mock: the connection was closed before a response came", request=request),
    "reset": lambda request: ProtocolError("mock: the connection was reset by the peer", request=request),
}
FAULTS: tuple[str, ...] = (*_FAULTS, "truncated", "stalled")
"""The faults by name, as `Route.fail` describes them."""


@dataclass(slots=True)
class Step:
    """One step of a route's script.

    Attributes:
        make: Makes the response of a call.
        times: How many calls it is for.
        delay: Seconds before the response.
        taken: How many calls it has had.
    """

    make: Callable[[MockCall], Made | Awaitable[Made]]
    times: float = inf
    delay: float = 0.0
    taken: int = 0

    def __post_init__(self) -> None:
        """Check the delay.

        Raises:
            ConfigError: It is none.
        """
        number("delay", self.delay)

    async def respond(self, call: MockCall) -> Made:
        """Make the response of a call, or raise the fault."""
        if self.delay:
            await asyncio.sleep(self.delay)  # virtual under `run`
        made = self.make(call)
        return await made if inspect.isawaitable(made) else made


def scripted(
    first: Any,
    *,
    json: Any,
    content: Any,
    text: str | None,
    sse: Iterable[Any] | None,
    ndjson: Iterable[Any] | None,
    headers: Mapping[str, str] | None,
    trailers: Mapping[str, str] | None,
    retry_after: float | None,
    cut: int | None,
) -> Callable[[MockCall], Made | Awaitable[Made]]:
    """Return what makes the response that the arguments of `Route.reply` describe.

    Raises:
        ConfigError: They don't go together.
    """
    bodies = {"json": json, "content": content, "text": text, "sse": sse, "ndjson": ndjson}
    given = [name for name, value in bodies.items() if value is not None]
    if len(given) > 1:
        raise ConfigError(f"reply({', '.join(f'{name}=' for name in given)}): give one body")
    if type(first) is not int:
        if given or headers or trailers or retry_after is not None or cut is not None:
            raise ConfigError("reply(...) of a response or a function takes no body and no headers of its own")
        return _given(first)
    if not 200 <= first <= 599:  # noqa: PLR2004 - final statuses, RFC 9110 section 15
        raise ConfigError(f"reply({first}): give a status from 200 to 599")
    fields = fields_of(headers)
    if retry_after is not None:
        fields["Retry-After"] = f"{number('retry_after', retry_after):g}"
    kind, pieces = body(content, text, sse, ndjson)
    if kind:
        fields.setdefault("Content-Type", kind)

    def make(_: object = None) -> Response:
        whole = pieces() if callable(pieces) else pieces
        made = reply(first, json=json, content=whole, headers=fields, trailers=trailers)
        return made if cut is None else reply(first, content=cut_off(made, cut), headers=made.headers)

    if not callable(pieces):
        _try(make)
    return make


def _try(make: Callable[[], object]) -> None:
    """Find out where it is written what makes no sense, and not when a call comes.

    Raises:
        ConfigError: That.
    """
    try:
        make()
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"reply(json=...): no JSON can be made of it: {error}") from error


def _given(first: Any) -> Callable[[MockCall], Made | Awaitable[Made]]:
    """Return what hands out a response, or calls a function."""
    if isinstance(first, Response):
        if first.open_body is not None:
            raise ConfigError("reply(Response): its stream serves one request only; give a function that makes it")
        return lambda _: Response(first.status, first.headers, first.content, trailers=first.trailers)
    if isinstance(first, MockSocket):
        raise ConfigError("reply(socket(...)): a socket serves one handshake only; use accept(...), or a function")
    if isinstance(first, BaseException) or (isinstance(first, type) and issubclass(first, BaseException)):
        return failing(first)
    if callable(first) and not isinstance(first, type):
        return lambda call: _called(first, call)
    raise ConfigError(f"reply({first!r:.60}): give a status, a Response or a function; data goes into json=")


async def _called(function: Callable[..., Any], call: MockCall) -> Made:
    """Call a function with the request, and with those parts of the path that it names, or with `call`."""
    named = inspect.signature(function).parameters
    parts: dict[str, Any] = {name: value for name, value in call.path_params.items() if name in named}
    if "call" in named and len(named) > 1:
        parts["call"] = call
    try:
        made = function(*_request_for(function, named, call, parts), **parts)
        if inspect.isawaitable(made):
            made = await made
    except OSError as error:
        raise _translated(error, call.request) from error
    if isinstance(made, Response | MockSocket):
        return made
    if isinstance(made, dict | list) or hasattr(made, "model_dump"):
        return reply(json=made)
    raise ConfigError(
        f"{getattr(function, '__name__', 'the function')}() returned {made!r:.60}: return reply(...), socket(...), or "
        "data for a JSON body"
    )


def _request_for(
    function: Callable[..., Any], named: Mapping[str, inspect.Parameter], call: MockCall, parts: Mapping[str, Any]
) -> tuple[Request, ...]:
    """Return what a function gets by position: the request, unless it takes nothing."""
    free = [each for each in named.values() if each.name not in parts]
    missing = [each.name for each in free[1:] if each.default is each.empty and each.kind in _SINGLE]
    if missing:
        known = ", ".join([*call.path_params, "call"])
        name = getattr(function, "__name__", "the function")
        raise ConfigError(f"{name}() wants {', '.join(missing)}: a function gets the request, and may name {known}")
    return (call.request,) if free else ()


_SINGLE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def failing(what: Any) -> Callable[[MockCall], Made | Awaitable[Made]]:
    """Return what raises a fault: one of `FAULTS`, an exception, or its class.

    Raises:
        ConfigError: There is no such fault.
    """
    if isinstance(what, str):
        what = " ".join(what.lower().replace("-", " ").replace("_", " ").split())
        if what == "stalled":
            return _stalled
        if what == "truncated":
            return lambda _: reply(content=broken(b'{"', "2"), headers={"Content-Type": "application/json"})
        if what not in _FAULTS:
            raise ConfigError(f"fail({what!r}): the faults are {', '.join(map(repr, FAULTS))}; or give an exception")
        return lambda call: _raise(_FAULTS[what](call.request))
    if isinstance(what, type) and issubclass(what, BaseException):
        return lambda call: _raise(_translated(what(), call.request))
    if isinstance(what, BaseException):
        return lambda call: _raise(_translated(what, call.request))
    if type(what) is int:
        raise ConfigError(
            f"fail({what}): a status goes into reply({what}); fail() is for what fails without a response"
        )
    raise ConfigError(f"fail({what!r:.60}): give the name of a fault, or an exception")


def _raise(error: BaseException) -> Made:
    raise error


def _translated(error: BaseException, request: Request) -> BaseException:
    """Return what a transport makes of a system's error; any other is raised as it is."""
    text = f"mock: {error}" if str(error) else f"mock: {type(error).__name__}"
    if type(error) is TimeoutError:
        return RequestTimeout(text, phase="headers", request=request)
    if isinstance(error, ConnectionRefusedError):
        return ConnectError(text, request=request)
    if isinstance(error, OSError) and type(error).__module__ == "builtins":
        return ProtocolError(text, request=request)
    return error


async def _stalled(_: MockCall) -> Made:
    """Respond never: the limit of the attempt, or the deadline, ends it."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError
