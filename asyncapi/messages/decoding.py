"""Read the bodies of responses: text, JSON and typed values.

pydantic-core reads JSON as UTF-8 (RFC 8259 section 8.1 allows nothing else between systems). Only where that fails, a
byte order mark is skipped, halves of surrogate pairs and deep nesting are accepted (`json_text.py`), and the charset is
tried that the server names or that the bytes show.
"""

from __future__ import annotations

import codecs
import re
from functools import cache, lru_cache
from json import detect_encoding
from typing import TYPE_CHECKING, Any, cast, get_origin

from typing_extensions import TypeForm, TypeVar

from asyncapi.errors import ConfigError, DecodeError, SchemaError
from asyncapi.messages import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pydantic

T = TypeVar("T")

_SHOWN = 60
_PARAMETER = re.compile(
    r';\s*(?P<name>[^=;\s"]*)\s*(?:=\s*(?:"(?P<quoted>[^"\\]*+(?:\\.[^"\\]*+)*+)"?|(?P<token>[^;]*)))?'
)
_CHARSET_NAME = re.compile(r"[a-z0-9!#$%&'+^_`{}~.:-]{1,40}")  # as IANA registers them (RFC 2978 section 2.3)
# Python codecs that are no charsets; idna and punycode take time that grows with the square of the body.
_NO_CHARSET = frozenset({"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"})


def charset(content_type: str) -> str | None:
    """The charset parameter of a Content-Type header in lower case, or None (RFC 9110 sections 5.6.6 and 8.3.2)."""
    if "charset" not in content_type.lower():
        return None
    for found in _PARAMETER.finditer(content_type):
        if found["name"].lower() == "charset":
            name = found["quoted"] if found["quoted"] is not None else (found["token"] or "").strip()
            return name.lower() or None
    return None


def text(content: bytes, content_type: str) -> str:
    """Decode `content` as text."""
    name = charset(content_type) or "utf-8"
    try:
        return content.decode(name if _is_charset(name) else "unknown")
    except LookupError:
        shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
        raise DecodeError(
            f"the server names an unknown charset {shown!r}: use .content for the raw bytes", body=content
        ) from None
    except UnicodeError as error:
        what = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise DecodeError(
            f"the body isn't valid {name}: {what}; use .content for the raw bytes", body=content
        ) from None


@lru_cache(maxsize=256)
def _is_charset(name: str) -> bool:
    try:
        return (
            _CHARSET_NAME.fullmatch(name) is not None and codecs.lookup(name).name.replace("-", "_") not in _NO_CHARSET
        )
    except LookupError:
        return False


def json(content: bytes, content_type: str) -> Any:
    """Read `content` as plain data."""
    try:
        return from_json()(content)
    except ValueError as error:
        problem = str(error)
    return _reread(content, content_type, problem, from_json(), _as_it_is)


@cache
def from_json() -> Callable[[bytes | str], Any]:
    """Return pydantic-core's reader of plain data, which takes long to import."""
    from pydantic_core import from_json as read  # noqa: PLC0415

    return read


def parse(model: TypeForm[T], content: bytes, content_type: str) -> T:
    """Read `content` as a value of `model`."""
    import pydantic  # noqa: PLC0415 - it takes long

    validator = adapter(model)
    try:
        return cast("T", validator.validate_json(content))
    except pydantic.ValidationError as error:
        problem = error
    try:
        if not _is_json_problem(problem):
            raise problem
        if not content.strip():
            # an empty body is None, for models that take it
            return _parse_nothing(model, validator, content)
        return cast(
            "T",
            _reread(content, content_type, _problem(problem), validator.validate_json, validator.validate_python),
        )
    except pydantic.ValidationError as error:
        raise SchemaError(_schema_message(model, error), body=content) from error


def _reread(
    content: bytes, content_type: str, problem: str, read: Callable[[bytes], Any], take: Callable[[Any], Any]
) -> Any:
    """Read JSON that the fast reader has refused.

    Args:
        content: The body.
        content_type: Its Content-Type.
        problem: The fast reader's error.
        read: The fast reader.
        take: Makes the value out of plain data.

    Raises:
        DecodeError: The body isn't valid JSON.
        pydantic.ValidationError: The JSON doesn't match the model.
    """
    for text in _texts(content, content_type):
        if text is not content:
            try:
                return read(text)
            except ValueError as error:
                if (invalid := _validation_error(error)) is not None and not _is_json_problem(invalid):
                    raise
                problem = _problem(error)
        # pydantic-core's nesting limit, not Python's
        if "recursion" in problem:  # pydantic-core's "recursion limit exceeded"
            try:
                plain = json_text.deep(text)
            except ValueError as error:
                problem = str(error)
            else:
                return take(plain)
    raise _not_json(content, content_type, problem)


