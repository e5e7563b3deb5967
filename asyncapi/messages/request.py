"""Requests: as the user wrote them and, once the client has built them, as they are sent.

These are plain slotted classes without validation, since one or more are made per call. A `Request` is never changed
once a layer has it; a layer that needs another one makes it with `request.copy(...)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict
from yarl import URL

from asyncapi.messages.call import NO_CALL
from asyncapi.messages.target import Target
from asyncapi.redact import redact_headers, redact_url
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping

    from asyncapi.messages.call import Call
    from asyncapi.types import Content, Headers, Params, Unset


class Body:
    """A request body that is streamed: `open()` yields its bytes, once per attempt.

    Attributes:
        open: Starts the body from its beginning.
        length: The number of bytes, where known; else None (the body is sent chunked).
        rewindable: Whether `open` may be called again; if not, the request is not sent again.
    """

    __slots__ = ("length", "open", "rewindable")

    def __init__(
        self,
        opener: Callable[[], AsyncIterator[bytes]],
        *,
        length: int | None,
        rewindable: bool,
    ) -> None:
        self.open: Callable[[], AsyncIterator[bytes]] = opener
        self.length: int | None = length
        self.rewindable: bool = rewindable


class Request:
    """One HTTP request: as the user wrote it, and, once the client has built it, as it is sent.

    Args:
        method: Any HTTP method; upper-cased.
        url: Absolute, or relative to the client's base URL.
        params: Query parameters, added to those in `url`. A None value is left out, a list repeats the key.
        headers: Added to the client's, replacing those of the same name.
        cookies: Cookies for this request alone: name -> value, sent verbatim, never stored.
        auth: A credential instead of the client's, for the origin of `url` alone; None for none.
        json: A JSON body: plain data or a pydantic model.
        data: A form body (`application/x-www-form-urlencoded`), or the fields beside `files`.
        content: A raw body: bytes, text, a file object, or an (async) iterable of bytes.
        files: A multipart body: name -> path, bytes, file object, or `(filename, content[, content_type])`;
            a filename of None makes a part that is not a file.
        id: The caller's own id of the request; outcomes and bulk rows show it.
        idempotency_key: True makes one; a string is sent as it is (header `Idempotency-Key`).
        idempotent: Whether sending it twice does its work once, as the caller knows; None for what its method and its
            key say.
        timeout: Seconds for the whole call or a `Timeout`, for this request only; None for no limit.
        retry: Most attempts or a `Retry`, for this request only; None for a single attempt.
        redirects: The most redirects followed, for this request only; 0 returns them.
        route: The template of the URL (`/users/{id}`): its label in metrics.
        wait: Whether, or for how many seconds, to wait in a queue for a place or a token.
        priority: Higher goes first in every queue; 0 is usual.
        tenant: Who the request is made for: tenants of the same priority take turns.

    Attributes:
        target: The URL as text, with the parts that every attempt needs.
        url: The URL as a `yarl.URL`, which is made when it is first read.
    """

    __slots__ = (
        "auth", "call", "content", "cookies", "data", "deadline", "files", "headers", "id", "idempotency_key",
        "idempotent", "json", "method", "params", "priority", "redirects", "retry", "route", "target", "tenant",
        "timeout", "wait",
    )  # fmt: skip

    call: Call
    deadline: float | None

    def __init__(
        self,
        method: str,
        url: str | URL,
        *,
        params: Params | None = None,
        headers: Headers | None = None,
        cookies: Mapping[str, str] | None = None,
        auth: Any = UNSET,
        json: Any = None,
        data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        content: Content | Body | None = None,
        files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        id: Any = None,  # noqa: A002 - the public name
        idempotency_key: str | bool | None = None,
        idempotent: bool | None = None,
        timeout: Any = UNSET,
        retry: Any = UNSET,
        redirects: int | None = None,
        route: str | None = None,
        wait: bool | float | Unset = UNSET,
        priority: int | None = None,
        tenant: str | None = None,
    ) -> None:
        self.method: str = method.upper()
        self.target: Target = Target.of(url)
        self.params: Params | None = params
        self.headers: CIMultiDict[str] = CIMultiDict(headers or ())
        self.cookies: Mapping[str, str] | None = cookies
        self.auth: Any = auth
        self.json: Any = json
        self.data: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = data
        self.content: Content | Body | None = content
        self.files: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = files
        self.id: Any = id
        self.idempotency_key: str | bool | None = idempotency_key
        self.idempotent: bool | None = idempotent
        self.timeout: Any = timeout
        self.retry: Any = retry
        self.redirects: int | None = redirects
        self.route: str | None = route
        self.wait: bool | float | Unset = wait
        self.priority: int | None = priority
        self.tenant: str | None = tenant
        self.deadline, self.call = None, NO_CALL

    @property
    def url(self) -> URL:
        """The URL as an object that keeps its text."""
        return self.target.url

    @url.setter
    def url(self, url: URL | str) -> None:
        self.target = Target.of(url)

    def copy(self, **changes: Any) -> Request:
        """Copy the request with some attributes replaced; headers are shared unless replaced."""
        if "url" in changes:
            changes["target"] = Target.of(changes["url"])
        twin = Request.__new__(Request)
        for name in Request.__slots__:
            setattr(twin, name, changes[name] if name in changes else getattr(self, name))
        return twin

    def with_headers(self, headers: CIMultiDict[str]) -> Request:
        """Copy the request with other headers: as `copy` does, in less time, for what is done for every attempt."""
        twin = Request.__new__(Request)
        twin.headers, twin.call, twin.target, twin.deadline = headers, self.call, self.target, self.deadline
        twin.method, twin.content, twin.params, twin.cookies = self.method, self.content, self.params, self.cookies
        twin.auth, twin.json, twin.data, twin.files, twin.id = self.auth, self.json, self.data, self.files, self.id
        twin.idempotency_key, twin.idempotent = self.idempotency_key, self.idempotent
        twin.timeout, twin.retry, twin.redirects, twin.route = self.timeout, self.retry, self.redirects, self.route
        twin.wait, twin.priority, twin.tenant = self.wait, self.priority, self.tenant
        return twin

    def redacted(self) -> Request:
        """Copy the request for display: secrets are masked; body, cookies and credential are left out."""
        return self.copy(
            url=URL(redact_url(self.target), encoded=True),
            headers=redact_headers(self.headers),
            auth=UNSET, cookies=None, params=None, json=None, data=None, content=None, files=None, call=NO_CALL,
        )  # fmt: skip

    def __repr__(self) -> str:
        return f"<Request {self.method} {redact_url(self.target)}>"
