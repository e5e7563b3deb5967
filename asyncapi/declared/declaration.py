"""Make the methods of declared clients: an endpoint as its decorator and its class declare it."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from asyncapi.declared.annotations import alternatives, hints_of, is_json, types_given_by, with_types
from asyncapi.declared.arguments import arguments_of
from asyncapi.declared.endpoint import Endpoint
from asyncapi.errors import ConfigError, StatusError
from asyncapi.pagination.pages import Pages
from asyncapi.speakers.websocket import WebSocket
from asyncapi.streaming.events import Events
from asyncapi.streaming.stream import JSONLines, Stream

if TYPE_CHECKING:
    from asyncapi.declared.api import API
    from asyncapi.declared.arguments import Arguments
    from asyncapi.declared.failures import Failures
    from asyncapi.messages.response import Response

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
    failures: Failures | None = None
    deprecated: str | None = None
    hints: Mapping[str, Any] | None = None
    types: Mapping[Any, Any] = field(default_factory=dict)

    def within(
        self, where: str, names: Mapping[str, Any], bases: Sequence[Any], deprecated: str | None = None
    ) -> Declaration:
        """Return the declaration for a class that declares or inherits it; itself where that makes no difference."""
        hints = self.hints if self.hints is not None else hints_of(where, self.function, names)
        types = types_given_by(self.types, bases[0]) if bases else self.types
        if hints is self.hints and types == self.types:
            return self
        return replace(self, hints=hints, types=types, deprecated=self.deprecated or deprecated)

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
        if endpoint.lazy is Pages and (endpoint.form or endpoint.files or (endpoint.body or "  ")[1] == "content"):
            raise ConfigError(f"{where}: a list in pages has a JSON body, in which by= sets its parameter")
        if self.until is not None and endpoint.lazy is not Events:
            raise ConfigError(f"{where}: until= in its decorator needs Events[...] as its return type")
        arguments = arguments_of(endpoint, self.headers)
        fixed = {**self.fixed, "route": self.path}
        if endpoint.lazy is None:
            made = self._single(endpoint, arguments, {**fixed, "model": endpoint.model})
        else:
            made = self._lazy(
                endpoint, arguments, self._start(endpoint), {**fixed, **(self.pages or {}), **(self.socket or {})}
            )
        if self.deprecated is not None:
            made = _warning(made, self.deprecated)
        setattr(made, DECLARED, self)
        return made

    def _single(self, endpoint: Endpoint, arguments: Arguments | None, fixed: dict[str, Any]) -> Any:
        verb, bind, url, raw, discards = self.method, endpoint.bind, endpoint.url, endpoint.raw, endpoint.discards
        failures, text = self.failures, endpoint.text
        if text:
            fixed["model"] = None

        @functools.wraps(self.function)
        async def method(self: API, *args: Any, **given: Any) -> Any:
            values = bind(self, args, given)
            try:
                if arguments is None:
                    answer: Any = await self.client.request(verb, url(values), **fixed)
                else:
                    answer = await self.client.request(verb, url(values), **{**fixed, **arguments(values)})
            except StatusError as error:
                if failures is not None:
                    failures.explain(error)
                raise
            return answer.content if raw else None if discards else _text(answer, endpoint.model) if text else answer

        return method

    def _lazy(self, endpoint: Endpoint, arguments: Arguments | None, start: Start, fixed: dict[str, Any]) -> Any:
        failures = None if endpoint.lazy is WebSocket else self.failures

        @functools.wraps(self.function)
        def method(self: API, *args: Any, **given: Any) -> Any:
            values = endpoint.bind(self, args, given)
            more = {} if arguments is None else arguments(values)
            made = start(self.client, endpoint.url(values), **{**fixed, **more})
            if failures is not None:
                made.through(failures.explaining)
            return made

        return method

    def _start(self, endpoint: Endpoint) -> Start:
        """Return the function that starts the call: of the client, the URL and the options of the call."""
        verb, model, until = self.method, endpoint.model, self.until
        if endpoint.lazy is Pages and verb == "POST":
            return lambda client, url, *, json=None, **call: client.paginate(
                url, model=model, json={} if json is None else json, **call
            )
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


Start = Callable[..., Any]


def _text(response: Response, model: Any) -> str | None:
    """The text of a response: of JSON the text that it is, of everything else the body."""
    kind = response.headers.get("Content-Type", "")
    if not response.content and type(None) in alternatives(model):
        return None
    if not kind or is_json(kind):
        return cast("str | None", response.parse(model))
    return response.text


def _warning(made: Any, message: str) -> Any:
    """Have a method warn that the API has deprecated it, as `typing_extensions.deprecated` does (PEP 702)."""

    @functools.wraps(made)
    def warned(self: API, *args: Any, **given: Any) -> Any:
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return made(self, *args, **given)

    warned.__deprecated__ = message  # type: ignore[attr-defined]
    if inspect.iscoroutinefunction(made) and (mark := getattr(inspect, "markcoroutinefunction", None)) is not None:
        mark(warned)
    return warned
