"""Read the response of a page: its items as values of a model, and everything else as plain data, in one go.

The place of the items ("data.items") becomes a typed dictionary around `list[Model]` that lets everything else
through, so that the bytes are parsed once, and the error of a mismatch names its place in the response.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NotRequired, Required

from typing_extensions import TypedDict

from asyncapi.errors import ConfigError, DecodeError
from asyncapi.messages import decoding

if TYPE_CHECKING:
    from asyncapi.messages.response import Response

_USUAL = ("items", "results", "data")
_SHOWN = 12
_FAILURES = frozenset({"error", "errors"})
_REASONS = _FAILURES | {"message", "msg", "detail", "details", "code", "exception", "fault", "reason", "error_code"}


class ItemsReader:
    """Reads the responses of one list.

    Args:
        items: The place of the items: keys joined by dots, "" where the response itself is the list, with a "?" at its
            end where the server may leave it out. None takes the response itself, or its "items", "results" or "data",
            whichever is a list in the first response.
        model: What an item is, or None for plain data.

    Raises:
        ConfigError: The place can't be read, or pydantic can't validate the model.
    """

    def __init__(self, items: str | None, model: Any) -> None:
        self._model: Any = Any if model is None else model
        decoding.adapter(_list_of(self._model))
        self._path: tuple[str, ...] | None = None
        if items is not None:
            bare = items.removesuffix("?")
            path = tuple(bare.split(".")) if bare else ()
            if not all(path):
                raise ConfigError(f"items={items!r}: give the keys that lead to the list, like 'data.items'")
            self._settle_on(path, optional=items.endswith("?"))

    def read(self, response: Response) -> tuple[Any, list[Any]]:
        """Return the whole response as plain data, and its items.

        Raises:
            DecodeError: It isn't valid JSON, or (SchemaError) does not fit.
        """
        if response.status == 204:  # noqa: PLR2004 - No Content
            return None, []
        if self._path is None:
            place = _found(response)
            if place is None:
                return response.json(), []
            self._settle_on(place, optional=False)
        data = items = response.parse(self._shape)
        for key in self._path or ():
            items = None if items is None else items.get(key)
        if items is None and (failure := _reason(data, _FAILURES)) is not None:
            raise _no_list(response, f"no items in the response, but {failure!r}")
        return data, items or []

    def _settle_on(self, path: tuple[str, ...], *, optional: bool) -> None:
        self._path = path
        try:
            self._shape = _cached_shape(path, self._model, optional)
        except TypeError:  # a model that can't be hashed
            self._shape = _make_shape(path, self._model, optional)


def _found(response: Response) -> tuple[str, ...] | None:
    """Find the list in a response; None where it is null and nothing beside it says why."""
    data = response.json()
    if isinstance(data, list):
        return ()
    keys = data if isinstance(data, dict) else {}
    place = next((key for key in _USUAL if isinstance(keys.get(key), list)), None)
    if place is not None:
        return (place,)
    if any(key in keys and keys[key] is None for key in _USUAL) and not _reason(keys, _REASONS):
        return None
    shown = ", ".join(map(repr, list(keys)[:_SHOWN])) or f"a {type(data).__name__}"
    raise _no_list(response, f"no list of items found in the response ({shown})")


def _reason(data: Any, names: frozenset[str]) -> str | None:
    """Find a key of the response that may say why there are no items."""
    keys = data if isinstance(data, dict) else {}
    return next((key for key, value in keys.items() if value and key.lower() in names), None)


def _no_list(response: Response, message: str) -> DecodeError:
    return DecodeError(
        f"{message}: name its place, like items='data.items'",
        body=response.content,
        request=response.request,
        attempts=response.attempts,
    )


def _list_of(model: Any) -> Any:
    return list[model]


def _make_shape(path: tuple[str, ...], model: Any, optional: bool) -> Any:
    shape: Any = _list_of(model) | None
    name = f"a page of {model.__name__ if isinstance(model, type) else model}"
    for key in reversed(path):
        field: Any = NotRequired[shape] if optional else Required[shape]
        page = _typed_dict(name, {key: field})
        page.__pydantic_config__ = {"extra": "allow"}
        shape = page | None if optional else page
    return shape


_typed_dict: Any = TypedDict  # made from data: no checker could follow
_cached_shape = lru_cache(maxsize=256)(_make_shape)
