"""Every error this package raises.

    AsyncAPIError
      TransportError            nothing usable came back
        ConnectError            DNS, refused, unreachable: the request was never sent
          TLSError              the handshake or the certificate failed
        ProtocolError           the peer broke HTTP, or closed mid-way; or the body is over max_body
        RequestTimeout          time ran out (also a builtin TimeoutError); .phase says where
        OutcomeUnknown          it had an idempotency key, and nobody knows whether it was done
      StatusError               .response .status .retry_after .request_id .body
        ClientError             4xx: BadRequest Unauthorized PaymentRequired Forbidden NotFound Conflict Gone
                                UnprocessableEntity RateLimited
        ServerError             5xx
      DecodeError               not JSON, empty, or another charset than it says; keeps the raw bytes
        SchemaError             JSON that does not fit the model; pydantic's error is the __cause__
      AuthError                 no token could be had
      RejectedError             we refused to send
        CircuitOpen  DeadlineExceeded  QueueFull  BudgetSpent
        RateExceeded          a 429 of our own: also a RateLimited
        EgressDenied          `egress=` does not let us connect there
      ConfigError               wrong use of this package (also a ValueError); nothing was sent

Every error carries `.request` (secrets masked), `.attempts` (a tuple of `Attempt` records) and `.phase` (what
used up the time, where time was the reason) and `.held_by` (which setting of ours held it back, where one did),
pickles (secrets masked throughout), and reads as one line: what servers say is in it with its control characters as
escapes (`redact.one_line`).
"""

from __future__ import annotations

from asyncio import CancelledError
from copy import copy
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from yarl import URL

from asyncapi.redact import one_line, redact_headers, redact_url, unsaid

if TYPE_CHECKING:
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response

Phase = Literal["queue", "connect", "send", "headers", "body", "backoff"]

_BODY_SHOWN, _BODY_READ = 120, 4096
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")


class AsyncAPIError(Exception):
    """The root: `except AsyncAPIError` catches everything this package raises.

    Attributes:
        message: What happened, without the request line.
        request: The request with its secrets masked and its body left out, or None.
        attempts: One record per attempt made, oldest first.
        phase: What the time was spent on where the clock ended the call, else None.
        position: Where to go on from (`start=`) when a page of `Client.paginate` failed, else None.
        held_by: Which setting of the client refused it, or kept it from being sent again, in a word: "budget", "pace",
            "breaker", "rate", "queue", "wait", "deadline" or "max_retry_after" (docs/resilience.md says what lifts
            each); None where the failure is the host's alone.
    """

    position: dict[str, Any] | None = None
    held_by: str | None = None

    def __init__(self, message: str, *, request: Request | None = None, attempts: tuple[Attempt, ...] = ()) -> None:
        message = one_line(message if request is None else unsaid(message, request))
        super().__init__(message)
        self.message = message
        self.request = None if request is None else request.redacted()
        self.attempts = attempts
        self.phase: Phase | None = None

    def __str__(self) -> str:
        where = f"{one_line(f'{self.request.method} {self.request.url}:')} " if self.request is not None else ""
        tries = f" (after {len(self.attempts)} attempts)" if len(self.attempts) > 1 else ""
        word = self.held_by
        held = "" if word is None or word in self.message else f" (held back by: {word})"
        return f"{where}{one_line(self.message)}{tries}{held}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self._portable()

    def _portable(self) -> dict[str, Any]:
        """What may leave the process: no secret, and nothing that can't be pickled."""
        state = dict(self.__dict__)
        if self.request is not None:
            state["request"] = self.request.copy(timeout=None, retry=None)
        state["attempts"] = tuple(masked(attempt) for attempt in self.attempts)
        return state


def _rebuild(cls: type[AsyncAPIError], args: tuple[Any, ...]) -> AsyncAPIError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


def masked(attempt: Attempt) -> Attempt:
    """The record without secrets in its URL: as it leaves the process."""
    twin = copy(attempt)
    twin.target = URL(attempt.url, encoded=True)
    return twin


class TransportError(AsyncAPIError):
    """Nothing usable came back from the peer.

    Attributes:
        final: Sending it again would end the same way (a certificate, a body over `max_body`): not retried.
        stale: A kept-alive connection turned out to be closed before any byte of an answer came.
    """

    final = False
    stale = False


class ConnectError(TransportError):
    """No connection could be made (DNS, refused, unreachable): the request was never sent."""


class TLSError(ConnectError):
    """The TLS handshake failed: the message says which check, and what to do about it."""

    final = True


class ProtocolError(TransportError):
    """The peer broke HTTP, closed the connection mid-way, or sent a body over `max_body`."""


def final_error(message: str, request: Request | None = None) -> ProtocolError:
    """A `ProtocolError` that another try would meet again."""
    error = ProtocolError(message, request=request)
    error.final = True
    return error


