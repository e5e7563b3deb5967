"""Read requests from an input, one at a time: text, JSONL, CSV, Parquet or SQLite, from a file or a stream.

Rules:
1. Only one row is in memory at a time (of Parquet and SQLite, a thousand).
2. A broken row is an `InputError` that names the file, the line and the problem, and quotes the line. A regular file is
   read once before the job (`scan`), so that this happens before anything is sent; a stream shows its broken rows as
   they come.
3. Text: a URL a line; blank lines and lines that begin with # are skipped. JSONL: an object a line with the keys of
   `recipe.Line`, unknown keys are an error unless something asks for columns. Tables (CSV, TSV, Parquet, SQLite): a
   column `url` (and `id`, `method`, `idempotency_key` where present); other columns may appear twice if nothing asks
   for them.
4. With a template every row is a set of columns: those of the table, the keys of the JSON object, or, for plain lines,
   one column that has the name of the template's field.
5. What has no known ending is JSONL where the first row begins with a brace; CSV or TSV where the first row names the
   column `url`, or with a template all its columns; else text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.bulk.delimited import BadTable, records
from asyncapi.bulk.duplicates import Duplicates
from asyncapi.bulk.excerpts import secrets_of
from asyncapi.bulk.item import Item
from asyncapi.bulk.recipe import COLUMNS, ERROR_KEY, KEYS, PLAIN_URL, Carry, Line, LineAgain, Recipe, known
from asyncapi.bulk.sources import source_of
from asyncapi.errors import ConfigError
from asyncapi.messages import decoding, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from asyncapi.bulk import lines
    from asyncapi.bulk.template import Template

    # a number, what an error quotes, and the row
    Record = tuple[int, Any, Mapping[str, Any]]

__all__ = ["Format", "Item", "Reader", "Scan"]

Format = Literal["text", "jsonl", "csv", "tsv"]

_ENDINGS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_TEXT_ENDINGS = frozenset({".txt", ".text", ".urls", ".lst"})
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
        format: Its format; None: by its ending, or by its first row (rule 5).
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
        format: The format, if it is known already.
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
        self._ending = Path(getattr(self._source, "plain_name", "")).suffix.lower()
        self.format: Format | None = format or _ENDINGS.get(self._ending)
        self.duplicates: Duplicates = Duplicates()
        self._names: tuple[str, ...] | None = None
        self._seen: dict[str, None] = {}
        self._urls_alone = False  # each row is a URL and nothing else

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
        return self.recipe.carried(tuple(self._seen) if self._names is None else self._names)

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
        records = self._records(self._source.read())
        plain = PLAIN_URL.fullmatch if self._urls_alone else _never
        for number, text, row in records:
            if plain(text):
                yield number
                continue
            try:
                check(row)
            except (ValueError, TypeError) as error:
                raise self._broken(number, error, text) from None
            if has_ids or len(row) > 1:
                name = row.get("id")
                if name is not None and name != "" and ids.add(name):
                    ids.note(name, f"{self._source.name}:{number}")
                if recipe.asks and self._names is None:
                    self._see(row)
            yield number
        if number and self._names is None and recipe.asks:
            self._check_names(tuple(self._seen))

    def items(self, before_read: Callable[[], object] | None = None) -> Iterator[Item]:
        """Yield the rows in order.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A row is broken.
        """
        make, index = self.recipe.item, self._first_row
        ids = None if self.regular else self.duplicates
        for number, text, row in self._records(self._source.read(before_read)):
            try:
                item = make(row)
            except (ValueError, TypeError) as error:
                raise self._broken(number, error, text) from None
            item.name, item.id, item.index, item.held, item.row = item.id, index, index, "", row
            index += 1
            if ids is not None and item.name is not None and item.name != "" and ids.add(item.name):
                ids.note(item.name, f"{self._source.name}:{number}")
            yield item

    def _records(self, rows: Iterator[Any]) -> Iterator[Record]:
        found = self._of_rows(rows) if hasattr(self._source, "columns") else self._of_lines(rows)
        return found if self._limit is None else islice(found, self._limit)

    def _of_rows(self, rows: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[Record]:
        source: Any = self._source
        names: tuple[str, ...] | None = source.columns
        self.recipe.table = names is not None
        if names is None:
            yield from self._objects(self._mappings(rows))
            return
        self._check_header(lambda problem: ConfigError(f"{source.name}: {problem}"), names)
        self._names = names
        if hasattr(source, "wanted") and not self.recipe.wants_all:
            source.wanted = {"id", *self.recipe.named, *(() if self.recipe.template is not None else COLUMNS)}
        for number, row in rows:
            try:
                found = self._row_of(row)
            except ValueError as error:
                raise self._broken(number, error, row) from None
            yield number, row, found

    def _of_lines(self, lines: Iterator[lines.Line]) -> Iterator[Record]:
        first = next(((number, line) for number, line in lines if line.strip()), None)
        if first is None:
            return iter(())
        rows = chain((first,), lines)
        form = self.format = self.format or self._sniffed(first[1])
        self.recipe.table = form in {"csv", "tsv"}
        if form == "text":
            return self._text(rows, self._text_column())
        return self._table(rows, form) if self.recipe.table else self._objects(self._parsed(rows))

    def _sniffed(self, line: str) -> Format:
        """Tell the format by the first row (rule 5)."""
        if getattr(self._source, "plain_name", None) == "":  # arguments
            return "text"
        if line.lstrip().startswith("{"):
            return "jsonl"
        needed = set(self.recipe.fields) if self.recipe.template is not None else {"url"}
        if self._ending not in _TEXT_ENDINGS and needed:
            for form, delimiter in (("csv", ","), ("tsv", "\t")):
                try:
                    header = next(records(iter([(1, line)]), delimiter))[1]
                except BadTable:
                    continue
                if needed.issubset(header):
                    return form  # type: ignore[return-value]  # one of the two
        return "text"

    def _text(self, rows: Iterable[lines.Line], name: str) -> Iterator[Record]:
        comments = getattr(self._source, "plain_name", None) != ""
        for number, line in rows:
            text = line.strip()
            if text and not (text.startswith("#") and comments):
                yield number, text, {name: text}

    def _text_column(self) -> str:
        recipe = self.recipe
        if recipe.template is None:
            name, is_one = "url", {"url"}.issuperset(recipe.fields)
        else:
            name, is_one = (recipe.fields or ("url",))[0], len(recipe.fields) <= 1
        if not is_one:
            what = "URL template needs" if recipe.template is not None and not recipe.asks else "templates need"
            only = ", each a URL" if recipe.template is None else ""
            raise ConfigError(
                f"the {what} the columns {', '.join(recipe.fields)}, but {self._source.name} has plain lines{only}: "
                "use a CSV or JSONL file, or say what it is by --format"
            )
        self._names = (name,)
        self._check_names(self._names)
        self._urls_alone = recipe.template is None and not recipe.asks
        return name

    def _parsed(self, rows: Iterable[lines.Line]) -> Iterator[Record]:
        kind = LineAgain if self.recipe.template is None and not self.recipe.asks else Any
        for number, line in rows:
            text = line.strip()
            if not text:
                continue
            try:
                row = _row(text, kind)
            except ValueError as error:
                raise self._broken(number, error, text) from None
            if not isinstance(row, dict):
                raise self._broken(number, ValueError("a row is a JSON object: {...}"), text)
            row.pop(ERROR_KEY, None)
            yield number, text, row

    def _mappings(self, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Record]:
        adapter = decoding.adapter(Line) if self.recipe.template is None and not self.recipe.asks else None
        for number, row in rows:
            request = {name: value for name, value in row.items() if name != ERROR_KEY} if ERROR_KEY in row else row
            try:
                if adapter is not None:
                    request = adapter.validate_python(request)
            except ValueError as error:
                raise self._broken(number, error, row) from None
            yield number, row, request

    def _objects(self, rows: Iterator[Record]) -> Iterator[Record]:
        """Check the first row of a stream of objects: a column that it doesn't have is taken for a mistake."""
        if not self.regular and self.recipe.asks:
            first = next(rows, None)
            if first is None:
                return
            try:
                self.recipe.check_names(first[2])
            except ValueError as error:
                raise self._broken(first[0], error, first[1]) from None
            yield first
        yield from rows

    def _table(self, rows: Iterator[lines.Line], form: str) -> Iterator[Record]:
        table = records(rows, "\t" if form == "tsv" else ",")
        source: Any = self._source
        try:
            at, header = next(table)
            self._check_header(lambda problem: source.broken(at, problem), header)
            self._names = tuple(header)
            for at, cells in table:
                if not cells:
                    continue
                if len(cells) != len(header):
                    problem = f"{len(cells)} fields where the header has {len(header)}"
                    secrets = secrets_of(dict(zip(header, cells, strict=False)))
                    raise source.broken(at, problem, ("\t" if form == "tsv" else ",").join(cells), secrets)
                row = dict(zip(header, cells, strict=True))
                yield at, row, self._row_of(row)
        except BadTable as error:
            raise source.broken(error.line, str(error), error.text) from None

    def _row_of(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        recipe = self.recipe
        return row if recipe.template is not None or recipe.asks else known(row)

    def _check_header(self, broken: Callable[[str], Exception], header: Iterable[str]) -> None:
        names, recipe = list(header), self.recipe
        used = {*recipe.named, "id", *(() if recipe.template is not None else COLUMNS)}
        twice = [name for name in names if (name in used or recipe.wants_all) and names.count(name) > 1]
        if twice:
            raise broken(f"the column {twice[0]!r} appears twice")
        if recipe.template is None and "url" not in names:
            raise broken(
                f"no column 'url' (the columns are: {', '.join(names)}): rename one, "
                f"or give a template such as --url 'https://host/{{{names[0] if names else 'id'}}}'"
            )
        try:
            recipe.check_names(names)
        except ValueError as error:
            raise broken(str(error)) from None

    def _check_names(self, names: tuple[str, ...]) -> None:
        try:
            self.recipe.check_names(names)
        except ValueError as error:
            raise ConfigError(f"{self._source.name}: {error}") from None

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

    def _broken(self, number: int, error: Exception, text: Any) -> Exception:
        source: Any = self._source
        problem = _problem(error)
        if isinstance(text, str) or hasattr(source, "columns"):
            return source.broken(number, problem, text)  # type: ignore[no-any-return]
        line = ",".join(str(value) for value in text.values())
        return source.broken(number, problem, line, secrets_of(text))  # type: ignore[no-any-return]


def _never(_: object) -> bool:
    return False


def _row(text: str, kind: Any) -> Any:
    adapter = decoding.adapter(kind)
    try:
        return adapter.validate_json(text)
    except ValueError as error:
        if "recursion limit" not in _problem(error):
            raise
    return adapter.validate_python(json_text.deep(text))


def _problem(error: Exception) -> str:
    from pydantic import ValidationError  # noqa: PLC0415 - it takes long

    if not isinstance(error, ValidationError):
        if isinstance(error, ConfigError):
            return error.message
        return f"not valid JSON: {error}" if "nested deeper than" in str(error) else str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}; a request has {', '.join(KEYS)}"
    if first["type"] == "json_invalid":
        return f"not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
    return f"{place}: {first['msg']}" if place else "a row is a JSON object: {...}"
