"""Make the methods of declared clients: an endpoint as its decorator and its class declare it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from asyncapi.declared.annotations import hints_of, iso_dates, types_given_by, with_types
from asyncapi.declared.endpoint import Endpoint
from asyncapi.errors import ConfigError
from asyncapi.messages.encoding import to_text
from asyncapi.pagination.pages import Pages
from asyncapi.speakers.websocket import WebSocket
from asyncapi.streaming.events import Events
from asyncapi.streaming.stream import JSONLines, Stream
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from asyncapi.declared.api import API
    from asyncapi.declared.endpoint import Parameter

DECLARED = "__asyncapi__"
"""The attribute of a method that has its `Declaration`."""


@dataclass(frozen=True, slots=True, eq=False)
class Declaration:
    """An endpoint as its decorator and its class declare it; `method_of` makes the method that takes its place."""

    method: str
    path: str
    headers: dict[str, str]
    fixed: dict[str, Any]
    pages: dict[str, Any] | None
    until: str | None
    socket: dict[str, Any] | None
    function: Any
    hints: Mapping[str, Any] | None = None
    types: Mapping[Any, Any] = field(default_factory=dict)

    def within(self, where: str, names: Mapping[str, Any], bases: Sequence[Any]) -> Declaration:
        """Return the declaration for a class that declares or inherits it; itself where that makes no difference."""
        hints = self.hints if self.hints is not None else hints_of(where, self.function, names)
        types = types_given_by(self.types, bases[0]) if bases else self.types
        if hints is self.hints and types == self.types:
            return self
        return replace(self, hints=hints, types=types)

    def method_of(self, where: str) -> Any:
        """Make the method.

        Args:
            where: How errors call it, "Shop.user".

        Raises:
            ConfigError: The signature names what can't be sent.
        """
        hints = {name: with_types(hint, self.types) for name, hint in (self.hints or {}).items()}
        endpoint = Endpoint(where, self.method, self.path, self.function, hints)
        if (endpoint.lazy is Pages) != (self.pages is not None):
            raise ConfigError(f"{where}: Pages[...] as its return type and by= in its decorator go together")
        if (endpoint.lazy is WebSocket) != (self.socket is not None):
            raise ConfigError(f"{where}: WebSocket[...] as its return type and @websocket go together")
        if self.until is not None and endpoint.lazy is not Events:
            raise ConfigError(f"{where}: until= in its decorator needs Events[...] as its return type")
        arguments = _arguments(endpoint, self.headers)
        fixed = {**self.fixed, "route": self.path}
        if endpoint.lazy is None:
            made = self._single(endpoint, arguments, {**fixed, "model": endpoint.model})
        else:
            made = self._lazy(
                endpoint, arguments, self._start(endpoint), {**fixed, **(self.pages or {}), **(self.socket or {})}
            )
        setattr(made, DECLARED, self)
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
        if endpoint.lazy is WebSocket:
            return lambda client, url, **call: client.websocket(url, model=model, **call)
        if endpoint.lazy is JSONLines:
            return lambda client, url, **call: JSONLines(client.stream(verb, url, **call), model)
        if endpoint.lazy is Stream:
            return lambda client, url, **call: client.stream(verb, url, **call)
        if verb == "GET":
            return lambda client, url, **call: client.events(url, model=model, until=until, **call)
        return lambda client, url, **call: Events.of(client.stream(verb, url, **call), model, until)


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
