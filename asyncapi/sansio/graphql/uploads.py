"""Write uploads of files (github.com/jaydenseric/graphql-multipart-request-spec).

The body is multipart/form-data: `operations` is the JSON of the request, with null where a file goes; `map` says which
part goes where; the files follow, named "0", "1" ... The same file may go to several places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = "variables"


def parts(
    parameters: dict[str, Any], files: Mapping[Any, Any], write: Callable[[Any], bytes]
) -> tuple[list[tuple[str, str]], list[tuple[str, Any]]]:
    """Write a request with files, as fields and files of a form.

    Args:
        parameters: Those of `payloads.payload`.
        files: The place of each file ("file", "input.images.0") -> what `files=` takes.
        write: Writes plain data as JSON.

    Raises:
        ConfigError: There is no such place in the variables.
        ValueError: The variables can't be written as JSON.
    """
    variables = parameters.get(_ROOT)
    if variables is not None and not isinstance(variables, Mapping):
        raise ConfigError(f"variables={type(variables).__name__}: give a dict where there are files")
    variables = dict(variables or {})
    places: dict[int, list[str]] = {}
    given: dict[int, Any] = {}
    for place, file in files.items():
        path = place.removeprefix(f"{_ROOT}.") if isinstance(place, str) else ""
        if not path:
            raise ConfigError(f"files: {place!r} is no place: give the keys of the variables, like 'input.file'")
        variables = _with_null(variables, path.split("."), place)
        given[id(file)] = file
        places.setdefault(id(file), []).append(f"{_ROOT}.{path}")
    operations = write({**parameters, _ROOT: variables}).decode()
    numbered = dict(zip(map(str, range(len(places))), places.items(), strict=True))
    places_of = write({number: names for number, (_, names) in numbered.items()}).decode()
    return (
        [("operations", operations), ("map", places_of)],
        [(number, given[identity]) for number, (identity, _) in numbered.items()],
    )


def _with_null(value: Any, path: list[str], place: str) -> Any:
    """Copy plain data with null at a path."""
    key, *rest = path
    if isinstance(value, Mapping):
        if rest and key not in value:
            raise ConfigError(f"files: the variables have nothing at {place!r}: {key!r} is missing")
        return {**value, key: _with_null(value[key], rest, place) if rest else None}
    if isinstance(value, list | tuple) and key.isascii() and key.isdecimal() and int(key) < len(value):
        index = int(key)
        inner = _with_null(value[index], rest, place) if rest else None
        return [*value[:index], inner, *value[index + 1 :]]
    raise ConfigError(f"files: the variables have nothing at {place!r}: {type(value).__name__} has no {key!r}")


def open_files(variables: Any) -> dict[str, Any] | None:
    """Find the open files among the variables: their places, as `parts` takes them; None where there are none.

    A writer of JSON would take an open file for a list of its lines.
    """
    found: dict[str, Any] = {}
    if type(variables) is dict:
        _look(variables, "", found)
    return found or None


def _look(inside: Any, before: str, found: dict[str, Any]) -> None:
    for key, value in inside.items() if isinstance(inside, dict) else enumerate(inside):
        kind = type(value)
        if kind is str or kind is int or value is None:  # the common cases first
            continue
        if kind is dict or kind is list or kind is tuple:
            _look(value, f"{before}{key}.", found)
        elif hasattr(value, "read"):
            found[f"{before}{key}"] = value
