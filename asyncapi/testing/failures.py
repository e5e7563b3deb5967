"""Failures of attempts that were recorded: as plain data, and as errors again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConnectError, ProtocolError, RequestTimeout, TransportError

if TYPE_CHECKING:
    from asyncapi.messages.request import Request

_KINDS: dict[str, type[TransportError]] = {cls.__name__: cls for cls in (ConnectError, ProtocolError, TransportError)}


@dataclass(slots=True)
class Failure:
    """How an attempt failed.

    Attributes:
        error: The error's class, by its name.
        message: The error's message.
        phase: The phase that the error came in.
        stale: Whether a kept-alive connection failed before it was used.
        final: Whether the transport says that sending again is of no use.
        unprocessed: Whether it is certain that the server did nothing (`ProtocolError.unprocessed`).
    """

    error: str
    message: str = ""
    phase: str = ""
    stale: bool = False
    final: bool = False
    unprocessed: bool = False

    @classmethod
    def of(cls, error: TransportError) -> Failure:
        """Read an error of a transport."""
        return cls(
            type(error).__name__,
            error.message,
            error.phase or "",
            error.stale,
            error.final,
            isinstance(error, ProtocolError) and error.unprocessed,
        )

    def raised(self, request: Request) -> TransportError:
        """Make the error again, for another request."""
        if self.error == RequestTimeout.__name__:
            phase: Any = self.phase or "headers"
            error: TransportError = RequestTimeout(self.message, phase=phase, request=request)
        else:
            error = _KINDS.get(self.error, TransportError)(self.message, request=request)
            error.phase = self.phase or None  # type: ignore[assignment]
        error.stale, error.final = self.stale, self.final
        if isinstance(error, ProtocolError):
            error.unprocessed = self.unprocessed
        return error
