"""Declare a client as a class that reads like the API's documentation.

    class Shop(API):
        @get("/users/{id}")
        async def user(self, id: int) -> User: ...

        @post("/users")
        async def add(self, user: NewUser, *, dry_run: Annotated[bool, Query("dryRun")] = False) -> User: ...

        @get("/orders", by=Cursor(), items="data.items")
        def orders(self, team: str | None = None) -> Pages[Order]: ...

        @get("/prices")
        def prices(self) -> Events[Price]: ...

    async with Shop("https://api.example.com") as shop:
        user = await shop.user(1)

Rules:
1. Signatures are checked when the class is made (`asyncapi/declared/endpoint.py` has the rules); the bodies of methods
   never run.
2. A method whose result arrives bit by bit is a plain `def`: `Pages[Item]`; and, for `async with`, `Stream` (the
   response while it arrives), `JSONLines[Row]`, `Events[Price]` (on a GET a subscription, which reconnects; else the
   events of one response).
3. A method keeps its signature for readers and type checkers; its return type is the model of the response.
4. The template is the route: the call's name in metrics.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, get_origin

from yarl import URL

from asyncapi.calls.arguments import checked_headers, limits_of, policy_of
from asyncapi.client.client import Client
from asyncapi.declared.annotations import hints_of, iso_dates, types_given_by, with_types
from asyncapi.declared.endpoint import Endpoint
from asyncapi.declared.markers import Body, Form, Header, Option, Path, Query, Upload
from asyncapi.errors import ConfigError
from asyncapi.messages.encoding import to_text
from asyncapi.pagination.pages import Pages
from asyncapi.streaming.events import Events
from asyncapi.streaming.stream import JSONLines, Stream
from asyncapi.types import UNSET, Unset

if TYPE_CHECKING:
    from types import TracebackType

    from asyncapi.declared.endpoint import Parameter
    from asyncapi.pagination.pages import By
    from asyncapi.settings import Retry, Timeout
    from asyncapi.types import Headers

F = TypeVar("F", bound=Callable[..., Any])

__all__ = [
    "API",
    "Body",
    "Form",
    "Header",
    "Option",
    "Path",
    "Query",
    "Upload",
    "delete",
    "get",
    "patch",
    "post",
    "put",
]

_DECLARED = "__asyncapi__"


class API:
    """The base of declared clients.

    Args:
        client: The client that makes the calls, or the base URL of a new one with default settings. Several APIs may
            share a client; leaving the `async with` block of one closes it.

    Attributes:
        client: The client.

    Raises:
        ConfigError: `client` is neither.
    """

    def __init__(self, client: Client | str | URL) -> None:
        if isinstance(client, str | URL):
            client = Client(client)
        if not isinstance(client, Client):
            raise ConfigError(f"{type(self).__name__}({client!r:.80}): give an asyncapi.Client or a base URL")
        self.client = client

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        names = _names_around(inspect.currentframe())
        names |= {name: value for name, value in vars(cls).items() if isinstance(value, type)}
        names |= {cls.__name__: cls} | {one.__name__: one for one in vars(cls).get("__type_params__", ())}
        for name in dir(cls):
            value = inspect.getattr_static(cls, name)
            declared: _Declared | None = getattr(getattr(value, "__func__", value), _DECLARED, None)
            if declared is None:
                continue
            if isinstance(value, staticmethod | classmethod):
                raise ConfigError(f"{cls.__qualname__}.{name}: declare a plain method, with self")
            given = [base for base in vars(cls).get("__orig_bases__", ()) if _has(get_origin(base), name, value)]
            made = declared.within(f"{cls.__qualname__}.{name}", names, given)
            if made is not declared:
                setattr(cls, name, made.method_of(f"{cls.__qualname__}.{name}"))

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client."""
        await self.client.aclose()


