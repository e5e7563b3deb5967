"""From the signature of a declared method to the call it makes: checked once, when its class is made.

Where a parameter goes, if no marker says so:
1. Into the path, where a placeholder has its name.
2. Into the body, if it is a model (pydantic, dataclass, typed dictionary) or a list of them, on POST, PUT and PATCH.
3. Into the query, if it is text, a number, a date, an Enum and the like, or a list of them.
Anything else is an error. So is what could not be sent: a placeholder without a parameter, two bodies, a body on GET.

What is put into the path is percent-encoded whole, and refused where it would change the path: "", "." and "..".
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path as FilePath
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from urllib.parse import quote
from uuid import UUID

import pydantic

from asyncapi import decoding
from asyncapi.bodies import plain
from asyncapi.errors import ConfigError
from asyncapi.events import Events
from asyncapi.markers import MARKERS, Body, Header, Marker, Path, Query
from asyncapi.paginate import Pages
from asyncapi.sansio.sse import ServerSentEvent
from asyncapi.stream import JSONLines, Stream
from asyncapi.types import Response

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PLAIN = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum, type(None))
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
_RAW = (bytes, bytearray, memoryview, FilePath)
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_LAZY: dict[Any, Any] = {Pages: Any, JSONLines: Any, Events: None, Stream: None}  # and what they are of, if not said
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Part:
    """One parameter: its place in the signature, where it goes, and under which name."""

    at: int
    name: str
    dated: bool = False


class Endpoint:
    """A checked signature: turns the arguments of a call into those of `client.request`.

    Args:
        where: How errors call it, "Shop.user".
        method: HTTP method.
        path: Its template.
        function: As declared.
        names: What annotations may refer to besides the function's own module.

    Attributes:
        model: What the answer becomes: a type, or None for the Response itself.
        discards: Whether the answer is thrown away (`-> None`).
        lazy: `Pages`, `Stream`, `JSONLines` or `Events`, where it returns one of these; else None.

    Raises:
        ConfigError: The signature says what can't be sent.
    """

    def __init__(self, where: str, method: str, path: str, function: Any, names: Mapping[str, Any]) -> None:
        self.where = where
        self.method = method
        self.path = path
        self.signature = inspect.signature(function)
        try:
            hints = get_type_hints(function, localns=dict(names), include_extras=True)
        except (NameError, TypeError, AttributeError, SyntaxError) as error:
            raise self._wrong(f"an annotation can't be read: {error}") from None
        self._read_return(hints, is_async=inspect.iscoroutinefunction(function))
        self.query: list[Part] = []
        self.headers: list[Part] = []
        self.form: list[Part] = []
        self.in_path: dict[str, Part] = {}
        self.body: tuple[int, str] | None = None
        self._read_parameters(hints)
        self._head, *rest = self._split()
        self._tail = [(name, self.in_path[name].at, after) for name, after in zip(rest[::2], rest[1::2], strict=True)]

    # --- what a call does ---------------------------------------------------------------------------------------

    def bind(self, me: object, args: tuple[Any, ...], given: dict[str, Any]) -> Sequence[Any]:
        """The values of the parameters, in their order.

        Raises:
            TypeError: They do not fit the signature.
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
        """The path with its placeholders filled.

        Raises:
            ConfigError: A value that can't be in a path.
        """
        text = self._head
        for name, at, literal in self._tail:
            value = values[at]
            if type(value) is int:
                text += f"{value}{literal}"
            elif type(value) is str and value.isalnum() and value.isascii():
                text += value + literal
            else:
                text += self._segment(name, value) + literal
        return text

    def _segment(self, name: str, value: Any) -> str:
        text = value if type(value) is str else self._text(name, value)
        if text in {"", ".", ".."}:
            raise self._wrong(f"{name}={value!r} can't be in the path: it would make it another one")
        try:
            return quote(text, safe="")
        except UnicodeEncodeError:
            raise self._wrong(f"{name}={value!r} can't be written as UTF-8") from None

    def _text(self, name: str, value: Any) -> str:
        if value is None:
            raise self._wrong(f"{name}=None can't be in the path")
        return plain("path", name, dated(value))

    # --- what the signature says --------------------------------------------------------------------------------

    def _wrong(self, message: str) -> ConfigError:
        return ConfigError(f"{self.where}: {message}")

    def _read_return(self, hints: dict[str, Any], *, is_async: bool) -> None:
        if "return" not in hints:
            raise self._wrong(
                "say what it returns: a model, list[...], Response or None; "
                "Pages[...], Stream, JSONLines[...] or Events[...]"
            )
        made = hints.pop("return")
        self.lazy = next((kind for kind in _LAZY if kind in (made, get_origin(made))), None)
        if (self.lazy is None) != is_async:
            lazy = self.lazy and self.lazy.__name__
            raise self._wrong(f"{lazy} is declared with a plain def" if lazy else "declare it with async def")
        self.discards = made is type(None)
        self.model: Any = None
        if self.lazy is not None:
            self.model = get_args(made)[0] if get_args(made) else _LAZY[self.lazy]
            self.model = None if self.model is ServerSentEvent else self.model
        elif made is not Response and not self.discards:
            self.model = made
        try:
            decoding.adapter(Any if self.model is None else self.model)
        except ConfigError as error:
            raise self._wrong(error.message) from error

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
        if self.body is not None and self.form:
            raise self._wrong("a body and form fields: there is one body")
        if (self.body is not None or self.form) and self.method in {"GET", "HEAD"}:
            raise self._wrong(f"a {self.method} has no body: servers and proxies drop it")

    def _place(self, index: int, parameter: inspect.Parameter, hint: Any) -> None:
        name, (kind, marker) = parameter.name, self._marker(parameter.name, hint)
        if marker is None:
            marker = self._usual(name, kind)
        elif not isinstance(marker, Body) and (_is_model(kind) or kind in _RAW):
            raise self._wrong(f"{name}: {kind!r} can't be written as text; it goes into the body (Body())")
        if isinstance(marker, Body):
            if self.body is not None:
                raise self._wrong(f"{self._names(self.body[0])} and {name} are both the body: put them into one model")
            self.body = index, "content" if _is_raw(kind) else "json"
            return
        part = Part(index, marker.name or name, _has_dates(kind))
        if isinstance(marker, Path):
            if part.name not in _PLACEHOLDER.findall(self.path):
                raise self._wrong(f"{name} is for the path, but there is no {{{part.name}}} in {self.path!r}")
            if type(None) in get_args(kind):
                raise self._wrong(f"{name}: what is in the path can't be None")
            self.in_path[part.name] = part
        elif isinstance(marker, Header):
            self.headers.append(Part(index, marker.name or name.replace("_", "-"), part.dated))
        else:
            (self.query if isinstance(marker, Query) else self.form).append(part)

    def _marker(self, name: str, hint: Any) -> tuple[Any, Marker | None]:
        if any(_notes(one) for one in _alternatives(hint) if one is not hint):
            raise self._wrong(f"{name}: write Annotated around the whole, as in Annotated[str | None, Query()]")
        if get_origin(hint) is not Annotated:
            return hint, None
        kind, made = get_args(hint)[0], _notes(hint)
        if len(made) > 1:
            raise self._wrong(f"{name} has {len(made)} markers: it goes to one place")
        return kind, made[0] if made else None

    def _usual(self, name: str, kind: Any) -> Marker:
        if name in _PLACEHOLDER.findall(self.path):
            return Path()
        if _is_model(kind):
            if self.method in _WITH_BODY:
                return Body()
            raise self._wrong(f"{name}: a {self.method} has no body for {kind!r}")
        if _is_plain(kind, lists=True):
            return Query()
        raise self._wrong(
            f"{name}: no place for {kind!r}; say where it goes: Annotated[..., Body()], Query(), Header() or Form()"
        )

    def _names(self, index: int) -> str:
        return list(self.signature.parameters)[1 + index]

    def _split(self) -> list[str]:
        """The template as literals and placeholders in turn."""
        address = self.path.partition("?")[0]
        head = address.partition("://")[2].partition("/")[0] if "://" in address else ""
        bare = _PLACEHOLDER.sub("", address)
        if not self.path or "{" in head or set("{}") & set(bare + self.path[len(address) :]):
            raise self._wrong(f"{self.path!r} is no template: write /users/{{id}}, with placeholders in the path alone")
        return _PLACEHOLDER.split(self.path)


