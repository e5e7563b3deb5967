"""Define the types that the whole package shares: layers, transports, and what arguments may be.

`Request`, `Response`, `Attempt`, `Outcome`, `Body` and `Call` are defined in `asyncapi/messages/` and handed on here.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from importlib import import_module
from os import PathLike
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from asyncapi.messages.call import Attempt, Call
    from asyncapi.messages.request import Body, Request
    from asyncapi.messages.response import Failure, Outcome, Response, Success

__all__ = [
    "UNSET", "Attempt", "Body", "Call", "Content", "Failure", "FileContent", "Headers", "Layer", "Outcome", "Params",
    "Request", "Response", "Send", "Success", "Transport", "Unset", "stack",
]  # fmt: skip


class Unset:
    """The type of `UNSET`: an argument that was not given, where None means something."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "UNSET"  # one object in every process: it is compared by identity


UNSET: Final = Unset()

Params = Mapping[str, Any] | Iterable[tuple[str, Any]]
Headers = Mapping[str, str] | Iterable[tuple[str, str]]
Content = bytes | bytearray | memoryview | str | PathLike[str] | AsyncIterable[bytes] | Iterable[bytes]
_File = bytes | str | PathLike[str] | IO[bytes] | AsyncIterable[bytes] | Iterable[bytes]
FileContent = _File | tuple[str | None, _File] | tuple[str | None, _File, str]
"""A file of a form: its content, or (filename, content), or (filename, content, content type)."""


Send = Callable[["Request"], Awaitable["Response"]]
Layer = Callable[["Send"], "Send"]


class Transport(Protocol):
    """Carries an attempt: keeps the attempt's time limit, follows no redirect, retries nothing."""

    async def send(self, request: Request) -> Response:
        """Carry one attempt.

        Raises:
            TransportError: Nothing usable came back.
        """
        ...

    async def aclose(self) -> None:
        """Close every connection; may be called twice."""
        ...


def stack(transport: Send, *layers: Layer) -> Send:
    """Compose layers over a transport; the first is the outermost."""
    for layer in reversed(layers):
        transport = layer(transport)
    return transport


_HANDED_ON = {
    "Attempt": "call", "Call": "call", "Body": "request", "Request": "request", "Outcome": "response",
    "Response": "response", "Success": "response", "Failure": "response",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load the classes of `messages` when they are asked for: they are themselves built of these types."""
    if name not in _HANDED_ON:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"asyncapi.messages.{_HANDED_ON[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