def get(
    path: str,
    *,
    by: By | None = None,
    items: str | None = None,
    prefetch: int = 1,
    concurrency: int = 8,
    max_pages: int | None = 10_000,
    until: str | None = None,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
) -> Callable[[F], F]:
    """Declare a GET.

    Args:
        path: The template: "/users/{id}".
        by: For a list that comes in pages, a plain `def` that returns `Pages[Item]`: how the pages follow each other.
        items: Of pages, as in `Client.paginate`.
        prefetch: Of pages, as in `Client.paginate`.
        concurrency: Of pages, as in `Client.paginate`.
        max_pages: Of pages, as in `Client.paginate`.
        until: Of `Events[...]`: the data that ends them.
        headers: Sent with every call.
        timeout: As in `Client.request`.
        retry: As in `Client.request`.

    Raises:
        ConfigError: When the class is made: the signature names what can't be sent.
    """
    pages = {"by": by, "items": items, "prefetch": prefetch, "concurrency": concurrency, "max_pages": max_pages}
    fixed = {"timeout": timeout, "retry": retry}
    return _declare("GET", path, headers, fixed, pages=None if by is None else pages, until=until)


def delete(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
) -> Callable[[F], F]:
    """Declare a DELETE; see `get`."""
    return _declare("DELETE", path, headers, {"timeout": timeout, "retry": retry})


def post(
    path: str,
    *,
    until: str | None = None,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    idempotency_key: bool = False,
    idempotent: bool | None = None,
) -> Callable[[F], F]:
    """Declare a POST; see `get`.

    `idempotency_key=True` makes a key for each call, and `idempotent=True` says that a repeated call does its work once
    (a search): either way it becomes safe to resend.
    """
    fixed = {"timeout": timeout, "retry": retry, "idempotency_key": idempotency_key, "idempotent": idempotent}
    return _declare("POST", path, headers, fixed, until=until)


def put(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
) -> Callable[[F], F]:
    """Declare a PUT; see `get`."""
    return _declare("PUT", path, headers, {"timeout": timeout, "retry": retry})


def patch(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    idempotency_key: bool = False,
) -> Callable[[F], F]:
    """Declare a PATCH; see `post`."""
    return _declare("PATCH", path, headers, {"timeout": timeout, "retry": retry, "idempotency_key": idempotency_key})


def _declare(
    method: str,
    path: str,
    headers: Headers | None,
    settings: dict[str, Any],
    *,
    pages: dict[str, Any] | None = None,
    until: str | None = None,
) -> Callable[[F], F]:
    fixed = {name: value for name, value in settings.items() if value is not UNSET and value is not False}
    limits_of(fixed.get("timeout"))
    policy_of(fixed.get("retry"))
    sent = {} if headers is None else dict(checked_headers(headers))

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def outside(*_: Any, **__: Any) -> Any:
            raise ConfigError(
                f"{function.__qualname__}: @{method.lower()} declares a method of a class derived from API"
            )

        setattr(outside, _DECLARED, _Declared(method, path, sent, fixed, pages, until, function))
        return outside  # type: ignore[return-value]  # what takes its place has the same signature

    return decorate


