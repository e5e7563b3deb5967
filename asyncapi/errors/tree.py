"""The errors of calls: the tree that the package describes."""

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
    """The base of all errors: `except AsyncAPIError` catches everything that this package raises.

    Attributes:
        message: What happened, without the request line.
        request: The request, its secrets masked and its body left out; None where there was none.
        attempts: One record for each attempt, oldest first.
        phase: What the call was waiting for when its time ran out, else None.
        position: Where `Client.paginate` can continue (`start=`) after a page failed, else None.
        held_by: The setting of the client that refused the call or kept it from being sent again, in a word: "budget",
            "pace", "breaker", "rate", "queue", "wait", "deadline", "max_retry_after", "policy" or "hold"
            (docs/resilience.md says how to lift each); None where the host alone failed.
    """

    position: dict[str, Any] | None = None
    held_by: str | None = None

    def __init__(self, message: str, *, request: Request | None = None, attempts: tuple[Attempt, ...] = ()) -> None:
        message = one_line(message if request is None else unsaid(message, request))
        super().__init__(message)
        self.message = message
        self.request: Request | None = None if request is None else request.redacted()
        self.attempts = attempts
        self.phase: Phase | None = None

    def __str__(self) -> str:
        where = f"{one_line(f'{self.request.method} {self.request.url}:')} " if self.request is not None else ""
        tries = f" (after {len(self.attempts)} attempts)" if len(self.attempts) > 1 else ""
        word = self.held_by
        # not repeated where the message names the setting already
        held = "" if word is None or word in self.message else f" (held back by: {word})"
        return f"{where}{one_line(self.message)}{tries}{held}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args), self._portable()

    def _portable(self) -> dict[str, Any]:
        """Return the state that may leave the process: without secrets, and without what can't be pickled."""
        state = dict(self.__dict__)
        if self.request is not None:
            state["request"] = self.request.copy(timeout=None, retry=None)
        # records hold the URLs as they were sent
        state["attempts"] = tuple(masked(attempt) for attempt in self.attempts)
        return state


def _rebuild(cls: type[AsyncAPIError], args: tuple[Any, ...]) -> AsyncAPIError:
    error = cls.__new__(cls, *args)
    error.args = args
    return error


def masked(attempt: Attempt) -> Attempt:
    """Copy a record with the secrets in its URL masked, so that it may leave the process."""
    twin = copy(attempt)
    twin.target = URL(attempt.url, encoded=True)
    return twin


class TransportError(AsyncAPIError):
    """There is no usable response: the connection, the server's HTTP, or the time failed.

    It is retried where the request is safe to send again.

    Attributes:
        final: Sending the request again would fail in the same way (a certificate, a body larger than `max_body`), so
            it is not retried.
        stale: The server had closed a kept-alive connection before it sent any byte of a response.
    """

    final = False
    stale = False


class ConnectError(TransportError):
    """No connection could be made (DNS, refused, unreachable): the request was never sent, so it is safe to retry."""


class TLSError(ConnectError):
    """The TLS handshake failed: the message says which check failed, and what to do about it. Not retried."""

    final = True


class ProtocolError(TransportError):
    """The server broke HTTP, closed the connection too early, or sent a body larger than `max_body`.

    Attributes:
        unprocessed: It is certain that the server did nothing with the request: it said so (over HTTP/2 by
            REFUSED_STREAM, or by a GOAWAY that leaves the request out: RFC 9113 section 8.7), or the request was never
            written. It is then sent again whatever its method.
        reset_code: The error code with which the server has reset the stream (RST_STREAM, RFC 9113 section 7), where
            that is what failed; else None.
    """

    unprocessed: bool = False
    reset_code: int | None = None


def final_error(message: str, request: Request | None = None) -> ProtocolError:
    """Make a `ProtocolError` that another attempt would meet again, so that it is not retried."""
    error = ProtocolError(message, request=request)
    error.final = True
    return error


class RequestTimeout(TransportError, TimeoutError):
    """The time of the call or of the attempt ran out, also a builtin `TimeoutError`.

    `.phase` says what it was waiting for: "queue", "connect", "send", "headers", "body" or "backoff".
    """

    def __init__(
        self,
        message: str,
        *,
        phase: Phase,
        request: Request | None = None,
        attempts: tuple[Attempt, ...] = (),
    ) -> None:
        super().__init__(message, request=request, attempts=attempts)
        self.phase: Phase | None = phase


