"""The options of a mock's routes, for type checkers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncapi.messages.request import Request


class RouteOptions(TypedDict, total=False):
    """What a route asks of a request beside its method and its URL.

    Values are text, a `re.Pattern`, a function that returns whether a value fits, or None for what must not be there.

    Attributes:
        host: The host, perhaps with its port; `*` stands for any text.
        params: Query parameters that must be there.
        headers: Headers that must be there.
        json: What the JSON body must contain: the least of each object; lists in full. A model stands for its data.
        data: Form fields that must be there.
        files: The contents of files that must be there, by the names of their fields.
        content: The body: bytes, text, a pattern, or a function of the bytes.
        match: A function of the `Request` that returns whether it fits.
    """

    host: str
    params: Mapping[str, Any]
    headers: Mapping[str, Any]
    json: Any
    data: Mapping[str, Any]
    files: Mapping[str, Any]
    content: Any
    match: Callable[[Request], object]
