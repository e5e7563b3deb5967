"""A response read to its end, and the outcome of one item of a fan-out."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from multidict import CIMultiDict, CIMultiDictProxy
from typing_extensions import TypeForm, TypeVar
from yarl import URL

from asyncapi.errors import AsyncAPIError, masked, status_error
from asyncapi.messages import decoding, uri
from asyncapi.messages.open_body import NO_TRAILERS
from asyncapi.messages.target import NOWHERE, Target
from asyncapi.redact import redact_url, unsaid

if TYPE_CHECKING:
    from types import TracebackType

    from asyncapi.messages.call import Attempt
    from asyncapi.messages.meaning import Meaning
    from asyncapi.messages.open_body import OpenBody
    from asyncapi.messages.placed import Placed
    from asyncapi.messages.request import Request
    from asyncapi.types import Headers

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True, default=Any)


class Response:
    """One HTTP response, read to its end.

    Attributes:
        status: HTTP status code.
        headers: The headers, a case-insensitive multidict.
        content: The decoded (decompressed) body.
        url: The URL that it came from, after redirects: a `yarl.URL`, which is made when it is first read.
        target: The same as text, with the parts that the layers need.
        request: The request that it belongs to.
        http_version: "1.0", "1.1", "2", "3", or "" where the transport doesn't say.
        meaning: What it means where its status alone does not say it (gRPC, a mesh); None for plain HTTP.
        effective_status: The status that retries, limits, the breaker and credentials go by: that of `meaning`, or else
            `status`.
        elapsed: Seconds from the start of the call to the end of the body, waits and retries included.
        attempts: One `Attempt` record per attempt, oldest first.
        degraded: The fallback that it came from, and why; "" for a response from the usual place.
        from_cache: "fresh", "revalidated" or "stale" for a response from the cache; "" otherwise.
        placed: Which endpoint it came from, where the client has several and picked it; else None.
        open_body: The body that is still to be read (`asyncapi/messages/open_body.py`), inside the layers only; None
            everywhere else.
        trailers: The trailer fields, which come after the body (RFC 9110 section 6.5), a case-insensitive multidict;
            empty where the server sent none or the transport can't read them. They are never merged into `headers`,
            and not stored by a cache.
    """

    __slots__ = (
        "attempts", "content", "degraded", "effective_status", "elapsed", "from_cache", "headers", "http_version",
        "meaning", "open_body", "placed", "request", "status", "target", "trailers",
    )  # fmt: skip

    content: bytes
    degraded: str
    from_cache: str
    effective_status: int
    status: int

    def __init__(
        self,
        status: int,
        headers: CIMultiDictProxy[str] | Headers | None = None,
        content: bytes = b"",
        *,
        url: URL | str | Target = "",
        request: Request | None = None,
        http_version: str = "",
        trailers: CIMultiDictProxy[str] | Headers | None = None,
    ) -> None:
        self.status = self.effective_status = status
        self.content = content
        self.meaning: Meaning | None = None
        self.headers: CIMultiDictProxy[str] = (
            headers if type(headers) is CIMultiDictProxy else CIMultiDictProxy(CIMultiDict(headers or ()))
        )
        self.target: Target = url if type(url) is Target else _target_of(url)
        self.request: Request | None = request
        self.http_version: str = http_version
        self.elapsed: float = 0.0
        self.degraded = self.from_cache = ""
        self.attempts: tuple[Attempt, ...] = ()
        self.open_body: OpenBody | None = None
        self.placed: Placed | None = None
        self.trailers: CIMultiDictProxy[str] = NO_TRAILERS if trailers is None else _proxy(trailers)

    @property
    def url(self) -> URL:
        """The URL that it came from, after redirects."""
        return self.target.url

    @url.setter
    def url(self, url: URL | str) -> None:
        self.target = _target_of(url)

    def mean(self, meaning: Meaning) -> None:
        """Say what the response means to the layers."""
        self.meaning, self.effective_status = meaning, meaning.status

    def as_meant(self) -> Response:
        """Return the response with the status that it means, for strategies that know statuses alone."""
        if self.status == self.effective_status:
            return self
        twin = copy(self)
        twin.status = self.effective_status
        return twin

    @property
    def shown_status(self) -> int | str:
        """Its status, or what it means, as records show it."""
        return self.status if self.meaning is None else self.meaning.shown

    def answers(self, request: Request) -> bool:
        """Whether it is the response to this very URL: not one after a redirect, or of another place."""
        return (self.target if self.placed is None else self.placed.asked) == request.target

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400  # noqa: PLR2004 - where errors begin, RFC 9110 section 15.5

    @property
    def text(self) -> str:
        """The body as text, by the charset that the server names, else as UTF-8.

        Raises:
            DecodeError: The charset is unknown, or the bytes are not in it.
        """
        with error_context(self):
            return decoding.text(self.content, self.headers.get("Content-Type", ""))

    def json(self) -> Any:
        """Read the body as plain data.

        Raises:
            DecodeError: The body is empty or isn't valid JSON.
        """
        with error_context(self):
            return decoding.json(self.content, self.headers.get("Content-Type", ""))

    def parse(self, model: TypeForm[T]) -> T:
        """Read the body as any pydantic type: a model, `list[Model]`, a union, a TypedDict.

        Raises:
            DecodeError: The body is empty or isn't valid JSON.
            SchemaError: The body is valid JSON, but doesn't match the model.
        """
        try:
            return cast("T", decoding.reader(model)(self.content))
        except ValueError:  # pydantic's ValidationError and ConfigError are such
            pass  # `decoding.parse` tries the server's charset too, and says what is wrong
        with error_context(self):
            return decoding.parse(model, self.content, self.headers.get("Content-Type", ""))

    def raise_for_status(self) -> Response:
        """Return the response itself, if its status is below 400.

        Raises:
            StatusError: The subclass of the status, from 400 on.
        """
        if self.status < 400:  # noqa: PLR2004
            return self
        raise status_error(self, request=self.request, attempts=self.attempts)

    def __copy__(self) -> Response:
        twin = Response.__new__(Response)
        for name in Response.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the request's body and secrets."""
        request = None if self.request is None else self.request.redacted()
        base = Response, (self.status, CIMultiDict(self.headers), self.content)
        attempts = tuple(masked(attempt) for attempt in self.attempts)
        state: dict[str, Any] = {
            "url": URL(redact_url(self.target), encoded=True),
            "request": request,
            "http_version": self.http_version,
            "elapsed": self.elapsed,
            "attempts": attempts,
            "degraded": self.degraded,
            "from_cache": self.from_cache,
        }
        if self.trailers:
            state["_trailers"] = CIMultiDict(self.trailers)
        return *base, (None, state)

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        for name, value in state[1].items():
            if name == "_trailers":  # a CIMultiDictProxy can't be pickled
                self.trailers = CIMultiDictProxy(value)
            else:
                setattr(self, name, value)

    def __repr__(self) -> str:
        return f"<Response {self.status} {redact_url(self.target)} {len(self.content)} bytes>"


