"""The type of `client.get`, `client.post` and the others: what they take, and what they give for which model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from asyncapi.types import UNSET, Unset

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import TypeForm
    from yarl import URL

    from asyncapi.messages.request import Body
    from asyncapi.messages.response import Response
    from asyncapi.settings import Retry, Timeout
    from asyncapi.types import Content, Headers, Params

T = TypeVar("T")


class Verb(Protocol):
    """One HTTP verb of a client: `await client.get("/users/1", model=User)`."""

    @overload
    async def __call__(
        self,
        url: str | URL,
        *,
        model: None = None,
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        content: Content | Body | None = None,
        files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        timeout: Timeout | float | Unset | None = UNSET,
        retry: Retry | int | Unset | None = UNSET,
        idempotency_key: str | bool | None = None,
        raise_for_status: bool | None = None,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> Response: ...

    @overload
    async def __call__(
        self,
        url: str | URL,
        *,
        model: TypeForm[T],
        params: Params | None = None,
        headers: Headers | None = None,
        json: Any = None,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        content: Content | Body | None = None,
        files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        timeout: Timeout | float | Unset | None = UNSET,
        retry: Retry | int | Unset | None = UNSET,
        idempotency_key: str | bool | None = None,
        raise_for_status: bool | None = None,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> T: ...