def dated(value: Any) -> Any:
    """Dates and times as ISO 8601, within lists too; everything else as it is."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [dated(one) for one in value]
    return value


def _notes(hint: Any) -> list[Marker]:
    """The markers of an Annotated; a class counts as its usual value."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    made = [note() if isinstance(note, type) and issubclass(note, MARKERS) else note for note in notes]
    return [note for note in made if isinstance(note, MARKERS)]


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def _bare(kind: Any) -> Any:
    while get_origin(kind) is Annotated or isinstance(kind, NewType):
        kind = kind.__supertype__ if isinstance(kind, NewType) else get_args(kind)[0]
    return kind


def _is_plain(kind: Any, *, lists: bool) -> bool:
    kind = _bare(kind)
    if kind is Any or get_origin(kind) is Literal:
        return True
    options = _alternatives(kind)
    if len(options) > 1:
        return all(_is_plain(one, lists=lists) for one in options)
    if lists and get_origin(kind) in _LISTS:
        return all(one is Ellipsis or _is_plain(one, lists=False) for one in get_args(kind))
    if lists and kind in _LISTS:
        return True
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, _PLAIN)


def _is_model(kind: Any) -> bool:
    """Whether it is, holds, or may be a model."""
    kind = _bare(kind)
    if get_origin(kind) is not None:
        return any(_is_model(one) for one in get_args(kind)) or get_origin(kind) in {dict, Mapping}
    if not isinstance(kind, type):
        return is_typeddict(kind)
    return issubclass(kind, pydantic.BaseModel | Mapping) or is_dataclass(kind) or is_typeddict(kind)


def _is_raw(kind: Any) -> bool:
    """Whether it is sent as it is: bytes, a file's path, an iterable of bytes."""
    options = [one for one in map(_bare, _alternatives(_bare(kind))) if one is not type(None)]
    return bool(options) and all(one in _RAW or get_args(one)[:1] == (bytes,) for one in options)


def _has_dates(kind: Any) -> bool:
    kind = _bare(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    return any(_has_dates(one) for one in get_args(kind)) or (isinstance(kind, type) and issubclass(kind, date | time))
