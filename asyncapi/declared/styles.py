"""Write lists and objects into a path, a query, a header, a cookie or a form, in the styles of OpenAPI.

    style             explode   [1, 2] as "ids"            {"a": 1, "b": 2} as "f"
    simple            no        1,2                        a,1,b,2
    simple            yes       1,2                        a=1,b=2
    label             no / yes  .1,2 / .1.2                .a,1,b,2 / .a=1.b=2
    matrix            no / yes  ;ids=1,2 / ;ids=1;ids=2    ;f=a,1,b,2 / ;a=1;b=2
    form              yes / no  ids=1&ids=2 / ids=1,2      a=1&b=2 / f=a,1,b,2
    spaceDelimited    no        ids=1 2                    f=a 1 b 2
    pipeDelimited     no        ids=1|2                    f=a|1|b|2
    tabDelimited      no        ids=1<tab>2
    deepObject                                             f[a]=1&f[b]=2
    json                        ids=[1,2]                  f={"a":1,"b":2}

Rules:
1. The table is that of OpenAPI 3.1, section 4.8.12.4, which follows RFC 6570; `json` is a parameter with `content`, and
   `tabDelimited` the `tsv` of Swagger 2.0.
2. None is left out, in lists and objects too. Models are written with the names of their aliases.
3. An item that holds the delimiter would be two items for the server: it is refused.
4. OpenAPI has no style for an object or a list inside another one. `deepObject` goes on: `f[a][b]=1`, lists with their
   indices: `f[ids][0]=1`. Elsewhere it is written as JSON; where a delimiter would cut that, the whole value is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from asyncapi.declared.annotations import iso_dates
from asyncapi.declared.markers import Cookie, Form, Header, Path, Query
from asyncapi.errors import ConfigError
from asyncapi.messages import encoding

STYLES: dict[type, frozenset[str]] = {
    Path: frozenset({"simple", "label", "matrix", "json"}),
    Query: frozenset({"form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject", "json"}),
    Form: frozenset({"form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject", "json"}),
    Header: frozenset({"simple", "json"}),
    Cookie: frozenset({"form", "json"}),
}

_DELIMITERS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|", "tabDelimited": "\t"}


def query_pairs(name: str, value: Any, style: str, explode: bool | None) -> list[tuple[str, str]]:
    """Write a parameter of a query, or a cookie, as pairs; percent-encoding is left to who sends them.

    Raises:
        ConfigError: The style can't represent the value.
    """
    if value is None:
        return []
    if style == "json":
        return [(name, json_text(name, value))]
    plain = as_plain(value)
    exploded = (style == "form") if explode is None else explode
    if style == "deepObject":
        return _deep(name, plain)
    if not exploded and _is_nested(plain):  # rule 4
        return [(name, json_text(name, plain))]
    if isinstance(plain, Mapping):
        pairs = _flat(name, plain)
        return pairs if exploded else [(name, _joined(name, [part for pair in pairs for part in pair], style))]
    if isinstance(plain, list):
        texts = [_text(name, one) for one in plain if one is not None]
        if exploded:
            return [(name, text) for text in texts]
        return [(name, _joined(name, texts, style))] if texts else []
    return [(name, _text(name, plain))]


def path_text(name: str, value: Any, style: str, explode: bool) -> str:
    """Write a parameter of a path, percent-encoded.

    Raises:
        ConfigError: The value is None, empty, or has no text form.
    """
    if style == "json":
        return quote(json_text(name, value), safe="")
    plain = as_plain(value)
    if _is_nested(plain):  # rule 4
        return quote(json_text(name, plain), safe="")
    if isinstance(plain, Mapping):
        pairs = [(_quoted(key), _quoted(text)) for key, text in _flat(name, plain)]
        texts = [f"{key}={text}" for key, text in pairs] if explode else [part for pair in pairs for part in pair]
    else:
        texts = [_quoted(_text(name, one)) for one in (plain if isinstance(plain, list) else [plain])]
    if not any(texts) or plain is None:
        raise ConfigError(f"{name}={value!r:.80} can't be in the path: it is empty")
    if style == "label":
        return "." + ("." if explode else ",").join(texts)
    if style == "matrix":
        if explode and isinstance(plain, Mapping):
            return "".join(f";{text}" for text in texts)
        return "".join(f";{name}={text}" for text in (texts if explode else [",".join(texts)]))
    return ",".join(texts)


def header_text(name: str, value: Any, style: str, explode: bool) -> str:
    """Write the value of a header.

    Raises:
        ConfigError: The value has no text form.
    """
    if style == "json":
        return json_text(name, value)
    plain = as_plain(value)
    if _is_nested(plain):  # rule 4
        return json_text(name, plain)
    if isinstance(plain, Mapping):
        pairs = _flat(name, plain)
        return ",".join(f"{key}={text}" for key, text in pairs) if explode else ",".join(sum(pairs, ()))
    if isinstance(plain, list):
        return ",".join(_text(name, one) for one in plain if one is not None)
    return _text(name, plain)


def json_text(name: str, value: Any) -> str:
    """Write a value as JSON."""
    return encoding.json(value, f"{name}=").decode()


def as_plain(value: Any) -> Any:
    """Return a value as text, number, list or mapping: models become mappings, sets and tuples lists."""
    if value is None or isinstance(value, str | int | float):
        return value
    value = iso_dates(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [as_plain(one) if _is_object(one) else one for one in value]
    return _mapping(value) if _is_object(value) else value


def _is_object(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        or hasattr(value, "__pydantic_serializer__")
        or hasattr(value, "__dataclass_fields__")
    )


def _mapping(value: Any) -> Any:
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415 - it takes long

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise ConfigError(f"{type(value).__name__} can't be written as text: {error}") from None


def _flat(name: str, plain: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    for key, value in plain.items():
        if isinstance(value, list):
            found += [(str(key), _text(f"{name}.{key}", one)) for one in value if one is not None]
        elif value is not None:
            found.append((str(key), _text(f"{name}.{key}", value)))
    return found


def _deep(name: str, plain: Any) -> list[tuple[str, str]]:
    if isinstance(plain, Mapping):
        parts = list(plain.items())
    elif isinstance(plain, list):
        parts = list(enumerate(one for one in plain if one is not None))
    else:
        return [] if plain is None else [(name, _text(name, plain))]
    return [pair for key, value in parts for pair in _deep(f"{name}[{key}]", value)]


def _is_nested(plain: Any) -> bool:
    """Whether an object or a list is inside another one; a list of an object's property repeats that."""
    if isinstance(plain, list):
        return any(isinstance(one, list | Mapping) for one in plain)
    values = plain.values() if isinstance(plain, Mapping) else ()
    return any(isinstance(one, Mapping) or (isinstance(one, list) and _is_nested(one)) for one in values)


def _joined(name: str, texts: list[str], style: str) -> str:
    delimiter = _DELIMITERS.get(style, ",")
    for text in texts:
        if delimiter in text:  # rule 3
            raise ConfigError(f"{name}: {text!r} holds {delimiter!r}, which separates the items of this list")
    return delimiter.join(texts)


def _text(name: str, value: Any) -> str:
    if isinstance(value, list | Mapping):
        return json_text(name, value)  # rule 4
    return encoding.to_text("parameters", name, value)


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise ConfigError(f"{text!r} can't be written as UTF-8") from None
