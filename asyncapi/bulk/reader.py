"""Read requests from an input, one at a time: text, JSONL, CSV, Parquet or SQLite, from a file or a stream.

Rules:
1. Only one row is in memory at a time (of Parquet and SQLite, a thousand).
2. A broken row is an `InputError` that names the file, the line and the problem, and quotes the line. A regular file is
   read once before the job (`scan`), so that this happens before anything is sent; a stream shows its broken rows as
   they come.
3. What a row is in each format is told by records.py, and how it becomes a request by recipe.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.duplicates import Duplicates
from asyncapi.bulk.item import Item
from asyncapi.bulk.recipe import PLAIN_URL, Carry, Recipe
from asyncapi.bulk.records import Format, Records
from asyncapi.bulk.sources import source_of
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from asyncapi.bulk.records import Record
    from asyncapi.bulk.template import Template

__all__ = ["Format", "Item", "Reader", "Scan"]

_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one pass over an input that can be read twice.

    Attributes:
        total: The number of rows.
        digest: A digest of every byte, also of those beyond the limit.
        columns: The columns that the output repeats, in order.
        duplicates: What there is to say about ids that appear more than once, or None.
    """

    total: int
    digest: str
    columns: tuple[str, ...] = ()
    duplicates: str | None = None


class Reader:
    """The rows of one input.

    Args:
        given: A file, `-` for stdin, URLs, or mappings (sources.py).
        format: Its format; None: by its ending, or by its first row (records.py).
        template: Fills a URL from columns.
        method: HTTP method for rows that don't specify one; None: POST where there is a body, else GET.
        relative: Whether URLs without a host are allowed, because the client has a base URL.
        json: A JSON body for every row, with fields in its texts.
        data: A body of text for every row, with fields.
        headers: Headers of every row; those without fields are the client's.
        carry: The columns that the output repeats.
        weight_from: The column that says how many tokens a row takes.
        limit: The most rows to read.
        first_row: The number of the first row, where this is a part of an input.

    Attributes:
        recipe: How rows become requests.
        duplicates: The ids that appear more than once, as far as it has been read.

    Raises:
        ConfigError: The input or a template can't be read.
    """

    def __init__(
        self,
        given: Any,
        *,
        format: Format | None = None,  # noqa: A002 - the word of the field
        template: Template | str | None = None,
        method: str | None = None,
        relative: bool = False,
        json: Any = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
        carry: Carry = "none",
        weight_from: str | None = None,
        limit: int | None = None,
        first_row: int = 0,
    ) -> None:
        self.recipe: Recipe = Recipe(
            template=template, json=json, data=data, headers=headers, method=method, relative=relative, carry=carry,
            weight_from=weight_from,
        )  # fmt: skip
        self._source = source_of(given, plain=format is not None)
        self._limit = limit
        self._first_row = first_row
        self._records = Records(self._source, self.recipe, format)
        self.duplicates: Duplicates = Duplicates()
        self._seen: dict[str, None] = {}

    @property
    def format(self) -> Format | None:
        """The format of lines, as far as it is known."""
        return self._records.format

    @format.setter  # noqa: A003 - the word of the field
    def format(self, form: Format | None) -> None:
        self._records.format = form

    @property
    def regular(self) -> bool:
        """Whether it is an input that can be read twice."""
        return self._source.regular

    @property
    def slow(self) -> bool:
        """Whether reading it may block for long, so that it belongs into a thread (feed.py)."""
        return self._source.slow

    def close(self) -> None:
        """End a pass that is running in another thread, at its next line."""
        self._source.closed = True

    def scan(self) -> Scan:
        """Read the input once: check every row, and count the rows.

        Raises:
            InputError: A row is broken.
            ConfigError: A column is missing that `carry` or `weight_from` names.
        """
        total = sum(1 for _ in self.checked())
        digest = self._source.digest() if self._limit is None else self._source.digest_all()
        return Scan(total, digest, self.columns, self.duplicates.text())

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the output repeats, as far as they are known: after a pass, or from a header."""
        return self.recipe.carried(tuple(self._seen) if self._records.names is None else self._records.names)

    def checked(self) -> Iterator[int]:
        """Check each row, and yield the number of its line.

        Raises:
            InputError: A row is broken.
            ConfigError: A column is missing that `carry` or `weight_from` names.
        """
        check, recipe, number = self.recipe.check, self.recipe, 0
        ids = self.duplicates = Duplicates()
        self._seen = {}
        has_ids = recipe.template is not None or recipe.asks
        records = self._read()
        plain = PLAIN_URL.fullmatch if self._records.urls_alone else _never
        for number, text, row in records:
            if plain(text):
                yield number
                continue
            try:
                check(row)
            except (ValueError, TypeError) as error:
                raise self._records.broken(number, error, text) from None
            if has_ids or len(row) > 1:
                name = row.get("id")
                if name is not None and name != "" and ids.add(name):
                    ids.note(name, f"{self._source.name}:{number}")
                if recipe.asks and self._records.names is None:
                    self._see(row)
            yield number
        if number and self._records.names is None and recipe.asks:
            self._records.check_names(tuple(self._seen))

    def items(self, before_read: Callable[[], object] | None = None) -> Iterator[Item]:
        """Yield the rows in order.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A row is broken.
        """
        make, index = self.recipe.item, self._first_row
        ids = None if self.regular else self.duplicates
        for number, text, row in self._read(before_read):
            try:
                item = make(row)
            except (ValueError, TypeError) as error:
                raise self._records.broken(number, error, text) from None
            item.name, item.id, item.index, item.held, item.row = item.id, index, index, "", row
            index += 1
            if ids is not None and item.name is not None and item.name != "" and ids.add(item.name):
                ids.note(item.name, f"{self._source.name}:{number}")
            yield item

    def _read(self, before_read: Callable[[], object] | None = None) -> Iterator[Record]:
        found = self._records.read(before_read)
        return found if self._limit is None else islice(found, self._limit)

    def _see(self, row: Mapping[str, Any]) -> None:
        seen = self._seen
        if row.keys() <= seen.keys():
            return
        seen |= dict.fromkeys(row)
        if len(seen) > _MOST_COLUMNS:
            raise ConfigError(
                f"{self._source.name} has more than {_MOST_COLUMNS:,} different columns: name those to carry, "
                "--carry a,b"
            )


def _never(_: object) -> bool:
    return False
