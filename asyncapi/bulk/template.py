"""Fill templates such as `https://h/items/{id}` from the columns of a row.

Rules:
1. A field is `{column}`, without a format or a conversion; `{{` and `}}` are braces.
2. In a URL, values are percent-quoted whole: a slash or a `?` in a value never changes the path of the request.
3. A value in the path must not be empty, `.` or `..`, for the same reason.
4. A value that has no plain text form (null, NaN) is an error, never the word "None".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from string import Formatter
from urllib.parse import quote

from asyncapi.errors import ConfigError
from asyncapi.redact import MASK, is_secret, is_secret_field, one_line

_SHOWN = 60  # characters of a value
_LISTED = 50  # columns


class Text:
    """A parsed template of any text.

    Args:
        text: The template.
        what: What it is, in errors: "URL template".

    Attributes:
        fields: The columns it needs, in order of first use.
        pieces: Each field with the text before it.
        tail: The text after the last field.

    Raises:
        ConfigError: The template can't be read.
    """

    __slots__ = ("fields", "pieces", "tail", "text")

    def __init__(self, text: str, what: str) -> None:
        self.text: str = text
        self.pieces: list[tuple[str, str]] = []
        self.tail: str = ""
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(
                f"{_unread(text, what)}: {error}; a field is {{column}}, a brace is {{{{ or }}}}"
            ) from None
        for literal, field, spec, conversion in parsed:
            if field is None:
                self.tail += literal
                continue
            if not field or spec or conversion:  # rule 1
                raise ConfigError(
                    f"{_unread(text, what)}: a field is {{column}}, nothing more, and a brace is {{{{ or }}}}"
                )
            self.pieces.append((self.tail + literal, field))
            self.tail = ""
        self.fields: tuple[str, ...] = tuple(dict.fromkeys(field for _, field in self.pieces))

    def fill(self, row: Mapping[str, object]) -> str:
        """Return the text of a row, with its values as they are.

        Raises:
            ValueError: A column is missing, or its value has no plain text form.
        """
        return "".join([before + as_text(field, column(row, field)) for before, field in self.pieces]) + self.tail

    def fill_quoted(self, row: Mapping[str, object]) -> str:
        """Return the text of a row, with its values percent-encoded.

        Raises:
            ValueError: A column is missing, or its value has no plain text form.
        """
        filled = [before + quote(as_text(field, column(row, field)), safe="") for before, field in self.pieces]
        return "".join(filled) + self.tail


class Template:
    """A parsed URL template.

    Args:
        text: The template.
        fixed: Whether it may be without a field, because something else of the request differs from row to row.

    Attributes:
        fields: The columns it needs, in order of first use.

    Raises:
        ConfigError: The template can't be read, or has no field.
    """

    __slots__ = ("_state", "_tail", "fields", "text")

    def __init__(self, text: str, *, fixed: bool = False) -> None:
        parsed = Text(text, "URL template")
        self.text: str = text
        self._state: list[tuple[str, str, bool]] = []  # literal before, column, whether it is in the query
        self._tail = parsed.tail
        before = ""
        for literal, field in parsed.pieces:
            before += literal
            self._state.append((literal, field, "?" in before))
        self.fields: tuple[str, ...] = parsed.fields
        if not self.fields and not fixed:
            raise ConfigError(f"the URL template {text!r} has no {{column}}: every row would request the same URL")

    def fill(self, row: Mapping[str, object]) -> str:
        """Return the URL of a row.

        Raises:
            ValueError: A column is missing, or its value can't be part of a URL.
        """
        url = ""
        for literal, field, in_query in self._state:
            if field not in row:
                raise missing(field, row)
            url += literal + quote(_in_url(field, row[field], in_query=in_query), safe="")  # rule 2
        return url + self._tail


def column(row: Mapping[str, object], field: str) -> object:
    """Return the value of a column.

    Raises:
        ValueError: There is no such column.
    """
    try:
        return row[field]
    except KeyError:
        raise missing(field, row) from None


def missing(field: str, names: Iterable[str]) -> ValueError:
    """Make the error of a column that isn't there."""
    known = [one_line(str(name), _SHOWN) for name in names]
    listed = ", ".join(known[:_LISTED]) + (", ..." if len(known) > _LISTED else "")
    return ValueError(f"no column {field!r} (the columns are: {listed or 'none'}){missing_name(field, known)}")


def missing_name(name: str, known: Sequence[str]) -> str:
    """Ask whether a name that isn't known was meant for one that is; "" where none is like it."""
    import difflib  # noqa: PLC0415 - only an error needs it

    low = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), low, 1)
    return f"; did you mean {low[close[0]]!r}?" if close else ""


def shown_row(row: Mapping[str, object]) -> tuple[str, list[str]]:
    """Return the text of a row that has no line of its own, and the secrets in it."""
    from asyncapi.messages.json_text import written_anyhow  # noqa: PLC0415 - only an error needs it

    kept = {str(name): value for name, value in list(row.items())[:_LISTED]}
    masked = {name: MASK if is_secret(name) or is_secret_field(name) else value for name, value in kept.items()}
    return written_anyhow(masked).decode(errors="replace"), []


def as_text(field: str, value: object) -> str:
    """Write a value as text: text as it is, numbers in digits, `true`, `false`; lists and objects as JSON.

    Raises:
        ValueError: It has no plain text form (rule 4).
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        raise ValueError(f"column {field!r} is null: it has no text")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"column {field!r} is {value}: it has no text")
    if isinstance(value, int | float):
        return str(value)
    return _other(field, value)


def _other(field: str, value: object) -> str:
    from asyncapi.messages.json_text import written  # noqa: PLC0415 - rare

    plain = as_json(field, value)
    return plain if isinstance(plain, str) else written(plain).decode()


def as_json(field: str, value: object) -> object:
    """Return a value as JSON can hold it: dates and decimals become text.

    Raises:
        ValueError: JSON can't hold it: NaN, infinity, an object of another kind.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        finite = math.isfinite(value)
    else:
        from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415 - it takes long

        try:
            value = to_jsonable_python(value)
        except PydanticSerializationError:
            raise ValueError(f"column {field!r} is {shown(field, value)}: JSON can't hold it") from None
        finite = _finite(value)
    if not finite:
        raise ValueError(f"column {field!r} is {shown(field, value)}: JSON has no NaN and no infinity")
    return value


def _finite(value: object) -> bool:
    level = [value]
    while level:
        one = level.pop()
        if isinstance(one, float):
            if not math.isfinite(one):
                return False
        elif isinstance(one, dict):
            level += one.values()
        elif isinstance(one, list):
            level += one
    return True


def _in_url(field: str, value: object, *, in_query: bool) -> str:
    if type(value) is str:
        text = value
    elif isinstance(value, bool | dict | list) or value is None:
        raise ValueError(f"column {field!r} is {shown(field, value)}: a URL can only hold text and numbers")
    else:
        text = as_text(field, value)
    if not in_query and text in {"", ".", ".."}:  # rule 3
        raise ValueError(f"column {field!r} is {text!r}: it would change the path of the request")
    return text


def shown(field: str, value: object) -> str:
    """Return a value as an error can show it."""
    return MASK if is_secret(field) else one_line(repr(value), _SHOWN)


def _unread(text: str, what: str) -> str:
    return f"cannot read the {what} {one_line(text, 200)!r}"