@dataclass(frozen=True, slots=True, eq=False)
class _Declared:
    """An endpoint as its decorator and its class declare it; `method_of` makes the method that takes its place."""

    method: str
    path: str
    headers: dict[str, str]
    fixed: dict[str, Any]
    pages: dict[str, Any] | None
    until: str | None
    function: Any
    hints: Mapping[str, Any] | None = None
    types: Mapping[Any, Any] = field(default_factory=dict)

    def within(self, where: str, names: Mapping[str, Any], bases: Sequence[Any]) -> _Declared:
        """Return the declaration for a class that declares or inherits it; itself where that makes no difference."""
        hints = self.hints if self.hints is not None else hints_of(where, self.function, names)
        types = types_given_by(self.types, bases[0]) if bases else self.types
        if hints is self.hints and types == self.types:
            return self
        return replace(self, hints=hints, types=types)

    def method_of(self, where: str) -> Any:
        hints = {name: with_types(hint, self.types) for name, hint in (self.hints or {}).items()}
        endpoint = Endpoint(where, self.method, self.path, self.function, hints)
        if (endpoint.lazy is Pages) != (self.pages is not None):
            raise ConfigError(f"{where}: Pages[...] as its return type and by= in its decorator go together")
        if self.until is not None and endpoint.lazy is not Events:
            raise ConfigError(f"{where}: until= in its decorator needs Events[...] as its return type")
        arguments = _arguments(endpoint, self.headers)
        fixed = {**self.fixed, "route": self.path}
        if endpoint.lazy is None:
            made = self._single(endpoint, arguments, {**fixed, "model": endpoint.model})
        else:
            made = self._lazy(endpoint, arguments, self._start(endpoint), {**fixed, **(self.pages or {})})
        setattr(made, _DECLARED, self)
        return made

    def _single(self, endpoint: Endpoint, arguments: Arguments | None, fixed: dict[str, Any]) -> Any:
        verb, bind, url, raw, discards = self.method, endpoint.bind, endpoint.url, endpoint.raw, endpoint.discards

        @functools.wraps(self.function)
        async def method(self: API, *args: Any, **given: Any) -> Any:
            values = bind(self, args, given)
            if arguments is None:
                answer: Any = await self.client.request(verb, url(values), **fixed)
            else:
                answer = await self.client.request(verb, url(values), **{**fixed, **arguments(values)})
            return answer.content if raw else None if discards else answer

        return method

    def _lazy(self, endpoint: Endpoint, arguments: Arguments | None, start: Start, fixed: dict[str, Any]) -> Any:
        @functools.wraps(self.function)
        def method(self: API, *args: Any, **given: Any) -> Any:
            values = endpoint.bind(self, args, given)
            more = {} if arguments is None else arguments(values)
            return start(self.client, endpoint.url(values), **{**fixed, **more})

        return method

    def _start(self, endpoint: Endpoint) -> Start:
        """Return the function that starts the call: of the client, the URL and the options of the call."""
        verb, model, until = self.method, endpoint.model, self.until
        if endpoint.lazy is Pages:
            return lambda client, url, **call: client.paginate(url, model=model, **call)
        if endpoint.lazy is JSONLines:
            return lambda client, url, **call: JSONLines(client.stream(verb, url, **call), model)
        if endpoint.lazy is Stream:
            return lambda client, url, **call: client.stream(verb, url, **call)
        if verb == "GET":
            return lambda client, url, **call: client.events(url, model=model, until=until, **call)
        return lambda client, url, **call: Events.of(client.stream(verb, url, **call), model, until)


def _has(base: Any, name: str, value: Any) -> bool:
    """Whether a class has this value under this name."""
    return isinstance(base, type) and inspect.getattr_static(base, name, None) is value


Arguments = Callable[[Any], dict[str, Any]]
Start = Callable[..., Any]


def _arguments(endpoint: Endpoint, headers: dict[str, str]) -> Arguments | None:
    """Return a function that makes the options of `client.request` from values, or None where there are none."""
    texts = [(word, parts) for word, parts in (("params", endpoint.query), ("data", endpoint.form)) if parts]
    plain_texts = [(word, _places(parts), any(part.dated for part in parts)) for word, parts in texts]
    heads, body = _places(endpoint.headers), endpoint.body
    files, options = _places(endpoint.files), _places(endpoint.options)
    if not (texts or heads or headers or body or files or options):
        return None

    def arguments(values: Any) -> dict[str, Any]:
        made: dict[str, Any] = {} if body is None else {body[1]: values[body[0]]}
        for word, places, has_dates in plain_texts:
            if has_dates:
                made[word] = {name: iso_dates(values[at]) for name, at in places}
            else:
                made[word] = {name: values[at] for name, at in places}
        if (heads or headers) and (sent := _header_values(values, heads, headers)):
            made["headers"] = sent
        if files:
            made["files"] = {name: values[at] for name, at in files if values[at] is not None} or None
        for name, at in options:
            if (value := values[at]) is not None and value is not UNSET:
                made[name] = value
        return made

    return arguments


def _header_values(values: Any, places: list[tuple[str, int]], headers: dict[str, str]) -> dict[str, str]:
    made = headers.copy()
    for name, at in places:
        value = values[at]
        if type(value) is str:
            made[name] = value
        elif value is not None:
            made[name] = to_text("headers", name, iso_dates(value))
    return made


def _places(parts: list[Parameter]) -> list[tuple[str, int]]:
    return [(part.name, part.at) for part in parts]


def _names_around(frame: Any) -> dict[str, Any]:
    """Return the local names where the class is made, for models that are defined in a function."""
    while frame is not None and frame.f_code.co_name == "__init_subclass__":
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)
