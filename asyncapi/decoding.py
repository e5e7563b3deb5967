"""From what users and servers write to values: URLs, text, JSON and typed answers.

JSON is read as UTF-8 first (RFC 8259 section 8.1 allows nothing else between systems); only where that fails is
a byte order mark passed over, or the charset that the server names tried.
"""

from __future__ import annotations

import codecs
from email.message import Message
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast, get_origin

import pydantic
from pydantic_core import from_json
from typing_extensions import TypeForm, TypeVar
from yarl import URL

from asyncapi.errors import AsyncAPIError, ConfigError, DecodeError, SchemaError
from asyncapi.redact import redact_broken

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from asyncapi.types import Response

T = TypeVar("T")

_SHOWN = 60


def parse_url(url: str | URL) -> URL:
    """The URL as an object.

    Raises:
        ConfigError: It cannot be read as one.
    """
    if type(url) is URL:
        return url
    if not isinstance(url, str):
        raise ConfigError(f"a URL is text or a yarl.URL, not {type(url).__name__}")
    if not url.isprintable():
        shown = redact_broken(url)
        raise ConfigError(f"control characters in the URL {shown!r}: quote them (urllib.parse.quote) or remove them")
    try:
        return URL(url)
    except ValueError as error:
        raise ConfigError(f"not a URL: {redact_broken(url)!r} ({error})") from None


def charset(content_type: str) -> str | None:
    """The charset parameter of a Content-Type header, or None."""
    if "charset" not in content_type.lower():
        return None
    message = Message()
    message["Content-Type"] = content_type
    return message.get_content_charset()


def text(content: bytes, content_type: str) -> str:
    """`content` as text."""
    name = charset(content_type) or "utf-8"
    try:
        return content.decode(name)
    except LookupError:
        raise DecodeError(f"the server names an unknown charset {name!r}; use .content", body=content) from None
    except UnicodeError as error:
        what = f"{error.reason} at byte {error.start}" if isinstance(error, UnicodeDecodeError) else str(error)
        raise DecodeError(f"the body is not {name}: {what}; use .content", body=content) from None


def json(content: bytes, content_type: str) -> Any:
    """`content` as plain data."""
    try:
        return from_json(content)
    except ValueError as error:
        recoded = _recode(content, content_type, str(error))
        try:
            return from_json(recoded)
        except ValueError as again:
            raise _not_json(content, content_type, str(again)) from None


def parse(model: TypeForm[T], content: bytes, content_type: str) -> T:
    """`content` as a value of `model`."""
    validator = adapter(model)
    try:
        return cast("T", validator.validate_json(content))
    except pydantic.ValidationError as error:
        problem = error
    if not _is_json_problem(problem):
        raise SchemaError(_schema_message(model, problem), body=content) from problem
    if not content.strip():
        return _parse_nothing(model, validator, content)
    try:
        return cast("T", validator.validate_json(_recode(content, content_type, _first(problem))))
    except pydantic.ValidationError as again:
        if _is_json_problem(again):
            raise _not_json(content, content_type, _first(again)) from again
        raise SchemaError(_schema_message(model, again), body=content) from again


def adapter(model: Any) -> pydantic.TypeAdapter[Any]:
    """The cached validator of any type pydantic understands.

    Raises:
        ConfigError: pydantic cannot make one.
    """
    try:
        return _cached_adapter(model)
    except TypeError:  # an unhashable annotation
        return _make_adapter(model)


def reader(model: Any) -> Callable[[bytes], Any]:
    """The cached function that reads JSON bytes as `model`; it raises pydantic's own errors.

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
    if not isinstance(model, type) and hasattr(type(model), "__pydantic_core_schema__"):  # older ones take its class's
        name = type(model).__name__
        raise ConfigError(f"model={model!r} is no type that pydantic can validate: it is a value, give {name} itself")
    try:
        made = pydantic.TypeAdapter(model)
        if not getattr(made, "pydantic_complete", True):  # it names types that were not there yet
            made.rebuild(raise_errors=True)
    except (pydantic.PydanticUserError, pydantic.errors.PydanticUndefinedAnnotation) as error:
        raise ConfigError(
            f"model={model!r} is no type that pydantic can validate: {error.message.splitlines()[0]}"
        ) from error
    return made


_cached_adapter = lru_cache(maxsize=1024)(_make_adapter)
_cached_reader = lru_cache(maxsize=1024)(_make_reader)


def _is_json_problem(error: pydantic.ValidationError) -> bool:
    return error.errors(include_url=False, include_input=False, include_context=False)[0]["type"] == "json_invalid"


def _first(error: pydantic.ValidationError) -> str:
    return str(error.errors(include_url=False, include_input=False)[0]["msg"])


def _schema_message(model: Any, error: pydantic.ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    first = problems[0]
    place = ".".join(str(part) for part in first["loc"]) or "the top level"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"the answer does not fit {_name(model)}: {first['msg']} at {place}{more}"


def _name(model: Any) -> str:
    return model.__name__ if isinstance(model, type) and get_origin(model) is None else str(model)


def _parse_nothing(model: TypeForm[T], validator: pydantic.TypeAdapter[Any], content: bytes) -> T:
    try:
        return cast("T", validator.validate_python(None))
    except pydantic.ValidationError:
        name = _name(model)
        raise DecodeError(
            f"an empty body where {name} was expected; use model={name} | None, or no model, if that is normal",
            body=content,
        ) from None


def _recode(content: bytes, content_type: str, problem: str) -> bytes | str:
    if content.startswith(codecs.BOM_UTF8):
        return content[len(codecs.BOM_UTF8) :]
    name = charset(content_type)
    if name in {None, "utf-8", "utf8", "us-ascii"}:
        raise _not_json(content, content_type, problem) from None
    return text(content, content_type)


def _not_json(content: bytes, content_type: str, problem: str) -> DecodeError:
    if not content.strip():
        return DecodeError("an empty body where JSON was expected", body=content)
    shown = content[:_SHOWN].decode("utf-8", "replace")
    return DecodeError(f"not JSON ({content_type or 'no Content-Type'}): {problem}; it begins {shown!r}", body=content)


class about:  # noqa: N801 - reads as a word in a with statement
    """Adds the request and the attempts to an error that knows only the bytes."""

    __slots__ = ("response",)

    def __init__(self, response: Response) -> None:
        self.response = response

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, AsyncAPIError) and self.response.request is not None:
            error.request = self.response.request.redacted()
            error.attempts = self.response.attempts
