"""Read an annotation: what kind of type it is, and what its type variables stand for."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
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
from uuid import UUID

import pydantic
from typing_extensions import TypeAliasType

from asyncapi.declared.markers import MARKERS, Marker
from asyncapi.errors import ConfigError

RAW = (bytes, bytearray, memoryview, FilePath)
_PLAIN = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum, type(None))
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)


def hints_of(where: str, function: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of a function.

    Args:
        where: How errors call it.
        function: Any.
        names: What they may refer to besides the function's own module.

    Raises:
        ConfigError: An annotation refers to a name that does not exist.
    """
    try:
        return get_type_hints(function, localns=dict(names), include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigError(f"{where}: an annotation can't be read: {error}") from None


def types_given_by(types: Mapping[Any, Any], base: Any) -> dict[Any, Any]:
    """Return what type variables stand for in a class derived from `base`, such as `Crud[User]`."""
    origin = get_origin(base)
    given = dict(zip(getattr(origin, "__parameters__", ()), get_args(base), strict=False))
    return {**given, **{variable: with_types(kind, given) for variable, kind in types.items()}}


def with_types(hint: Any, types: Mapping[Any, Any]) -> Any:
    """Replace the type variables of an annotation."""
    if isinstance(hint, TypeVar):
        return types.get(hint, hint)
    model = getattr(hint, "__pydantic_generic_metadata__", None)  # Batch[T] is a class, or Batch itself
    if model is not None:
        variables = model["parameters"]
    else:
        variables = () if isinstance(hint, type) and get_origin(hint) is None else getattr(hint, "__parameters__", ())
    return hint[tuple(types.get(one, one) for one in variables)] if variables else hint


def is_open(kind: Any) -> bool:
    """Whether the type holds a type variable without a type."""
    return isinstance(kind, TypeVar) or any(is_open(one) for one in get_args(kind))


def iso_dates(value: Any) -> Any:
    """Write dates and times as ISO 8601, within lists too; return everything else as it is."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [iso_dates(one) for one in value]
    return value


def notes(hint: Any) -> list[Marker]:
    """Return the markers of an Annotated; a class counts as its default instance."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    made = [note() if isinstance(note, type) and issubclass(note, MARKERS) else note for note in notes]
    return [note for note in made if isinstance(note, MARKERS)]


def alternatives(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def bare(kind: Any) -> Any:
    """Return the type below Annotated, NewType and named aliases."""
    while True:
        if isinstance(kind, NewType):
            kind = kind.__supertype__
        elif get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif isinstance(kind, TypeAliasType):
            kind = kind.__value__
        else:
            return kind


def is_plain(kind: Any, *, lists: bool) -> bool:
    """Whether a value of the type has one plain text form, or, with `lists`, may be a list of such."""
    kind = bare(kind)
    if kind is Any or get_origin(kind) is Literal:
        return True
    options = alternatives(kind)
    if len(options) > 1:
        return all(is_plain(one, lists=lists) for one in options)
    if lists and get_origin(kind) in _LISTS:
        return all(one is Ellipsis or is_plain(one, lists=False) for one in get_args(kind))
    if lists and kind in _LISTS:
        return True
    return isinstance(kind, type) and get_origin(kind) is None and issubclass(kind, _PLAIN)


def is_model(kind: Any) -> bool:
    """Whether the type is, holds, or may be a model."""
    kind = bare(kind)
    if get_origin(kind) is not None:
        return any(is_model(one) for one in get_args(kind)) or get_origin(kind) in {dict, Mapping}
    if not isinstance(kind, type):
        return is_typeddict(kind)
    return issubclass(kind, pydantic.BaseModel | Mapping) or is_dataclass(kind) or is_typeddict(kind)


def is_raw(kind: Any) -> bool:
    """Whether a value of the type is sent as it is: bytes, the path of a file, an iterable of bytes."""
    options = [one for one in map(bare, alternatives(bare(kind))) if one is not type(None)]
    return bool(options) and all(one in RAW or get_args(one)[:1] == (bytes,) for one in options)


def is_content(media_type: str | None, kind: Any) -> bool:
    """Whether a body is sent as it is: its content type is not JSON; or none is said, and its type is raw."""
    if media_type is None:
        return is_raw(kind)
    return not is_json(media_type)


def is_json(media_type: str) -> bool:
    """Whether a content type is JSON (RFC 6839 section 3.1)."""
    return media_type.partition(";")[0].strip().lower().endswith(("/json", "+json"))


def has_dates(kind: Any) -> bool:
    """Whether a value of the type may be, or hold, a date or a time."""
    kind = bare(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    return any(has_dates(one) for one in get_args(kind)) or (isinstance(kind, type) and issubclass(kind, date | time))
