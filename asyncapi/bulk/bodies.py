"""Fill the body and the headers of a request from the columns of a row.

Rules:
1. `--json` is read as JSON first, then its texts are filled: a value can't break out of its text, and can't change the
   shape of the JSON. Keys and the braces of JSON itself are never templates.
2. A text that is one field alone (`"{n}"`) becomes the column's value with its type; CSV has only text.
3. `--data` is sent as curl sends it: a form unless the Content-Type says otherwise. In a form, values are
   percent-encoded; elsewhere they stay as they are.
4. A value can't end a header's line: line breaks and control characters are refused (RFC 9110 section 5.5).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.template import Text, as_json, column
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.messages.request import Request

    Fill = Callable[[Mapping[str, Any]], Any]

_FORM = "application/x-www-form-urlencoded"
_TYPE = "Content-Type"


class JsonBody:
    """A JSON body with fields in its texts.

    Args:
        template: The JSON as text, or as plain data.

    Attributes:
        fields: The columns it needs.

    Raises:
        ConfigError: The text isn't valid JSON, or a field in it can't be read.
    """

    name = "--json"

    def __init__(self, template: Any) -> None:
        self._fields: dict[str, None] = {}
        value = _read(template) if isinstance(template, str) else template
        try:
            value = as_json("json", value)
        except ValueError as error:
            raise ConfigError(f"--json: {str(error).removeprefix('column ')}") from None
        self._fill: Fill | None = self._compiled(value)
        self._fixed = value
        self.fields: tuple[str, ...] = tuple(self._fields)

    def put(self, request: Request, row: Mapping[str, Any], kind: str | None) -> None:
        """Give the request the body of a row.

        Args:
            request: The request.
            row: The columns.
            kind: The Content-Type that the job gives every request, or None.

        Raises:
            ValueError: A column is missing, or JSON can't hold its value.
        """
        value = self._fixed if self._fill is None else self._fill(row)
        if value is None:  # for a request, that is no body
            request.content = b"null"
            request.headers.setdefault(_TYPE, kind or "application/json")
        else:
            request.json = value

    def _compiled(self, value: Any) -> Fill | None:
        """Turn a value into a function of the row; None: there is no field in it."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return self._members(dict(value))
        if isinstance(value, list | tuple):
            return self._members(dict(enumerate(value)), as_list=True)
        return None

    def _members(self, values: dict[Any, Any], *, as_list: bool = False) -> Fill | None:
        fills = {key: self._compiled(value) for key, value in values.items()}
        if not any(fills.values()):
            return None
        parts = [(key, values[key], fill) for key, fill in fills.items()]
        if as_list:
            return lambda row: [value if fill is None else fill(row) for _, value, fill in parts]
        return lambda row: {key: value if fill is None else fill(row) for key, value, fill in parts}

    def _text(self, text: str) -> Fill | None:
        if "{" not in text and "}" not in text:
            return None
        parsed = Text(text, "template in --json")
        self._fields |= dict.fromkeys(parsed.fields)
        if not parsed.fields:  # doubled braces
            return lambda _: parsed.tail
        if [before for before, _ in parsed.pieces] == [""] and not parsed.tail:  # rule 2
            [field] = parsed.fields
            return lambda row: as_json(field, column(row, field))
        return parsed.fill


def _read(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise ConfigError("--json: it is nested too deep") from None
    except ValueError as error:
        raise ConfigError(f'--json is not valid JSON: {error}; a field stands inside of a text: "{{column}}"') from None


def _refused(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


class DataBody:
    """A body of text, with fields.

    Args:
        template: The text.

    Attributes:
        fields: The columns it needs.

    Raises:
        ConfigError: A field in it can't be read.
    """

    name = "--data"

    def __init__(self, template: str) -> None:
        try:
            self._text = Text(template, "template of --data")
        except ConfigError as error:
            if template.lstrip()[:1] not in {"{", "["}:
                raise
            raise ConfigError(f"{error.message}; JSON is easier with --json, where its braces stay single") from None
        self.fields: tuple[str, ...] = self._text.fields

    def put(self, request: Request, row: Mapping[str, Any], kind: str | None) -> None:
        """Give the request the body of a row.

        Args:
            request: The request.
            row: The columns.
            kind: The Content-Type that the job gives every request, or None.

        Raises:
            ValueError: A column is missing, or its value has no text.
        """
        kind = request.headers.setdefault(_TYPE, kind or _FORM)
        is_form = kind.partition(";")[0].strip().lower() == _FORM
        text = self._text.fill_quoted(row) if is_form else self._text.fill(row)  # rule 3
        request.content = text.encode()


class HeaderFields:
    """The headers that a job gives every request.

    Args:
        headers: Names and templates of values.

    Attributes:
        fixed: Those without fields, as they are sent.
        fields: The columns that the others need.

    Raises:
        ConfigError: A field can't be read.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.fixed: dict[str, str] = {}
        self._filled: list[tuple[str, Text]] = []
        for name, value in headers.items():
            parsed = Text(value, f"template of the header {name}") if "{" in value or "}" in value else None
            if parsed is None or not parsed.fields:
                self.fixed[name] = value if parsed is None else parsed.tail
            else:
                self._filled.append((name, parsed))
        self.fields: tuple[str, ...] = tuple(dict.fromkeys(field for _, text in self._filled for field in text.fields))

    @property
    def content_type(self) -> str | None:
        """The Content-Type that all requests have, or None."""
        return next((value for name, value in self.fixed.items() if name.lower() == _TYPE.lower()), None)

    def put(self, request: Request, row: Mapping[str, Any]) -> None:
        """Give the request the headers of a row; those that the row names itself stay.

        Raises:
            ValueError: A column is missing, or its value has no text.
        """
        for name, text in self._filled:
            if name not in request.headers:
                request.headers[name] = text.fill(row)
