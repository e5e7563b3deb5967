"""Rows that a Python program gives a job: mappings, as the lines of a JSONL file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.lines import InputError, input_error
from asyncapi.bulk.template import shown_row
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Callable


class Rows:
    """An input that is in memory, or made on the way.

    Args:
        rows: Mappings, such as `{"id": 1, "url": "https://h/1"}`. A list can be checked before anything is sent, and
            resumed; an iterator is read once, in a thread of its own.
        name: Its name in messages.

    Attributes:
        name: Its name in messages.
        regular: Whether it can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True to end a pass at its next row.
        columns: The names of its columns, or None: each row has its own.
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]], *, name: str = "rows") -> None:
        self.name: str = name
        self.regular: bool = isinstance(rows, Sequence)
        self.slow: bool = not self.regular
        self.closed: bool = False
        self.columns: tuple[str, ...] | None = None
        self._rows = rows
        self._digest = blake2b(digest_size=16)

    def digest(self) -> str:
        """Return the digest of the rows of the last pass."""
        return self._digest.hexdigest()

    def digest_all(self) -> str:
        """Return the digest of all rows."""
        for _ in self.read():
            pass
        return self.digest()

    def broken(self, number: int, problem: str, row: Mapping[str, Any]) -> InputError:
        """Make the error of a row."""
        return input_error(f"{self.name}:{number}", problem, *shown_row(row))

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number, from 1.

        Args:
            before_read: Called before each row of an iterator, which may block.

        Raises:
            InputError: A row is not a mapping.
        """
        self._digest = blake2b(digest_size=16)
        update = self._digest.update
        rows = iter(self._rows)
        number = 0
        while not self.closed:
            if before_read is not None:
                before_read()
            try:
                row = next(rows)
            except StopIteration:
                return
            number += 1
            if not isinstance(row, Mapping):
                raise input_error(f"{self.name}:{number}", "a row is a mapping: {...}", repr(row))
            if self.regular:
                update(written_anyhow({str(name): value for name, value in row.items()}))
            yield number, row
