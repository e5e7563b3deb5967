"""One route of a mock over HTTP or a WebSocket: what it takes, responds with, and was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

from asyncapi.errors import ConfigError
from asyncapi.testing import matching
from asyncapi.testing.script import LISTED, Script, counted, first_step
from asyncapi.testing.steps import Step, failing, scripted
from asyncapi.transports.mock_socket import MockSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall
    from asyncapi.testing.mocked_options import RouteOptions
    from asyncapi.transports.mock_socket import Peer


class Route(Script):
    """One route of `api_mock`.

    Attributes:
        name: What messages call it.
        conditions: What it asks of a request.
        place: Where it was declared: file and line.
        required: Whether the test fails where it is never called.
        handshake: Whether it is for WebSockets, and for them alone.
        calls: The attempts that it has had, retries included.
    """

    def reply(
        self,
        status: Any = 200,
        *,
        json: Any = None,
        content: bytes | list[bytes] | Callable[[], AsyncIterable[bytes]] | None = None,
        text: str | None = None,
        sse: Iterable[Any] | None = None,
        ndjson: Iterable[Any] | None = None,
        headers: Mapping[str, str] | None = None,
        trailers: Mapping[str, str] | None = None,
        retry_after: float | None = None,
        cut: int | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Reply to calls; after `then`, to those that come after the steps before.

        Args:
            status: The HTTP status; or in its place a whole `reply(...)`; or a function of the request, sync or async,
                which may name parts of the path as further parameters, and returns `reply(...)` or data for JSON.
            json: Plain data or pydantic models: the body, as JSON.
            content: The body as bytes; a list of its pieces, which are streamed; or a function that returns a new async
                iterator of them for each call.
            text: The body as text.
            sse: Server-sent events: texts, data for JSON, or dicts of `data` and other fields (`id`, `event`, `retry`).
            ndjson: Data, one JSON document a line.
            headers: Headers of the response.
            trailers: Trailer fields.
            retry_after: Seconds for a Retry-After header.
            cut: The number of bytes of the body after which the connection breaks.
            delay: Seconds before the response; the time limits of the client hold. Virtual in virtual time.
            times: For how many calls.

        Raises:
            ConfigError: The arguments don't go together.
        """
        make = scripted(
            status, json=json, content=content, text=text, sse=sse, ndjson=ndjson, headers=headers, trailers=trailers,
            retry_after=retry_after, cut=cut,
        )  # fmt: skip
        return self.add(Step(make, delay=delay), times)

    def fail(self, fault: Any, *, delay: float = 0.0, times: int | None = None) -> Self:
        """Have attempts fail, as real ones do: the client retries them, or not, as it would.

        Args:
            fault: "refused" (no connection), "dns" (no such host), "tls" (the certificate is not trusted), "connect
                timeout" and "timeout" (the limit has passed: at once), "dropped" and "reset" (the connection closes, or
                is reset, before a response), "truncated" (it closes in the body), or "stalled" (nothing comes until a
                limit of the client passes: for virtual time); or an exception, or its class.
            delay: Seconds before it.
            times: For how many calls.

        Raises:
            ConfigError: There is no such fault.
        """
        return self.add(Step(failing(fault), delay=delay), times)

    def accept(
        self,
        messages: Iterable[Any] | AsyncIterable[Any] | Callable[[Peer], object] = (),
        *,
        close: int | None = 1000,
        reason: str = "",
        pongs: bool = True,
        subprotocol: str | None = None,
        headers: Mapping[str, str] | None = None,
        delay: float = 0.0,
        times: int | None = None,
    ) -> Self:
        """Accept WebSockets; the arguments are those of `asyncapi.testing.socket`, anew for each handshake.

        Args:
            messages: What the server sends; or a function of a `Peer` that plays the server.
            close: The code that it closes with; 1006 drops the connection, None leaves it open.
            reason: The reason of the close.
            pongs: Whether it responds to PING and CLOSE.
            subprotocol: What it picks.
            headers: More headers of its response.
            delay: Seconds before the response.
            times: For how many handshakes.

        Raises:
            ConfigError: The route isn't one for WebSockets, or an argument makes no sense.
        """
        if not self.handshake:
            raise ConfigError(f"{self.name} is no route for WebSockets: declare api_mock.websocket(...)")
        if hasattr(messages, "__next__"):
            messages = list(messages)  # type: ignore[arg-type]  # an iterator serves one handshake only

        def make(_: MockCall) -> MockSocket:
            return MockSocket(
                messages, close=close, reason=reason, pongs=pongs, subprotocol=subprotocol, headers=headers
            )

        make(None)  # type: ignore[arg-type]  # to find out now what makes no sense
        return self.add(Step(make, delay=delay), times)

    def default(self) -> Step:
        """Return what it does without a script: an empty 200, or a socket that closes."""
        made = Route("", [], "", required=False, handshake=self.handshake)
        return first_step(made.accept() if self.handshake else made.reply())

    def assert_called_once_with(self, **asked: Unpack[RouteOptions]) -> None:
        """Check that there was exactly one call, and what was sent; the options are those of `api_mock.route`."""
        __tracebackhide__ = True
        self.assert_called_once()
        self.assert_called_with(**asked)

    def assert_called_with(self, **asked: Unpack[RouteOptions]) -> None:
        """Check what the newest call sent; the options are those of `api_mock.route`."""
        __tracebackhide__ = True
        self.assert_called()
        wrong = _wrong(self.calls.last, conditions_of(asked))
        if wrong:
            raise AssertionError(f"the last call of {self.name}: {'; '.join(wrong)}")

    def assert_any_call(self, **asked: Unpack[RouteOptions]) -> None:
        """Check that one of its calls sent this; the options are those of `api_mock.route`."""
        __tracebackhide__ = True
        self.assert_called()
        conditions = conditions_of(asked)
        each = [_wrong(call, conditions) for call in self.calls]
        if all(each):
            listed = "".join(f"\n  call {number}: {'; '.join(wrong)}" for number, wrong in enumerate(each[:LISTED], 1))
            raise AssertionError(f"none of the {counted(len(each))} of {self.name} is like that:{listed}")


