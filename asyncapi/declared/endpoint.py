"""Turn the signature of a declared method into the call that it makes; checked once, when its class is made.

Where a parameter goes, if no marker says so:
1. Into the path, where a placeholder has its name.
2. Into the body, if it is a model (pydantic, dataclass, typed dictionary) or a list of them, on POST, PUT and PATCH.
3. Into the query, if it is text, a number, a date, an Enum and the like, or a list of them.
Anything else is an error. So is what could not be sent: a placeholder without a parameter, two bodies, a body on GET,
two parameters of one name.

In a generic class a type variable stands for what a subclass names (`class Users(Crud[User])`); before that it is a
body.

What is put into the path is percent-encoded whole, and refused where it would change the path: "", "." and "..".
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import quote

from asyncapi.calls.arguments import checked_headers
from asyncapi.declared.annotations import (
    RAW,
    alternatives,
    bare,
    has_dates,
    is_content,
    is_model,
    is_open,
    is_plain,
    iso_dates,
    notes,
)
from asyncapi.declared.markers import Body, Cookie, Form, Header, Marker, Option, Path, Query, Upload
from asyncapi.declared.styles import STYLES, path_text
from asyncapi.errors import ConfigError
from asyncapi.messages import decoding
from asyncapi.messages.encoding import to_text
from asyncapi.messages.response import Response
from asyncapi.options import SHARED
from asyncapi.pagination.pages import Pages
from asyncapi.sansio.http.sse import ServerSentEvent
from asyncapi.speakers.websocket import WebSocket
from asyncapi.streaming.events import Events
from asyncapi.streaming.stream import JSONLines, Stream

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_LIST_OPTIONS = SHARED - {"params", "headers", "route"}  # which the declaration itself says
_OPTIONS = _LIST_OPTIONS | {"idempotency_key", "idempotent"}
SOCKET_OPTIONS = frozenset(
    {"subprotocols", "on_open", "reconnect", "reconnect_on", "heartbeat", "max_message", "compress"}
)
_OPTIONS_OF: dict[Any, frozenset[str]] = {
    Pages: _LIST_OPTIONS,
    Events: _LIST_OPTIONS,
    WebSocket: _LIST_OPTIONS | SOCKET_OPTIONS,
}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
# and what they are of, if not said
_LAZY: dict[Any, Any] = {Pages: Any, JSONLines: Any, Events: None, Stream: None, WebSocket: None}
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its place in the signature, where it goes, and under which name."""

    at: int
    name: str
    dated: bool = False
    style: str | None = None
    explode: bool | None = None
    is_json: bool = False


