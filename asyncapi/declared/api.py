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

        @websocket("/feed/{room}")
        def feed(self, room: str) -> WebSocket[Trade | Quote]: ...

    async with Shop("https://api.example.com") as shop:
        user = await shop.user(1)

Rules:
1. Signatures are checked when the class is made (`asyncapi/declared/endpoint.py` has the rules); the bodies of methods
   never run.
2. A method whose result arrives bit by bit is a plain `def`: `Pages[Item]`; and, for `async with`, `Stream` (the
   response while it arrives), `JSONLines[Row]`, `Events[Price]` (on a GET a subscription, which reconnects; else the
   events of one response), `WebSocket[Trade]`.
3. A method keeps its signature for readers and type checkers; its return type is the model of the response.
4. The template is the route: the call's name in metrics.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self, get_origin

from yarl import URL

from asyncapi.client.client import Client
from asyncapi.declared.declaration import DECLARED, Declaration
from asyncapi.declared.decorators import delete, get, operation, patch, post, put, websocket
from asyncapi.declared.markers import Body, Cookie, Form, Header, Option, Path, Query, Upload
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "API",
    "Body",
    "Cookie",
    "Form",
    "Header",
    "Option",
    "Path",
    "Query",
    "Upload",
    "delete",
    "get",
    "operation",
    "patch",
    "post",
    "put",
    "websocket",
]


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
            declared: Declaration | None = getattr(getattr(value, "__func__", value), DECLARED, None)
            if declared is None:
                continue
            if isinstance(value, staticmethod | classmethod):
                raise ConfigError(f"{cls.__qualname__}.{name}: declare a plain method, with self")
            given = [base for base in vars(cls).get("__orig_bases__", ()) if _has(get_origin(base), name, value)]
            made = declared.within(f"{cls.__qualname__}.{name}", names, given, getattr(value, "__deprecated__", None))
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


def _has(base: Any, name: str, value: Any) -> bool:
    """Whether a class has this value under this name."""
    return isinstance(base, type) and inspect.getattr_static(base, name, None) is value


def _names_around(frame: Any) -> dict[str, Any]:
    """Return the local names where the class is made, for models that are defined in a function."""
    while frame is not None and frame.f_code.co_name == "__init_subclass__":
        frame = frame.f_back
    return {} if frame is None else dict(frame.f_locals)