def _target_of(url: URL | str | Target) -> Target:
    """Read a server's URL: it may have whatever `uri.parse` can encode."""
    return Target.of(uri.parse(url) if isinstance(url, str) else url) if url != "" else NOWHERE


def _proxy(fields: CIMultiDictProxy[str] | Headers) -> CIMultiDictProxy[str]:
    return fields if type(fields) is CIMultiDictProxy else CIMultiDictProxy(CIMultiDict(fields))


@dataclass(slots=True)
class Outcome(Generic[T_co]):
    """What became of one item of a fan-out: always a `Success` or a `Failure`.

    After `if o.ok:`, mypy knows that `o.value` is there. After `if o.error is None:`, `if o.ok is True:` or
    `match o: case Success():`, pyright does, too.

    Attributes:
        index: Its place in the source, from 0.
        request: What was asked for, as given.
        value: The model (or the `Response` where no model was asked for), None on error.
        error: The failure, or None.
        attempts: One record per attempt.
        elapsed: Seconds from its start to its end, waits and retries included.
        status: The last HTTP status seen, or None.
        degraded: As in `Response`.
        from_cache: As in `Response`.
    """

    index: int
    request: Request | str
    value: T_co | None = None
    error: AsyncAPIError | None = None
    attempts: tuple[Attempt, ...] = field(default=())
    elapsed: float = 0.0
    status: int | None = None
    degraded: str = ""
    from_cache: str = ""

    def __post_init__(self) -> None:
        self.__class__ = Success if self.error is None else Failure

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


class Success(Outcome[T_co]):
    """The outcome of an item that has a value."""

    __slots__ = ()

    if TYPE_CHECKING:
        value: T_co
        error: None

        @property
        def ok(self) -> Literal[True]: ...  # noqa: D102 - as above


class Failure(Outcome[T_co]):
    """The outcome of an item that has an error."""

    __slots__ = ()

    if TYPE_CHECKING:
        value: None
        error: AsyncAPIError

        @property
        def ok(self) -> Literal[False]: ...  # noqa: D102 - as above


class error_context:  # noqa: N801 - reads as a word in a with statement
    """Adds the request and the attempts to an error of reading a body."""

    __slots__ = ("response",)

    def __init__(self, response: Response) -> None:
        self.response: Response = response

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        # the decoders know only bytes: here the error gets its request, and loses the secrets that the body may echo
        if isinstance(error, AsyncAPIError) and self.response.request is not None:
            error.message = unsaid(error.message, self.response.request)
            error.args = (error.message,)
            error.request = self.response.request.redacted()
            error.attempts = self.response.attempts