class Endpoint:
    """A checked signature: turns the arguments of a call into those of `client.request`.

    Args:
        where: How errors call it, "Shop.user".
        method: HTTP method.
        path: Its template.
        function: As declared.
        hints: Its annotations, with type variables replaced.

    Attributes:
        model: What the response becomes: a type, or None for the Response itself.
        discards: Whether the response is discarded (`-> None`).
        text: Whether the method returns text, whatever its content type (`-> str`).
        raw: Whether the method returns the bytes of the response (`-> bytes`).
        lazy: `Pages`, `Stream`, `JSONLines`, `Events` or `WebSocket`, where it returns one of these; else None.

    Raises:
        ConfigError: The signature names what can't be sent.
    """

    discards: bool
    raw: bool
    text: bool

    def __init__(self, where: str, method: str, path: str, function: Any, hints: Mapping[str, Any]) -> None:
        self.where = where
        self.method = method
        self.path = path
        self.signature: inspect.Signature = inspect.signature(function)
        hints = dict(hints)
        self._read_return(hints, is_async=inspect.iscoroutinefunction(function))
        self.query: list[Parameter] = []
        self.headers: list[Parameter] = []
        self.cookies: list[Parameter] = []
        self.form: list[Parameter] = []
        self.files: list[Parameter] = []
        self.options: list[Parameter] = []
        self.in_path: dict[str, Parameter] = {}
        self.body: tuple[int, str] | None = None
        self.media_type: str | None = None
        self._read_parameters(hints)
        self._styled = any(part.style is not None for part in self.in_path.values())
        self._head, *rest = self._split()
        self._tail = [(name, self.in_path[name].at, after) for name, after in zip(rest[::2], rest[1::2], strict=True)]

    # --- what a call does ---------------------------------------------------------------------------------------

    def bind(self, me: object, args: tuple[Any, ...], given: dict[str, Any]) -> Sequence[Any]:
        """Return the values of the parameters, in their order.

        Raises:
            TypeError: The arguments do not fit the signature.
        """
        if not given and len(args) == self._count == self._positional:
            return args
        known = len(args)
        values = [*args, *self._defaults[known:]]
        fits = known <= self._positional
        for name, value in given.items():
            at = self._index.get(name, -1)
            if at < known:  # unknown, or given twice
                fits = False
                break
            values[at] = value
        if fits:
            for at in self._required:
                if values[at] is _MISSING:
                    break
            else:
                return values
        self.signature.bind(me, *args, **given)  # raises what Python itself would
        raise TypeError(f"{self.where}: {args!r:.80}, {given!r:.80}")

    def url(self, values: Sequence[Any]) -> str:
        """Fill the placeholders of the path.

        Raises:
            ConfigError: A value that can't be in a path.
        """
        text = self._head
        for name, at, literal in self._tail:
            value = values[at]
            if self._styled:
                text += self._segment(name, value) + literal
            elif type(value) is int:
                text += f"{value}{literal}"
            elif type(value) is str and value.isalnum() and value.isascii():
                text += value + literal
            else:
                text += self._segment(name, value) + literal
        return text

    def _segment(self, name: str, value: Any) -> str:
        part = self.in_path[name]
        if part.style is not None or isinstance(value, list | tuple | set | frozenset):
            return path_text(name, value, part.style or "simple", bool(part.explode))
        text = value if type(value) is str else self._text(name, value)
        if text in {"", ".", ".."}:
            raise self._wrong(f"{name}={value!r} can't be in the path: it would change the path")
        try:
            return quote(text, safe="")
        except UnicodeEncodeError:
            raise self._wrong(f"{name}={value!r} can't be written as UTF-8") from None

    def _text(self, name: str, value: Any) -> str:
        if value is None:
            raise self._wrong(f"{name}=None can't be in the path")
        return to_text("path", name, iso_dates(value))

    # --- what the signature says --------------------------------------------------------------------------------

    @property
    def _what(self) -> str:
        return "the handshake of a WebSocket" if self.lazy is WebSocket else f"a {self.method}"

    def _wrong(self, message: str) -> ConfigError:
        return ConfigError(f"{self.where}: {message}")

    def _read_return(self, hints: dict[str, Any], *, is_async: bool) -> None:
        if "return" not in hints:
            raise self._wrong(
                "say what it returns: a model, list[...], Response or None; "
                "Pages[...], Stream, JSONLines[...], Events[...] or WebSocket[...]"
            )
        made = hints.pop("return")
        self.lazy: Any | None = next((kind for kind in _LAZY if kind in (made, get_origin(made))), None)
        if (self.lazy is None) != is_async:
            lazy = self.lazy and self.lazy.__name__
            raise self._wrong(f"{lazy} is declared with a plain def" if lazy else "declare it with async def")
        self.discards, self.raw = made is type(None), made is bytes
        self.text = set(alternatives(bare(made))) in ({str}, {str, type(None)})
        self.model: Any = None
        if self.lazy is not None:
            self.model = get_args(made)[0] if get_args(made) else _LAZY[self.lazy]
            self.model = None if self.model is ServerSentEvent else self.model
            if self.lazy is WebSocket:
                self._read_messages()
        elif made is not Response and not (self.discards or self.raw):
            self.model = made
        self._try(decoding.adapter, Any if self.model is None else self.model)

    def _read_messages(self) -> None:
        """Take text and bytes as they come: a model is that of a message's JSON."""
        kinds = set(alternatives(bare(self.model)))
        if kinds == {str, bytes}:
            self.model = None
        elif kinds & {str, bytes, bytearray, memoryview}:
            raise self._wrong(
                "WebSocket[...] names the model of JSON messages; "
                "WebSocket[str | bytes] takes text and bytes as they are"
            )

    def _read_parameters(self, hints: dict[str, Any]) -> None:
        parameters = list(self.signature.parameters.values())[1:]
        for index, parameter in enumerate(parameters):
            name = parameter.name
            if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                raise self._wrong(f"*{name}: name every parameter")
            if name not in hints:
                raise self._wrong(f"the parameter {name!r} has no annotation")
            self._place(index, parameter, hints[name])
        self._count = len(parameters)
        self._positional = sum(one.kind in _POSITIONAL for one in parameters)
        self._index = {one.name: at for at, one in enumerate(parameters) if one.kind is not one.POSITIONAL_ONLY}
        self._defaults = [_MISSING if one.default is one.empty else one.default for one in parameters]
        self._required = [at for at, default in enumerate(self._defaults) if default is _MISSING]
        for name in _PLACEHOLDER.findall(self.path):
            if name not in self.in_path:
                raise self._wrong(f"the placeholder {{{name}}} has no parameter")
        self._check_names()
        if self.body is not None and (self.form or self.files):
            raise self._wrong("a body and form fields: there is one body")
        if (self.body is not None or self.form or self.files) and self.method in {"GET", "HEAD"}:
            raise self._wrong(f"{self._what} has no body: servers and proxies drop it")

    def _check_names(self) -> None:
        for parts in (self.query, self.form + self.files, self.headers, self.cookies, self.options):
            seen: dict[str, Parameter] = {}
            for part in parts:
                name = part.name.lower() if parts is self.headers else part.name
                if name in seen:
                    one, two = self._names(seen[name].at), self._names(part.at)
                    raise self._wrong(f"{one} and {two} are both {part.name!r}: one would be lost")
                seen[name] = part

    def _place(self, index: int, parameter: inspect.Parameter, hint: Any) -> None:
        name, (kind, marker) = parameter.name, self._marker(parameter.name, hint)
        if marker is None:
            marker = self._usual(name, kind)
        elif not isinstance(marker, Body | Upload | Option) and self._has_no_text(marker, kind):
            raise self._wrong(f"{name}: {kind!r} can't be written as text; it goes into the body (Body())")
        if isinstance(marker, Body):
            if self.body is not None:
                raise self._wrong(f"{self._names(self.body[0])} and {name} are both the body: put them into one model")
            self.body = index, "content" if is_content(marker.media_type, kind) else "json"
            self.media_type = marker.media_type
            return
        style, explode = getattr(marker, "style", None), getattr(marker, "explode", None)
        self._check_style(marker, style)
        if (isinstance(marker, Query) and style is None and explode is False) or (
            isinstance(marker, Form) and style is None and explode is not None
        ):
            style = "form"
        part = Parameter(index, marker.name or name, has_dates(kind), style, explode, is_model(kind))
        self._put(part, marker, name, kind)

    def _has_no_text(self, marker: Marker, kind: Any) -> bool:
        """Whether values of the type can't be written where the marker says."""
        can_hold_objects = isinstance(marker, Form) or getattr(marker, "style", None) is not None
        return kind in RAW or (is_model(kind) and not can_hold_objects)

    def _check_style(self, marker: Marker, style: str | None) -> None:
        known = STYLES.get(type(marker))
        if style is not None and known is not None and style not in known:
            raise self._wrong(f"style={style!r} is not a style of {type(marker).__name__}: {', '.join(sorted(known))}")

    def _put(self, part: Parameter, marker: Marker, name: str, kind: Any) -> None:
        if isinstance(marker, Path):
            if part.name not in _PLACEHOLDER.findall(self.path):
                raise self._wrong(f"{name} is for the path, but there is no {{{part.name}}} in {self.path!r}")
            if type(None) in get_args(kind):
                raise self._wrong(f"{name}: a value in the path can't be None")
            self.in_path[part.name] = part
        elif isinstance(marker, Header):
            part = replace(part, name=marker.name or name.replace("_", "-"))
            self._try(checked_headers, {part.name: ""})
            self.headers.append(part)
        elif isinstance(marker, Option):
            if part.name not in _OPTIONS_OF.get(self.lazy, _OPTIONS):
                what = "a call" if self.lazy is None else self.lazy.__name__
                raise self._wrong(f"{part.name!r} is not an option of {what}: see Option")
            self.options.append(part)
        else:
            places = {Query: self.query, Cookie: self.cookies, Upload: self.files}
            places.get(type(marker), self.form).append(part)

    def _try(self, check: Callable[[Any], object], value: Any) -> None:
        try:
            check(value)
        except ConfigError as error:
            raise self._wrong(error.message) from error

    def _marker(self, name: str, hint: Any) -> tuple[Any, Marker | None]:
        if any(notes(one) for one in alternatives(hint) if one is not hint):
            raise self._wrong(f"{name}: write Annotated around the whole, as in Annotated[str | None, Query()]")
        if get_origin(hint) is not Annotated:
            return hint, None
        kind, made = get_args(hint)[0], notes(hint)
        if len(made) > 1:
            raise self._wrong(f"{name} has {len(made)} markers: it goes to one place")
        return kind, made[0] if made else None

    def _usual(self, name: str, kind: Any) -> Marker:
        if name in _PLACEHOLDER.findall(self.path):
            return Path()
        if is_model(kind) or is_open(kind):
            if self.method in _WITH_BODY:
                return Body()
            raise self._wrong(f"{name}: {self._what} has no body for {kind!r}")
        if is_plain(kind, lists=True):
            return Query()
        raise self._wrong(
            f"{name}: no place for {kind!r}; say where it goes: Annotated[..., Body()], Query(), Header() or Form()"
        )

    def _names(self, index: int) -> str:
        return list(self.signature.parameters)[1 + index]

    def _split(self) -> list[str]:
        """Split the template into literals and placeholders, in turn."""
        address = self.path.partition("?")[0]
        head = address.partition("://")[2].partition("/")[0] if "://" in address else ""
        bare = _PLACEHOLDER.sub("", address)
        if not self.path or "{" in head or set("{}") & set(bare + self.path[len(address) :]):
            raise self._wrong(
                f"{self.path!r} is not a template: write /users/{{id}}, with placeholders in the path alone"
            )
        return _PLACEHOLDER.split(self.path)
