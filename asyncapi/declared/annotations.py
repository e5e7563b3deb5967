"""What an annotation says: what kind of thing it is, and what type variables stand for in it."""

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

from asyncapi.declared.markers import MARKERS, Marker
from asyncapi.errors import ConfigError

RAW = (bytes, bytearray, memoryview, FilePath)
_PLAIN = (str, int, float, bool, Decimal, UUID, date, datetime, time, timedelta, Enum, type(None))
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)


def hints_of(where: str, function: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of a function.

    Args:
        where: How errors call it.
        function: Any.
        names: What they may refer to besides the function's own module.

    Raises:
        ConfigError: One refers to what is not there.
    """
    try:
        return get_type_hints(function, localns=dict(names), include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise ConfigError(f"{where}: an annotation can't be read: {error}") from None


def given_by(types: Mapping[Any, Any], base: Any) -> dict[Any, Any]:
    """What type variables stand for in a class derived from `base`, which may say so: `Crud[User]`."""
    origin = get_origin(base)
    given = dict(zip(getattr(origin, "__parameters__", ()), get_args(base), strict=False))
    return {**given, **{variable: filled(kind, given) for variable, kind in types.items()}}


def filled(hint: Any, types: Mapping[Any, Any]) -> Any:
    """The annotation with its type variables replaced."""
    if isinstance(hint, TypeVar):
        return types.get(hint, hint)
    model = getattr(hint, "__pydantic_generic_metadata__", None)  # Batch[T] is a class, or Batch itself
    if model is not None:
        variables = model["parameters"]
    else:
        variables = () if isinstance(hint, type) and get_origin(hint) is None else getattr(hint, "__parameters__", ())
    return hint[tuple(types.get(one, one) for one in variables)] if variables else hint


def is_open(kind: Any) -> bool:
    """Whether it holds a type variable that nobody has given yet."""
    return isinstance(kind, TypeVar) or any(is_open(one) for one in get_args(kind))


def dated(value: Any) -> Any:
    """Dates and times as ISO 8601, within lists too; everything else as it is."""
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return [dated(one) for one in value]
    return value


def notes(hint: Any) -> list[Marker]:
    """The markers of an Annotated; a class counts as its usual value."""
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    made = [note() if isinstance(note, type) and issubclass(note, MARKERS) else note for note in notes]
    return [note for note in made if isinstance(note, MARKERS)]


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    return get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)


def bare(kind: Any) -> Any:
    """The type below Annotated and NewType."""
    while get_origin(kind) is Annotated or isinstance(kind, NewType):
        kind = kind.__supertype__ if isinstance(kind, NewType) else get_args(kind)[0]
    return kind


def is_plain(kind: Any, *, lists: bool) -> bool:
    """Whether it has one plain text form, or, with `lists`, may be a list of such."""
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
    """Whether it is, holds, or may be a model."""
    kind = bare(kind)
    if get_origin(kind) is not None:
        return any(is_model(one) for one in get_args(kind)) or get_origin(kind) in {dict, Mapping}
    if not isinstance(kind, type):
        return is_typeddict(kind)
    return issubclass(kind, pydantic.BaseModel | Mapping) or is_dataclass(kind) or is_typeddict(kind)


def is_raw(kind: Any) -> bool:
    """Whether it is sent as it is: bytes, a file's path, an iterable of bytes."""
    options = [one for one in map(bare, alternatives(bare(kind))) if one is not type(None)]
    return bool(options) and all(one in RAW or get_args(one)[:1] == (bytes,) for one in options)


def has_dates(kind: Any) -> bool:
    """Whether a value of it may be, or hold, a date or a time."""
    kind = bare(kind)
    if kind is Any or isinstance(kind, TypeVar):
        return True
    return any(has_dates(one) for one in get_args(kind)) or (isinstance(kind, type) and issubclass(kind, date | time))