def _wrong(call: MockCall, conditions: list[Condition]) -> list[str]:
    return [text for each in conditions if (text := each.difference(call))]


def conditions_of(asked: RouteOptions) -> list[Condition]:
    """Return the conditions that the options of a route ask for.

    Raises:
        TypeError: There is no such option.
        ConfigError: One makes no sense.
    """
    unknown = sorted(set(asked) - _KNOWN)
    if unknown:
        hint = _OF_RESPONSES if unknown[0] in _FOR_REPLY else f"the options are {', '.join(sorted(_KNOWN))}"
        raise TypeError(f"a route has no option {unknown[0]!r}: {hint}")
    found: list[Condition] = []
    if "host" in asked:
        found.append(matching.host_is(asked["host"]))
    found += matching.fields_are("query", asked.get("params") or {}, lambda call: call.params)
    found += matching.fields_are("headers", asked.get("headers") or {}, lambda call: call.headers)
    if "json" in asked:
        found.append(matching.json_is(asked["json"]))
    found += matching.fields_are("body", asked.get("data") or {}, lambda call: call.form, "form field")
    found += matching.fields_are("body", asked.get("files") or {}, _contents, "file")
    if "content" in asked:
        found.append(matching.content_is(asked["content"]))
    if "match" in asked:
        found.append(matching.predicate(asked["match"]))
    return found


_FOR_REPLY = frozenset({
    "status", "status_code", "text", "body", "payload", "content_type", "delay", "sse", "ndjson", "retry_after",
    "cut", "trailers", "times", "repeat", "reply", "respond", "return_value", "side_effect", "callback", "exception",
    "timeout",
})  # fmt: skip
_OF_RESPONSES = "what it responds with goes into .reply(...), as in api_mock.get('/users').reply(503)"
_KNOWN = frozenset({"host", "params", "headers", "json", "data", "files", "content", "match"})


def _contents(call: MockCall) -> Any:
    from multidict import MultiDict  # noqa: PLC0415 - rarely needed

    return MultiDict((name, file.content) for name, file in call.files.items())
