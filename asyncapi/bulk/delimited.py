"""Parse CSV and TSV from lines (RFC 4180; lines end with LF or CRLF).

The csv module is not used: its limit of 128 kB for a field can only be raised for the whole process. Rules:
1. A field is quoted whole or not at all; a quote inside an unquoted field is text.
2. A quoted field may span lines, up to 16 MiB, so that a quote that is never closed doesn't read the whole file.
3. The parser only goes forward: it looks at no character more than a few times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.lines import Line

_MAX_FIELD = 16 * 1024 * 1024  # characters


class BadTable(ValueError):
    """The input isn't valid CSV.

    Attributes:
        line: The number of the broken line.
        text: Its text.
    """

    def __init__(self, line: int, problem: str, text: str) -> None:
        super().__init__(f"not valid CSV: {problem}")
        self.line: int = line
        self.text: str = text


def records(lines: Iterator[Line], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows, each with the number of its last line; an empty line is a row without fields.

    Raises:
        BadTable: A row is broken.
    """
    for number, line in lines:
        text = _without_end(line)
        if "\r" in text and '"' not in text:
            raise BadTable(number, "a carriage return inside a field that is not quoted", text)
        if '"' in text:
            yield _Quoted(lines, delimiter, number, line).fields()
        else:
            yield number, text.split(delimiter) if text else []


def _without_end(line: str) -> str:
    return line.removesuffix("\n").removesuffix("\r")


class _Quoted:
    """A row with quotes; it may span several lines (rule 2)."""

    __slots__ = ("_at", "_delimiter", "_line", "_lines", "_number")

    def __init__(self, lines: Iterator[Line], delimiter: str, number: int, line: str) -> None:
        self._lines = lines
        self._delimiter = delimiter
        self._number = number
        self._line = line
        self._at = 0

    def fields(self) -> tuple[int, list[str]]:
        found = [self._field()]
        while self._line.startswith(self._delimiter, self._at):
            self._at += 1
            found.append(self._field())
        return self._number, found

    def _field(self) -> str:
        if self._line.startswith('"', self._at):
            field = self._quoted()
            if self._line.startswith(self._delimiter, self._at) or self._line[self._at :] in {"", "\n", "\r\n", "\r"}:
                return field
            raise BadTable(self._number, f"{self._delimiter!r} expected after the closing quote of a field", self._line)
        end = self._line.find(self._delimiter, self._at)
        begin, self._at = self._at, len(self._line) if end < 0 else end
        text = self._line[begin : self._at]
        text = _without_end(text) if end < 0 else text
        if "\r" in text:
            raise BadTable(self._number, "a carriage return inside a field that is not quoted", self._line)
        return text

    def _quoted(self) -> str:
        """Read from an opening quote to the one that closes it."""
        parts: list[str] = []
        size, begin, opened, first = 0, self._at + 1, self._number, self._line
        while True:
            end = self._line.find('"', begin)
            part = self._line[begin:] if end < 0 else self._line[begin:end]
            parts.append(part)
            size += len(part)
            if size > _MAX_FIELD:
                raise BadTable(
                    opened, f"a quoted field is longer than {_MAX_FIELD >> 20} MiB: is its quote closed?", first
                )
            if end < 0:
                self._number, self._line = next(self._lines, (opened, ""))
                if not self._line:
                    raise BadTable(opened, "a quoted field is not closed", first)
                begin = 0
            elif self._line.startswith('"', end + 1):
                parts.append('"')
                begin = end + 2
            else:
                self._at = end + 1
                return "".join(parts)
