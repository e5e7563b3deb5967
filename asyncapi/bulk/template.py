"""Fill URL templates such as `https://h/items/{id}` from columns, one URL a row.

Rules:
1. A field is `{column}`, without a format or a conversion; `{{` and `}}` are braces.
2. Values are percent-quoted whole: a slash or a `?` in a value never changes the path of the request.
3. A value in the path must not be empty, `.` or `..`, for the same reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from urllib.parse import quote

from asyncapi.errors import ConfigError


class Template:
    """A parsed URL template.

    Attributes:
        fields: The columns it needs, in order of first use.

    Raises:
        ConfigError: The template can't be read, or has no field.
    """

    __slots__ = ("_state", "_tail", "fields", "text")

    def __init__(self, text: str) -> None:
        self.text: str = text
        self._state: list[tuple[str, str, bool]] = []  # literal before, column, whether it is in the query
        self._tail = ""
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(f"cannot read the URL template {text!r}: {error}; a field is {{column}}") from None
        before = ""
        for literal, field, spec, conversion in pieces:
            before += literal
            if field is None:
                self._tail += literal
                continue
            if not field or spec or conversion:  # rule 1
                raise ConfigError(f"cannot read the URL template {text!r}: a field is {{column}}, nothing more")
            self._state.append((self._tail + literal, field, "?" in before))
            self._tail = ""
        self.fields: tuple[str, ...] = tuple(dict.fromkeys(field for _, field, _ in self._state))
        if not self.fields:
            raise ConfigError(f"the URL template {text!r} has no {{column}}: every row would request the same URL")

    def fill(self, row: Mapping[str, object]) -> str:
        """Return the URL of a row.

        Raises:
            ValueError: A column is missing, or its value can't be part of a URL.
        """
        url = ""
        for literal, field, in_query in self._state:
            if field not in row:
                raise ValueError(f"no column {field!r} (the columns are: {', '.join(map(str, row)) or 'none'})")
            url += literal + quote(_as_text(field, row[field], in_query=in_query), safe="")  # rule 2
        return url + self._tail


def _as_text(field: str, value: object, *, in_query: bool) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"column {field!r} is {value!r}: a URL can only hold text and numbers")  # noqa: TRY004 - one kind for a bad row
    text = str(value)
    if not in_query and text in {"", ".", ".."}:  # rule 3
        raise ValueError(f"column {field!r} is {text!r}: it would change the path of the request")
    return text
