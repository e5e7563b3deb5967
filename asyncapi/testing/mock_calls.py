"""What a mock has received: each attempt as it would have gone over the wire, and questions that tests ask of them."""

from __future__ import annotations

import json
from email import policy
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any, NamedTuple, overload
from urllib.parse import parse_qsl

from multidict import CIMultiDict, MultiDict

from asyncapi.redact import redact_url
from asyncapi.testing.graphql_calls import operations_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.testing.script import Script
    from asyncapi.transports.mock_socket import MockSocket


class SentFile(NamedTuple):
    """A part of a multipart body."""

    filename: str | None
    content: bytes
    content_type: str


class MockCall:
    """One attempt that a mock has received, and what it replied.

    Attributes:
        request: The request as it was sent: absolute URL, all headers, the credential included.
        content: The body, encoded.
        path_params: What the route's `{names}` stood for, decoded.
        response: What was replied, or None where it failed.
        error: What it failed with, or None.
        route: The route that has taken it, or None.
        socket: The WebSocket that was accepted, or None: its `sent` has the client's messages.
        messages: The messages of a gRPC call, serialized, as far as they have come.
        on_assertion: Called with an AssertionError that comes after the response has begun.
    """

    def __init__(self, request: Request, content: bytes = b"") -> None:
        self.request: Request = request
        self.content: bytes = content
        self.path_params: dict[str, str] = {}
        self.response: Response | None = None
        self.error: BaseException | None = None
        self.route: Script | None = None
        self.socket: MockSocket | None = None
        self.messages: list[bytes] = []
        self.on_assertion: Callable[[AssertionError], object] | None = None

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    @property
    def url(self) -> URL:
        """The URL that it was sent to."""
        return self.request.url

    @property
    def params(self) -> MultiDict[str]:
        """The query parameters of the URL, decoded."""
        return MultiDict(self.request.url.query)

    @property
    def headers(self) -> CIMultiDict[str]:
        """The headers."""
        return self.request.headers

    @property
    def is_handshake(self) -> bool:
        """Whether it asks for a WebSocket."""
        return self.request.call.upgrade is not None

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.content)

    def parse(self, model: TypeForm[Any]) -> Any:
        """Return the body as any pydantic type.

        Raises:
            pydantic.ValidationError: It doesn't match the model.
        """
        from pydantic import TypeAdapter  # noqa: PLC0415 - it takes long

        return TypeAdapter(model).validate_json(self.content)

    def message(self, kind: type[Any]) -> Any:
        """Return the only message of a gRPC call, or the first, as the class of a protobuf message."""
        return kind.FromString(self.messages[0])

    @property
    def form(self) -> MultiDict[str]:
        """The fields of a form: `data=`, with or without `files=`."""
        if self._is("multipart/"):
            parts = ((name, part.content.decode()) for name, part in self._parts() if part.filename is None)
            return MultiDict(parts)
        return MultiDict(parse_qsl(self.text, keep_blank_values=True))

    @property
    def files(self) -> MultiDict[SentFile]:
        """The files of a multipart body, by the names of their fields."""
        return MultiDict((name, part) for name, part in self._parts() if part.filename is not None)

    @property
    def operations(self) -> list[tuple[str, str, Any]]:
        """The GraphQL operations: name, document and variables of each; empty where it is no GraphQL."""
        operations = self.form.get("operations") if self._is("multipart/") else None
        return operations_of(self.content if operations is None else operations.encode(), self.params)

    def _is(self, kind: str) -> bool:
        return self.headers.get("Content-Type", "").lower().startswith(kind)

    def _parts(self) -> Iterator[tuple[str, SentFile]]:
        if not self._is("multipart/"):
            return
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        for part in BytesParser(policy=policy.HTTP).parsebytes(head + self.content).iter_parts():
            content: Any = part.get_payload(decode=True) or b""
            yield (
                str(part.get_param("name", "", "content-disposition")),
                SentFile(part.get_filename(), content, part.get_content_type()),
            )

    @property
    def line(self) -> str:
        """What messages call it: its method and URL, secrets masked."""
        return f"{'WebSocket' if self.is_handshake else self.method} {redact_url(self.request.target)}"

    def __repr__(self) -> str:
        return f"<MockCall {self.line}>"


class Calls:
    """The attempts that were received, oldest first: a sequence that grows while the test runs."""

    def __init__(self) -> None:
        self._made: list[MockCall] = []

    def add(self, call: MockCall) -> None:
        """Add an attempt."""
        self._made.append(call)

    @property
    def last(self) -> MockCall:
        """The newest.

        Raises:
            AssertionError: There was none.
        """
        return self._some()[-1]

    @property
    def first(self) -> MockCall:
        """The oldest.

        Raises:
            AssertionError: There was none.
        """
        return self._some()[0]

    def _some(self) -> list[MockCall]:
        if not self._made:
            raise AssertionError("there was no call")
        return self._made

    def __len__(self) -> int:
        return len(self._made)

    @overload
    def __getitem__(self, place: int) -> MockCall: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[MockCall]: ...

    def __getitem__(self, place: int | slice) -> MockCall | Sequence[MockCall]:
        return self._made[place]

    def __iter__(self) -> Iterator[MockCall]:
        return iter(self._made)

    def __repr__(self) -> str:
        return f"<Calls {self._made}>"