def _texts(content: bytes, content_type: str) -> Iterator[bytes]:
    """Yield the body as UTF-8, then by the charset that is named, or shown by its zeros (RFC 4627 section 3)."""
    yield json_text.mended(content.removeprefix(codecs.BOM_UTF8))
    name = charset(content_type)
    if name not in {None, "utf-8", "utf8", "us-ascii"}:
        other = text(content, content_type)
    elif (detected := detect_encoding(content)).startswith("utf-8"):
        return
    else:
        other = content.decode(detected, "replace")
    yield json_text.mended(other.removeprefix("\ufeff").encode("utf-8", "replace"))


def _as_it_is(value: Any) -> Any:
    return value


def adapter(model: Any) -> pydantic.TypeAdapter[Any]:
    """Return the cached validator of any type that pydantic understands.

    Raises:
        ConfigError: pydantic can't validate the type.
    """
    try:
        return _cached_adapter(model)
    except TypeError:  # an unhashable annotation
        return _make_adapter(model)


def reader(model: Any) -> Callable[[bytes], Any]:
    """Return the cached function that reads JSON bytes as `model`; it raises pydantic's own errors.

    Raises:
        ConfigError: As `adapter`.
    """
    try:
        return _cached_reader(model)
    except TypeError:
        return _make_reader(model)


def _make_reader(model: Any) -> Callable[[bytes], Any]:
    return adapter(model).validator.validate_json


def _make_adapter(model: Any) -> pydantic.TypeAdapter[Any]:
    import pydantic  # noqa: PLC0415 - it takes long

    # older versions of pydantic take the schema of its class
    if not isinstance(model, type) and hasattr(type(model), "__pydantic_core_schema__"):
        name = type(model).__name__
        raise ConfigError(
            f"model={model!r} is not a type that pydantic can validate: it is a value; give {name} itself"
        )
    try:
        validator = pydantic.TypeAdapter(model)
        if not getattr(validator, "pydantic_complete", True):  # it names types that were not defined yet
            validator.rebuild(raise_errors=True)
    except (pydantic.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise ConfigError(
            f"model={model!r} is not a type that pydantic can validate: {error.message.splitlines()[0]}"
        ) from error
    return validator


_cached_adapter = lru_cache(maxsize=1024)(_make_adapter)
_cached_reader = lru_cache(maxsize=1024)(_make_reader)


def _is_json_problem(error: pydantic.ValidationError) -> bool:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return first["type"] == "json_invalid" and not first["loc"]  # else it is a field of type Json


def _problem(error: ValueError) -> str:
    if (invalid := _validation_error(error)) is not None:
        return str(invalid.errors(include_url=False, include_input=False)[0]["msg"])
    return str(error)


def _validation_error(error: ValueError) -> pydantic.ValidationError | None:
    from pydantic_core import ValidationError  # noqa: PLC0415 - it takes long

    return error if isinstance(error, ValidationError) else None


def _schema_message(model: Any, error: pydantic.ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"]) or "the top level"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"the response doesn't match {_name(model)}: {first['msg']} at {place}{more}"


def _name(model: Any) -> str:
    return model.__name__ if isinstance(model, type) and get_origin(model) is None else str(model)


def _parse_nothing(model: TypeForm[T], validator: pydantic.TypeAdapter[Any], content: bytes) -> T:
    try:
        return cast("T", validator.validate_python(None))
    except ValueError:  # pydantic's ValidationError is one
        name = _name(model)
        raise DecodeError(
            f"the response body is empty where {name} was expected: "
            f"use model={name} | None, or no model, if that is normal",
            body=content,
        ) from None


def _not_json(content: bytes, content_type: str, problem: str) -> DecodeError:
    if not content.strip():
        return DecodeError("the response body is empty where JSON was expected", body=content)
    shown = content[:_SHOWN].decode("utf-8", "replace")
    kind = f"Content-Type {content_type}" if content_type else "no Content-Type"
    return DecodeError(f"the response isn't valid JSON ({kind}): {problem}; it begins {shown!r}", body=content)
