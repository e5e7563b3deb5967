"""Make the errors of calls: an RPC that ended badly, and a transport that failed under one.

What the transport raises stays what it is (a `RequestTimeout`, a `ConnectError`, a `ProtocolError`), and is an
`RPCError` as well, with the code that gRPC gives to such a failure. What the client itself refuses to send
(`CircuitOpen`, `QueueFull` ...) is no outcome of an RPC, and stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import AsyncAPIError, ConnectError, ProtocolError, RequestTimeout, RPCError, TransportError
from asyncapi.messages.code import Code
from asyncapi.sansio.rpc.metadata import NONE
from asyncapi.sansio.rpc.statuses import code_of_reset
from asyncapi.speakers.rpc.details import decoded

if TYPE_CHECKING:
    from asyncapi.messages.response import Response
    from asyncapi.sansio.rpc.protocol import Ending, Method
    from asyncapi.speakers.line import Line


class RPCTimeout(RPCError, RequestTimeout):
    """Time ran out: DEADLINE_EXCEEDED, also a `RequestTimeout`."""


class RPCUnreachable(RPCError, ConnectError):
    """No connection could be made: UNAVAILABLE, also a `ConnectError`."""


class RPCBroken(RPCError, ProtocolError):
    """The connection or the stream broke off, also a `ProtocolError`."""


class RPCFailed(RPCError, TransportError):
    """The transport failed in another way: UNAVAILABLE, also a `TransportError`."""


_KINDS: tuple[tuple[type[TransportError], type[RPCError]], ...] = (
    (RequestTimeout, RPCTimeout),
    (ConnectError, RPCUnreachable),
    (ProtocolError, RPCBroken),
    (TransportError, RPCFailed),
)


def failed(error: AsyncAPIError) -> AsyncAPIError:
    """Return the error of a call whose transport failed as an `RPCError`; any other as it is."""
    if isinstance(error, RPCError) or not isinstance(error, TransportError):
        return error
    kind = next(kind for base, kind in _KINDS if isinstance(error, base))
    made = kind.__new__(kind, error.message)
    made.__dict__.update(error.__dict__)
    made.args = error.args
    made.code, made.details, made.metadata, made.status_details = _code_of(error), error.message, NONE, ()
    made.__cause__ = error.__cause__
    made.__suppress_context__ = True
    made.__traceback__ = error.__traceback__
    return made


def _code_of(error: TransportError) -> Code:
    if isinstance(error, RequestTimeout):
        return Code.DEADLINE_EXCEEDED
    if isinstance(error, ProtocolError) and error.reset_code is not None:
        return code_of_reset(error.reset_code)
    if isinstance(error, ProtocolError) and error.final:  # a broken response: it would come again
        return Code.INTERNAL
    return Code.UNAVAILABLE


def ended(ending: Ending, response: Response, line: Line) -> RPCError:
    """Make the error of a call that has ended with this status."""
    error = RPCError(
        ending.code, ending.details, metadata=ending.trailing, status_details=decoded(ending.packed)
    )  # fmt: skip
    return of_call(error, response, line)


def of_call(error: RPCError, response: Response, line: Line) -> RPCError:
    """Add to an error the request, the attempts, and what ended the retries."""
    told = line.status_error(response)
    if error.request is None:
        error.request, error.attempts = told.request, told.attempts
    error.phase, error.held_by = error.phase or told.phase, error.held_by or told.held_by
    if error.__cause__ is None:
        error.__cause__ = told if response.status >= 400 else told.__cause__  # noqa: PLR2004 - where errors begin
    return error


def cancelled(method: Method) -> RPCError:
    """Make the error of a call that the caller has cancelled."""
    return RPCError(Code.CANCELLED, f"{method.path} was cancelled by the caller")


def no_more(method: Method, code: Code) -> RPCError:
    """Make the error of a message that is written to a call that has ended."""
    return RPCError(
        Code.CANCELLED, f"{method.path} has ended ({code.name}): the server takes no more messages"
    )  # fmt: skip


def unreadable(what: str, error: Exception) -> RPCError:
    """Make the error of a message that its deserializer can't read."""
    made = RPCError(Code.INTERNAL, f"the {what} can't be deserialized: {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
