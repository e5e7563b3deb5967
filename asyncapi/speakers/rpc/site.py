"""What all calls of one method share: how their requests are built, and their messages written and read."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

from asyncapi.errors import ConfigError
from asyncapi.sansio.rpc import metadata
from asyncapi.sansio.rpc.codings import coding_of
from asyncapi.settings import Timeout
from asyncapi.speakers.rpc import options as rpc_options
from asyncapi.speakers.rpc.peek import Peek
from asyncapi.types import UNSET
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.request import Body, Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.protocol import Method, RPCProtocol
    from asyncapi.speakers.line import Line


class Site:
    """One method of a channel.

    Args:
        line: The client.
        protocol: What is spoken.
        method: The method.
        serialize: Makes bytes of a request message; None where it is bytes.
        deserialize: Makes a response message of bytes; None for the bytes.
        compression: How messages are compressed that are sent.

    Attributes:
        line: As above.
        protocol: As above.
        method: As above.
        deserialize: As above.
    """

    __slots__ = (
        "_agent", "_body", "_compression", "_dressed", "_like", "_serialize", "deserialize", "line", "method",
        "protocol",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - made once a method
        self,
        line: Line,
        protocol: RPCProtocol,
        method: Method,
        serialize: Callable[[Any], bytes] | None,
        deserialize: Callable[[bytes], Any] | None,
        compression: str | None,
    ) -> None:
        self.line: Line = line
        self.protocol: RPCProtocol = protocol
        self.method: Method = method
        self.deserialize: Callable[[bytes], Any] | None = deserialize
        self._serialize = serialize
        self._compression = compression
        self._body: Callable[[bytes, str | None], bytes] | None = getattr(protocol, "body", None)
        self._like: dict[Any, Request] = {}
        self._dressed: tuple[CIMultiDict[str], float | None, CIMultiDict[str]] | None = None
        self._agent = protocol.needs_http2 and not line.settings.builder.names_itself

    def serialized(self, message: Any) -> bytes:
        """Make the bytes of a request message.

        Raises:
            ConfigError: It is not a message of this method.
        """
        if self._serialize is None:
            data = message
        else:
            try:
                data = self._serialize(message)
            except Exception as error:
                raise ConfigError(
                    f"{self.method.path}: a {type(message).__name__} can't be serialized: {error}"
                ) from error
        if not isinstance(data, bytes):
            raise ConfigError(f"{self.method.path}: the request is {type(data).__name__}, not bytes: give a serializer")
        return data

    def coding(self, options: dict[str, Any]) -> str | None:
        """The compression of a call's messages."""
        given = options.get("compression", UNSET)
        return self._compression if given is UNSET else coding_of(given)

    def request(self, message: bytes | None, body: Body | None, options: dict[str, Any]) -> Request:
        """Build the request of a call, and say how its attempts and responses are dealt with.

        Args:
            message: The serialized message of a call that takes one.
            body: The messages of a call that takes a stream.
            options: The call's own.

        Raises:
            ConfigError: It can't be sent as it is.
            TypeError: There is no such option.
        """
        known = None
        if message is not None and self._body is not None:
            known = _name(options)
            like = None if known is None else self._like.get(known)
            if like is not None:
                return self._again(like, message, options)
        if options:
            rpc_options.check(options)
        method = self.method
        given = options.get("metadata")
        get = options.get("get")
        if get is not None:
            method = replace(method, safe=bool(get), idempotent=True if get else method.idempotent)
        opening = self.protocol.open(
            method, message, metadata.written(given) if given is not None else [], self.coding(options)
        )
        more = {name: value for name, value in options.items() if name not in _OURS}
        if not method.unary and "timeout" not in more:
            more["timeout"] = of_stream(self.line.settings.timeout)
        more.setdefault("route", method.path)
        if more.get("idempotent") is None:
            more["idempotent"] = method.idempotent
        if self._agent:  # gRPC over HTTP/2, "User Agents"
            opening.headers.append(("user-agent", _AGENT))
        content: bytes | Body | None = opening.content if body is None else body
        request = self.line.settings.builder.build(
            opening.method, opening.url, headers=opening.headers, content=content, **more
        )
        self._follow(request, method)
        if known is not None:
            if len(self._like) >= _MOST_LIKE_IT:
                self._like.clear()
            like = request.with_headers(CIMultiDict(request.headers))
            like.headers.pop("Content-Length", None)  # the transport says it
            self._like[known] = like
        return request

    def _again(self, like: Request, message: bytes, options: dict[str, Any]) -> Request:
        """Build a request whose head was made before."""
        assert self._body is not None  # noqa: S101 - the caller looks
        request = self.line.settings.builder.again(like, self._body(message, self.coding(options)))
        self._follow(request, self.method)
        return request

    def _follow(self, request: Request, method: Method) -> None:
        attempts = Attempts(self)
        request.call.dress, request.call.reading = attempts.dress, attempts.reading
        if method.streams_out:
            request.call.peek = Peek(self.protocol, method)

    def dressed(self, headers: CIMultiDict[str], left: float | None, attempts: int) -> CIMultiDict[str]:
        """Return the headers of an attempt; alike attempts share one object, which the transport knows again."""
        usual = left is not None and not attempts
        if usual and self._dressed is not None and self._dressed[0] is headers and self._dressed[1] == left:
            return self._dressed[2]
        made = CIMultiDict(headers)
        self.protocol.dress(made, left, attempts)
        if usual:
            self._dressed = headers, left, made
        return made

    def read(self, message: bytes) -> Any:
        """Make a response message of its bytes."""
        return message if self.deserialize is None else self.deserialize(message)


_MOST_LIKE_IT = 64  # heads that are remembered, by the options of their calls
_NAMED = frozenset({"compression", "idempotent", "priority", "retry", "route", "tenant", "timeout", "wait"})
_AGENT = f"grpc-python-asyncapi/{VERSION}"
_OURS = frozenset({"get", "metadata", "compression", "credentials", "wait_for_ready"})


def _name(options: dict[str, Any]) -> Any:
    """What calls have in common whose heads are alike; None where a head is of one call alone."""
    if not options:
        return ()
    if not _NAMED.issuperset(options):
        return None
    name = tuple((key, type(value), value) for key, value in sorted(options.items()))
    try:
        hash(name)
    except TypeError:
        return None
    return name


def of_stream(usual: Timeout) -> Timeout:
    """The limits of a call that streams, from the client's: what bounds a single response doesn't bound it."""
    return Timeout(None, connect=usual.connect, attempt=None, read=usual.read)


class Attempts:
    """Says of each attempt of one call how much time is left, and what its response means.

    Args:
        site: What is called.
    """

    __slots__ = ("_clock", "_late", "_site")

    def __init__(self, site: Site) -> None:
        self._site = site
        self._clock = site.line.clock
        self._late = inf  # when the limit of the attempt under way has passed, where that is before the call's

    def dress(self, request: Request) -> Request:
        """As of `Call.dress`."""
        limit, due, now = request.call.settings.attempt, request.deadline, self._clock.now()
        left = None if due is None else due - now
        self._late = inf
        if limit is not None and (left is None or limit < left):
            left, self._late = limit, now + 0.9 * limit
        elif left is not None and left >= 1.0:
            left = int(left * 1000) / 1000  # as it is written: attempts of one millisecond are alike
        return request.with_headers(self._site.dressed(request.headers, left, len(request.call.attempts) - 1))

    def reading(self, response: Response) -> Meaning | None:
        """As of `Call.reading`."""
        return self._site.protocol.meaning(response, late=self._late < inf and self._clock.now() >= self._late)
