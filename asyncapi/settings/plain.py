"""Take the arguments of a settings class that are plainly right, without pydantic.

pydantic takes every value that is taken here too, and makes the same value of it (`tests/settings/test_plain.py` holds
this). Whatever needs a closer look is `Unsure`: another type, a value that a function has to check, a wrong value.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from asyncapi.settings.checks import Bounds

_SIMPLE = frozenset({bool, int, float, str})


class Unsure(Exception):
    """Only pydantic can tell."""


def plain_values(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name, as they are set.

    Raises:
        Unsure: One of them, or their number, is not plainly right.
    """
    fields = dataclasses.fields(made)
    names = [field.name for field in fields if not field.kw_only]
    given = dict(zip(names, args, strict=False)) | kwargs
    if len(given) != len(args) + len(kwargs) or not {field.name for field in fields if field.init}.issuperset(given):
        raise Unsure
    for field in fields:
        if field.name not in given and field.default is field.default_factory is dataclasses.MISSING:
            raise Unsure
    if not given:
        return given
    if hasattr(made, "__pydantic_decorators__") or any(_is_pydantic(value) for value in vars(made).values()):
        raise Unsure  # validators of its own
    hints = _hints(made)
    return {name: _taken(hints[name], value) for name, value in given.items()}


def _is_pydantic(value: Any) -> bool:
    return type(value).__module__.startswith("pydantic")


def _hints(made: Any) -> dict[str, Any]:
    try:
        return get_type_hints(made, include_extras=True)
    except NameError:
        raise Unsure from None


def _taken(hint: Any, value: Any) -> Any:
    """Return the value that a hint makes of `value`."""
    kind = type(value)
    choices = _choices(hint)
    for choice in choices:
        if _is(choice, value, kind):
            return dict(value) if kind is dict and choice is not Any else value
    # an int for a float, which nothing else would take
    if kind is int and not any(_base(choice) in {bool, int, str} for choice in choices):
        for choice in choices:
            if _base(choice) is float and _within(choice, value):
                return float(value)
    raise Unsure


def _choices(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in {Union, types.UnionType} else (hint,)


def _base(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _is(hint: Any, value: Any, kind: type) -> bool:
    """Whether a value is plainly what one choice demands."""
    origin = get_origin(hint)
    if origin is Literal:
        return any(value == choice and kind is type(choice) for choice in get_args(hint))
    if origin is tuple:
        item, *rest = get_args(hint)
        return kind is tuple and rest == [...] and all(_is(item, each, type(each)) for each in value)
    if origin is frozenset:
        [item] = get_args(hint)
        return kind is frozenset and all(_is(item, each, type(each)) for each in value)
    if origin is Mapping:
        name, item = get_args(hint)
        return kind is dict and all(
            _is(name, key, type(key)) and _is(item, value[key], type(value[key])) for key in value
        )
    base = _base(hint)
    if hint is Any:
        return True
    if hint is Path:
        return isinstance(value, Path)
    if base is not kind:
        return False
    return _within(hint, value) if kind in _SIMPLE else kind is types.NoneType or hasattr(kind, "__pydantic_config__")


def _within(hint: Any, value: Any) -> bool:
    """Whether a value keeps what is said beside the type; False where a function says it."""
    demands = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return all(type(demand) is Bounds and demand.hold(value) for demand in demands)
