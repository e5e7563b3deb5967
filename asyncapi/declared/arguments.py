"""Turn the values of a declared method's parameters into the options of the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from asyncapi.declared.annotations import iso_dates
from asyncapi.declared.styles import header_text, json_text, query_pairs
from asyncapi.messages.encoding import to_text
from asyncapi.types import UNSET

if TYPE_CHECKING:
    from asyncapi.declared.endpoint import Endpoint, Parameter

Arguments = Callable[[Any], dict[str, Any]]

_TYPE = "Content-Type"


def arguments_of(endpoint: Endpoint, headers: dict[str, str]) -> Arguments | None:
    """Return a function that makes the options of `client.request` from values, or None where there are none.

    Args:
        endpoint: Whose parameters.
        headers: Those of the decorator.
    """
    headers = _with_type(endpoint, headers)
    query, heads, options = endpoint.query, endpoint.headers, _places(endpoint.options)
    body, cookies = endpoint.body, endpoint.cookies
    has_form = bool(endpoint.form or endpoint.files) or (body is None and _is_multipart(headers))
    if not (query or heads or headers or body or has_form or options or cookies):
        return None
    params = _params_of(query)
    form = _form_of(endpoint, _is_multipart(headers)) if has_form else None

    def arguments(values: Any) -> dict[str, Any]:
        made: dict[str, Any] = {} if body is None else {body[1]: values[body[0]]}
        if params is not None:
            made["params"] = params(values)
        if form is not None:
            made |= form(values)
        if (heads or headers) and (sent := _header_values(values, heads, headers)):
            if body is not None and endpoint.media_type is not None and values[body[0]] is None:
                sent.pop(_TYPE, None)  # no body, no type of it
            made["headers"] = sent
        if cookies:
            made["cookies"] = dict(_pairs(values, cookies)) or None
        for name, at in options:
            if (value := values[at]) is not None and value is not UNSET:
                made[name] = {**(made.get(name) or {}), **value} if name == "cookies" else value
        return made

    return arguments


def _with_type(endpoint: Endpoint, headers: dict[str, str]) -> dict[str, str]:
    kind = endpoint.media_type
    return (
        headers if kind is None or any(name.lower() == "content-type" for name in headers) else {**headers, _TYPE: kind}
    )


def _is_multipart(headers: dict[str, str]) -> bool:
    return any(
        name.lower() == "content-type" and kind.lower().startswith("multipart/") for name, kind in headers.items()
    )


def _params_of(parts: list[Parameter]) -> Callable[[Any], Any] | None:
    if not parts:
        return None
    if any(part.style is not None for part in parts):
        return lambda values: _pairs(values, parts)
    places = _places(parts)
    if any(part.dated for part in parts):
        return lambda values: {name: iso_dates(values[at]) for name, at in places}
    return lambda values: {name: values[at] for name, at in places}


def _pairs(values: Any, parts: list[Parameter]) -> list[tuple[str, Any]]:
    """The parameters of a query, or cookies, as pairs, in their styles."""
    made: list[tuple[str, Any]] = []
    for part in parts:
        made += query_pairs(part.name, values[part.at], part.style or "form", part.explode)
    return made


def _form_of(endpoint: Endpoint, multipart: bool) -> Callable[[Any], dict[str, Any]]:
    """Return a function that makes `data=` and `files=`; objects are JSON (OpenAPI 3.1 section 4.8.14.4)."""
    fields, files = endpoint.form, _places(endpoint.files)
    has_files = bool(files) or multipart

    def form(values: Any) -> dict[str, Any]:
        data: dict[str, Any] = {}
        sent: list[tuple[str, Any]] = []
        for part in fields:
            value = values[part.at]
            if part.style is not None:
                for name, text in query_pairs(part.name, value, part.style, part.explode):
                    data.setdefault(name, []).append(text)
            elif value is None or not part.is_json:
                data[part.name] = iso_dates(value) if part.dated else value
            elif has_files:
                sent.append((part.name, (None, json_text(part.name, value).encode(), "application/json")))
            else:
                data[part.name] = json_text(part.name, value)
        for name, at in files:
            value = values[at]
            sent += _files_of(name, value)
        made: dict[str, Any] = {"data": data} if fields else {}
        if has_files:
            made["files"] = sent if sent or multipart else None
        return made

    return form


def _files_of(name: str, value: Any) -> list[tuple[str, Any]]:
    """The files of one parameter under the names of their fields: a mapping has its own."""
    if isinstance(value, Mapping):
        return list(value.items())
    return [] if value is None else [(name, one) for one in (value if isinstance(value, list) else [value])]


def _header_values(values: Any, parts: list[Parameter], headers: dict[str, str]) -> dict[str, str]:
    made = headers.copy()
    for part in parts:
        value = values[part.at]
        if type(value) is str and part.style is None:
            made[part.name] = value
        elif value is None:
            continue
        elif part.style is not None or isinstance(value, list | tuple | set | frozenset):
            made[part.name] = header_text(part.name, value, part.style or "simple", bool(part.explode))
        else:
            made[part.name] = to_text("headers", part.name, iso_dates(value))
    return made


def _places(parts: list[Parameter]) -> list[tuple[str, int]]:
    return [(part.name, part.at) for part in parts]