class OutcomeUnknown(TransportError):
    """A call with an idempotency key was cut off, and retries did not show whether it was carried out.

    To find out, send the same request with the same key again later. The last failure is the `__cause__`.

    Attributes:
        idempotency_key: The key to send again.
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
    """The server responded with a 4xx or 5xx status.

    Attributes:
        response: The whole response.
        status: Its HTTP status code.
        retry_after: Seconds that the server asks to wait (RFC 9110 section 10.2.3), or None.
        request_id: The server's id of the request, where it sent one (`X-Request-Id` and the like).
        body: The raw bytes of the body.
        detail: The body as the model that a declared method names for the status (`errors={404: Problem}`), or None.
    """

    detail: Any = None

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
        self.status: int = response.status
        self.retry_after: float | None = retry_after
        self.body: bytes = response.content
        self.request_id: str | None = next(
            (response.headers[name] for name in _REQUEST_ID_HEADERS if name in response.headers), None
        )

    def __reduce__(self) -> tuple[Any, ...]:
        _, base, state = super().__reduce__()
        response, request = state.pop("response"), state["request"]
        headers = [*redact_headers(response.headers).items()]
        trailers = [*redact_headers(response.trailers).items()]
        url, version = redact_url(response.target), response.http_version
        answer = (type(response), self.status, headers, self.body, url, version, trailers)
        return _with_response, (*base, request, answer), state


def _with_response(cls: type[StatusError], args: Any, request: Request | None, answer: tuple[Any, ...]) -> StatusError:
    kind, status, headers, content, url, version, trailers = answer
    error = cls.__new__(cls, *args)
    error.args = args
    error.response = kind(status, headers, content, url=url, request=request, http_version=version, trailers=trailers)
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
    """4xx: the server rejects the request as it is."""


class BadRequest(ClientError):
    """400 Bad Request."""


class Unauthorized(ClientError):
    """401 Unauthorized: no credentials, or wrong ones."""


class PaymentRequired(ClientError):
    """402 Payment Required: never retried."""


class Forbidden(ClientError):
    """403 Forbidden: these credentials don't allow it."""


class NotFound(ClientError):
    """404 Not Found."""


class Conflict(ClientError):
    """409 Conflict: with the current state of the resource."""


class Gone(ClientError):
    """410 Gone: it was there, and won't come back."""


class UnprocessableEntity(ClientError):
    """422 Unprocessable Content: the body is well-formed, but not acceptable."""


class RateLimited(ClientError):
    """429 Too Many Requests: `.retry_after` says when to try again, where the server says so."""


class ServerError(StatusError):
    """5xx: the server failed."""


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
    """Make the error of a response's status, without raising it."""
    cls = status_class(response.status)
    return cls(response, request=request, attempts=attempts, retry_after=retry_after)


def status_class(status: int) -> type[StatusError]:
    """Return the class of the error of a status."""
    return _BY_STATUS.get(status, ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ClientError)


class DecodeError(AsyncAPIError):
    """The body of the response isn't valid JSON, is empty, or isn't in its charset.

    Attributes:
        body: The raw bytes of the body.
    """

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
    """The JSON doesn't match the model: the message says where; pydantic's `ValidationError` is the `__cause__`.

    Never retried: the server has done its work.
    """


class AuthError(AsyncAPIError):
    """A credential has no token or value: the token request failed, or its function, file or variable did."""


class RejectedError(AsyncAPIError):
    """The client refused to send the request: the server has seen nothing of it.

    Attributes:
        retry_after: Seconds after which another try may succeed, or None if that isn't known.
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
    """The circuit breaker of the host is open, since too many of its attempts failed (`Breaker`).

    Attributes:
        retry_after: Seconds until the next probe may be sent: a call before that is refused again.
        probe_in: Seconds that a call with retries waits by itself for the next probe, where the circuit has opened only
            just now; None in a longer outage.
    """

    held_by: str = "breaker"
    probe_in: float | None = None


class DeadlineExceeded(RejectedError, TimeoutError):
    """The deadline had passed before the request could be sent; also a builtin `TimeoutError`."""

    held_by: str = "deadline"


class QueueFull(RejectedError):
    """All places are taken, and the call doesn't wait (`wait=`) or too many wait already (`max_queue=`).

    Attributes:
        retry_after: Seconds after which there should be a place, or None if that isn't known.
    """

    held_by: str = "queue"


class RateExceeded(RejectedError, RateLimited):
    """A rate limit holds the call for longer than it may wait: a 429 made by the client. Nothing was sent.

    Attributes:
        response: A 429, made by the client.
        retry_after: Seconds until the call could be sent.
    """

    held_by: str = "pace"

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
    """`egress=` doesn't allow a connection to the host or to its addresses. Nothing was sent.

    The message names the address: it is for your logs, not for whoever gave you the URL.
    """


class BudgetSpent(RejectedError):
    """The retry budget of the host is spent: the `__cause__` of the failure that was not retried."""

    held_by: str = "budget"


class ConfigError(AsyncAPIError, ValueError):
    """Wrong use of this package: the message says what to change. Nothing was sent; also a `ValueError`."""


class InsecureTLSWarning(UserWarning):
    """With `tls=False` no certificate is verified: warns once for each host, and writes to the log."""


def error_text(error: BaseException) -> str:
    """Return an error as records show it: its class, then what happened."""
    if isinstance(error, AsyncAPIError):
        return f"{type(error).__name__}: {one_line(error.message)}"
    what = "the call was cancelled" if isinstance(error, CancelledError) else one_line(str(error))
    return f"{type(error).__name__}: {what}"
