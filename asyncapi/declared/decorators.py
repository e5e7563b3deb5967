"""Declare the methods of an API: `@get("/users/{id}")` and its siblings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from asyncapi.calls.arguments import checked_auth, checked_headers, limits_of, policy_of
from asyncapi.declared.declaration import DECLARED, Declaration
from asyncapi.declared.failures import Failures
from asyncapi.errors import ConfigError
from asyncapi.types import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.credentials import Credential
    from asyncapi.pagination.pages import By
    from asyncapi.sansio.http.closecodes import ReconnectOn
    from asyncapi.settings import Retry, Timeout
    from asyncapi.speakers.websocket import WebSocket
    from asyncapi.types import Headers

F = TypeVar("F", bound=Callable[..., Any])
Errors = Mapping[int | str, Any]


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
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
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
        auth: As in `Client.request`: None sends no credential.
        errors: The models of error bodies: status (404), range ("4XX") or "default" -> model. The error that a call
            raises has the value in its `.detail`.

    Raises:
        ConfigError: When the class is made: the signature names what can't be sent.
    """
    pages = {"by": by, "items": items, "prefetch": prefetch, "concurrency": concurrency, "max_pages": max_pages}
    fixed = {"timeout": timeout, "retry": retry, "auth": auth}
    return _declare("GET", path, headers, fixed, pages=None if by is None else pages, until=until, errors=errors)


def delete(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
) -> Callable[[F], F]:
    """Declare a DELETE; see `get`."""
    return _declare("DELETE", path, headers, {"timeout": timeout, "retry": retry, "auth": auth}, errors=errors)


def post(
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
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
    idempotency_key: bool = False,
    idempotent: bool | None = None,
) -> Callable[[F], F]:
    """Declare a POST; see `get`.

    `idempotency_key=True` makes a key for each call, and `idempotent=True` says that a repeated call does its work once
    (a search): either way it becomes safe to resend. With `by=` it is a list that comes in pages, whose cursor or
    number goes into the JSON body.
    """
    pages = {"by": by, "items": items, "prefetch": prefetch, "concurrency": concurrency, "max_pages": max_pages}
    fixed = {"timeout": timeout, "retry": retry, "auth": auth}
    if by is None:
        fixed |= {"idempotency_key": idempotency_key, "idempotent": idempotent}
    elif idempotency_key or idempotent is False:
        raise ConfigError(f"post({path!r}): a list that comes in pages is safe to resend, and needs no key for it")
    return _declare("POST", path, headers, fixed, pages=None if by is None else pages, until=until, errors=errors)


def put(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
) -> Callable[[F], F]:
    """Declare a PUT; see `get`."""
    return _declare("PUT", path, headers, {"timeout": timeout, "retry": retry, "auth": auth}, errors=errors)


def patch(
    path: str,
    *,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
    idempotency_key: bool = False,
) -> Callable[[F], F]:
    """Declare a PATCH; see `post`."""
    fixed = {"timeout": timeout, "retry": retry, "auth": auth, "idempotency_key": idempotency_key}
    return _declare("PATCH", path, headers, fixed, errors=errors)


def operation(
    method: str,
    path: str,
    *,
    until: str | None = None,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
    auth: Credential | Unset | None = UNSET,
    errors: Errors | None = None,
    idempotency_key: bool = False,
    idempotent: bool | None = None,
) -> Callable[[F], F]:
    """Declare a call of any method: `@operation("HEAD", "/files/{id}")`; see `get` and `post`."""
    if not str(method).isalpha():
        raise ConfigError(f"operation({method!r}, {path!r}): give an HTTP method first, such as HEAD")
    fixed = {
        "timeout": timeout, "retry": retry, "auth": auth, "idempotency_key": idempotency_key, "idempotent": idempotent,
    }  # fmt: skip
    return _declare(method.upper(), path, headers, fixed, until=until, errors=errors)


def websocket(
    path: str,
    *,
    subprotocols: Iterable[str] = (),
    on_open: Callable[[WebSocket[Any]], Any] | None = None,
    reconnect: Retry | int | Unset | None = UNSET,
    reconnect_on: ReconnectOn = (),
    heartbeat: float | None = 20.0,
    max_message: int | None = 4 << 20,
    compress: bool = True,
    headers: Headers | None = None,
    timeout: Timeout | float | Unset | None = UNSET,
    retry: Retry | int | Unset | None = UNSET,
) -> Callable[[F], F]:
    """Declare a WebSocket: a plain `def` that returns `WebSocket[Message]`.

    Args:
        path: The template: "/feed/{room}".
        subprotocols: As in `Client.websocket`.
        on_open: As in `Client.websocket`. A parameter `Annotated[..., Option("on_open")]` takes one from the caller.
        reconnect: As in `Client.websocket`.
        reconnect_on: As in `Client.websocket`.
        heartbeat: As in `Client.websocket`.
        max_message: As in `Client.websocket`.
        compress: As in `Client.websocket`.
        headers: Sent with every handshake.
        timeout: As in `Client.websocket`.
        retry: As in `Client.websocket`.

    Raises:
        ConfigError: An argument makes no sense; or, when the class is made, the signature names what can't be sent.
    """
    from asyncapi.speakers.handshake import check  # noqa: PLC0415 - not every API has one

    how = {
        "subprotocols": subprotocols, "on_open": on_open, "reconnect": reconnect, "reconnect_on": reconnect_on,
        "heartbeat": heartbeat, "max_message": max_message, "compress": compress,
    }  # fmt: skip
    check(headers=headers, **how)
    return _declare("GET", path, headers, {"timeout": timeout, "retry": retry}, socket=how)


def _declare(
    method: str,
    path: str,
    headers: Headers | None,
    settings: dict[str, Any],
    *,
    pages: dict[str, Any] | None = None,
    until: str | None = None,
    socket: dict[str, Any] | None = None,
    errors: Errors | None = None,
) -> Callable[[F], F]:
    fixed = {name: value for name, value in settings.items() if value is not UNSET and value is not False}
    limits_of(fixed.get("timeout"))
    policy_of(fixed.get("retry"))
    if fixed.get("auth") is not None:
        fixed["auth"] = checked_auth(fixed["auth"])
    failures = None if errors is None else Failures(errors)
    sent = {} if headers is None else dict(checked_headers(headers))

    def decorate(function: F) -> F:
        deprecated = getattr(function, "__deprecated__", None)
        declared = function if deprecated is None else inspect.unwrap(function)

        @functools.wraps(function)
        def outside(*_: Any, **__: Any) -> Any:
            name = method.lower() if socket is None else "websocket"
            raise ConfigError(f"{function.__qualname__}: @{name} declares a method of a class derived from API")

        made = Declaration(method, path, sent, fixed, pages, until, socket, declared, failures, deprecated)
        setattr(outside, DECLARED, made)
        return outside  # type: ignore[return-value]  # what takes its place has the same signature

    return decorate