class RequestTimeout(TransportError, TimeoutError):
    """Time ran out; `.phase` says what it was spent on: queue, connect, send, headers, body or backoff."""

    def __init__(
        self,
        message: str,
        *,
        phase: Phase,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.phase = phase


class OutcomeUnknown(TransportError):
    """A call with an idempotency key was cut off, and sending the key again has not told whether it was done.

    Send the same request with the same key again, later, to find out. The last failure is the `__cause__`.

    Attributes:
        idempotency_key: The key.
    """

    def __init__(
        self,
        message: str,
        *,
        idempotency_key: str,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.idempotency_key = idempotency_key


class StatusError(AsyncAPIError):
    """The server answered with a 4xx or 5xx status.

    Attributes:
        response: The whole answer.
        status: Its HTTP status code.
        retry_after: Seconds the server asked us to wait, or None.
        request_id: The server's own name for the request, where it sent one.
        body: The raw body.
    """

    def __init__(
        self,
        response: Response,
        *,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(_describe(response, request), request=request, attempts=attempts)
        self.response = response
        self.status = response.status
        self.retry_after: float | None = retry_after
        self.body = response.content
        self.request_id = next(
            (response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), None
        )

    def __reduce__(self) -> tuple[Any, ...]:
        _, made, state = super().__reduce__()
        response, request = state.pop("response"), state["request"]
        headers = [*redact_headers(response.headers).items()]
        answer = (type(response), self.status, headers, self.body, redact_url(response.url), response.http_version)
        return _with_response, (*made, request, answer), state


def _with_response(cls: type[StatusError], args: Any, request: Request | None, answer: tuple[Any, ...]) -> StatusError:
    kind, status, headers, content, url, version = answer
    error = cls.__new__(cls, *args)
    error.args = args
    error.response = kind(status, headers, content, url=url, request=request, http_version=version)
    return error


def _describe(response: Response, request: Request | None) -> str:
    try:
        phrase = f" {HTTPStatus(response.status).phrase}"
    except ValueError:
        phrase = ""
    shown = response.content[:_BODY_READ].decode("utf-8", "replace").strip()
    shown = (shown if request is None else unsaid(shown, request))[:_BODY_SHOWN]
    return f"{response.status}{phrase}{f': {shown}' if shown and shown.isprintable() else ''}"


class ClientError(StatusError):
    """4xx: the request was at fault."""


class BadRequest(ClientError):
    """400."""


class Unauthorized(ClientError):
    """401: no credentials, or wrong ones."""


class PaymentRequired(ClientError):
    """402: never retried."""


class Forbidden(ClientError):
    """403."""


class NotFound(ClientError):
    """404."""


class Conflict(ClientError):
    """409."""


class Gone(ClientError):
    """410."""


class UnprocessableEntity(ClientError):
    """422."""


class RateLimited(ClientError):
    """429: `.retry_after` says when to come back, where the server told."""


class ServerError(StatusError):
    """5xx: the server was at fault."""


_BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequest,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: UnprocessableEntity,
    429: RateLimited,
}


def status_error(
    response: Response,
    *,
    request: Request | None = None,
    attempts: tuple[Attempt, ...] = (),
    retry_after: float | None = None,
) -> StatusError:
    """The error class that fits the answer's status, made but not raised."""
    family = ServerError if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else ClientError
    cls = _BY_STATUS.get(response.status, family)
    return cls(response, request=request, attempts=attempts, retry_after=retry_after)


class DecodeError(AsyncAPIError):
    """The body is not what was asked for; `.body` keeps the raw bytes."""

    def __init__(
        self,
        message: str,
        *,
        body: bytes,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.body = body


class SchemaError(DecodeError):
    """The JSON does not fit the model; pydantic's `ValidationError` is the `__cause__`. Never retried."""


class AuthError(AsyncAPIError):
    """No token could be had."""


class RejectedError(AsyncAPIError):
    """We refused to send: the server saw nothing of this.

    Attributes:
        retry_after: Seconds after which it may be worth coming back, or None if that can't be told.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.retry_after: float | None = retry_after


class CircuitOpen(RejectedError):
    """The host's circuit breaker is open.

    Attributes:
        retry_after: Seconds until the next probe may go: coming back sooner is refused again.
        probe_in: Seconds after which a call that retries asks again by itself, where the circuit has opened only just
            now; None in a longer outage.
    """

    held_by = "breaker"
    probe_in: float | None = None


class DeadlineExceeded(RejectedError, TimeoutError):
    """The deadline had passed before anything was sent."""

    held_by = "deadline"


class QueueFull(RejectedError):
    """There is no place now, and the call does not wait (`wait=`), or too many wait already (`max_queue=`).

    Attributes:
        retry_after: Seconds after which it may be worth coming back, or None if that can't be told.
    """

    held_by = "queue"


class RateExceeded(RejectedError, RateLimited):
    """A 429 of our own: a rate limit of this client holds, and the call does not wait (`wait=`). Nothing was sent.

    `.response` is made here; `.retry_after` says in how many seconds its turn would come.
    """

    held_by = "pace"

    def __init__(
        self,
        message: str,
        *,
        response: Response,
        retry_after: float,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        StatusError.__init__(self, response, request=request, attempts=attempts, retry_after=retry_after)
        self.message = message


class EgressDenied(RejectedError):
    """`egress=` does not let this client connect there: the host or its addresses are not allowed. Nothing was sent.

    The message names the address: it is for your logs, not for whoever gave the URL.
    """


class BudgetSpent(RejectedError):
    """The retry budget is spent. It is the `__cause__` of the failure that was not retried."""

    held_by = "budget"


class ConfigError(AsyncAPIError, ValueError):
    """Wrong use of this package: the message says what to change. Nothing was sent."""


class InsecureTLSWarning(UserWarning):
    """`tls=False`: a server's certificate is not verified. Once for each host, and in the log."""


def error_text(error: BaseException) -> str:
    """An error as records show it: its class, then what happened."""
    if isinstance(error, AsyncAPIError):
        return f"{type(error).__name__}: {one_line(error.message)}"
    what = "the call was cancelled" if isinstance(error, CancelledError) else one_line(str(error))
    return f"{type(error).__name__}: {what}"
