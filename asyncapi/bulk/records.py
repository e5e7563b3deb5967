"""Turn an input into records of columns: lines of text, JSONL and CSV, rows of Parquet, SQLite and Python.

Rules:
1. Text: a URL a line; blank lines and lines that begin with # are skipped. JSONL: an object a line with the keys of
   `recipe.Line`, unknown keys are an error unless something asks for columns. Tables (CSV, TSV, Parquet, SQLite): a
   column `url` (and `id`, `method`, `idempotency_key` where present); other columns may appear twice if nothing asks
   for them.
2. With a template every row is a set of columns: those of the table, the keys of the JSON object, or, for plain lines,
   one column that has the name of the template's field.
3. What has no known ending is JSONL where the first row begins with a brace; CSV or TSV where the first row names the
   column `url`, or with a template all its columns; else text.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asyncapi.bulk.delimited import BadTable, records
from asyncapi.bulk.recipe import COLUMNS, ERROR_KEY, KEYS, Line, LineAgain, Recipe, known
from asyncapi.errors import ConfigError
from asyncapi.messages import decoding, json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from asyncapi.bulk import lines
    from asyncapi.bulk.sources import LineSource, RowSource

    # a number, what an error quotes, and the row
    Record = tuple[int, Any, Mapping[str, Any]]

Format = Literal["text", "jsonl", "csv", "tsv"]

_ENDINGS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_TEXT_ENDINGS = frozenset({".txt", ".text", ".urls", ".lst"})


class Records:
    """The records of one input.

    Args:
        source: Where they come from.
        recipe: How they become requests.
        format: The format; None: by the ending of the source's name, or by the first row (rule 3).

    Attributes:
        format: The format, as far as it is known.
        names: The names of the columns, where all rows have the same, as far as they are known.
        urls_alone: Whether each record is a URL and nothing else.
    """

    def __init__(self, source: LineSource | RowSource, recipe: Recipe, format: Format | None = None) -> None:  # noqa: A002 - the word of the field
        self._source = source
        self.recipe: Recipe = recipe
        self._ending = Path(getattr(source, "plain_name", "")).suffix.lower()
        self.format: Format | None = format or _ENDINGS.get(self._ending)
        self.names: tuple[str, ...] | None = None
        self.urls_alone: bool = False

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[Record]:
        """Yield each record: a number, what an error quotes, and the columns.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A record is broken.
        """
        rows: Any = self._source.read(before_read)
        return self._of_rows(rows) if hasattr(self._source, "columns") else self._of_lines(rows)

    def _of_rows(self, rows: Iterator[tuple[int, Mapping[str, Any]]]) -> Iterator[Record]:
        source: Any = self._source
        names: tuple[str, ...] | None = source.columns
        self.recipe.table = names is not None
        if names is None:
            yield from self._objects(self._mappings(rows))
            return
        self._check_header(lambda problem: ConfigError(f"{source.name}: {problem}"), names)
        self.names = names
        if hasattr(source, "wanted") and not self.recipe.wants_all:
            source.wanted = {"id", *self.recipe.named, *(() if self.recipe.template is not None else COLUMNS)}
        for number, row in rows:
            try:
                found = self._row_of(row)
            except ValueError as error:
                raise self.broken(number, error, row) from None
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
        """Tell the format by the first row (rule 3)."""
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
        self.names = (name,)
        self.check_names(self.names)
        self.urls_alone = recipe.template is None and not recipe.asks
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
                raise self.broken(number, error, text) from None
            if not isinstance(row, dict):
                raise self.broken(number, ValueError("a row is a JSON object: {...}"), text)
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
                raise self.broken(number, error, row) from None
            yield number, row, request

    def _objects(self, rows: Iterator[Record]) -> Iterator[Record]:
        """Check the first row of a stream of objects: a column that it doesn't have is taken for a mistake."""
        if not self._source.regular and self.recipe.asks:
            first = next(rows, None)
            if first is None:
                return
            try:
                self.recipe.check_names(first[2])
            except ValueError as error:
                raise self.broken(first[0], error, first[1]) from None
            yield first
        yield from rows

    def _table(self, rows: Iterator[lines.Line], form: str) -> Iterator[Record]:
        table = records(rows, "\t" if form == "tsv" else ",")
        source: Any = self._source
        try:
            at, header = next(table)
            self._check_header(lambda problem: source.broken(at, problem), header)
            self.names = tuple(header)
            for at, cells in table:
                if not cells:
                    continue
                if len(cells) != len(header):
                    problem = f"{len(cells)} fields where the header has {len(header)}"
                    secrets = _secrets_of(dict(zip(header, cells, strict=False)))
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

    def check_names(self, names: tuple[str, ...]) -> None:
        """Check that the columns are there which `carry` and `weight_from` name.

        Raises:
            ConfigError: One isn't.
        """
        try:
            self.recipe.check_names(names)
        except ValueError as error:
            raise ConfigError(f"{self._source.name}: {error}") from None

    def broken(self, number: int, error: Exception, text: Any) -> Exception:
        """Make the error of a record.

        Args:
            number: Its number.
            error: What is wrong with it.
            text: What to quote.
        """
        source: Any = self._source
        problem = _problem(error)
        if isinstance(text, str) or hasattr(source, "columns"):
            return source.broken(number, problem, text)  # type: ignore[no-any-return]
        line = ",".join(str(value) for value in text.values())
        return source.broken(number, problem, line, _secrets_of(text))  # type: ignore[no-any-return]


def _secrets_of(row: Mapping[str, Any]) -> list[str]:
    from asyncapi.bulk.excerpts import secrets_of  # noqa: PLC0415 - only an error needs it

    return secrets_of(row)


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
