"""Read requests from an input, one at a time: text, JSONL or CSV, from a file or a stream.

Rules:
1. Only one row is in memory at a time.
2. A broken row is an `InputError` that names the file, the line and the problem. A regular file is read once before
   the job (`scan`), so that this happens before anything is sent; a stream shows its broken rows as they come.
3. Text: a URL a line; blank lines and lines that begin with # are skipped. JSONL: an object a line with the keys of
   `_Line`, unknown keys are an error. CSV and TSV: a header, then a column `url` (and `id`, `method`,
   `idempotency_key` where present); other columns are ignored, and may appear twice.
4. With a template every row is a set of columns: those of the CSV, the keys of the JSON object, or, for plain lines,
   one column that has the name of the template's field.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from typing_extensions import TypedDict

from asyncapi.bulk.delimited import BadTable, records
from asyncapi.bulk.lines import Lines
from asyncapi.calls.arguments import checked_headers, flat_params
from asyncapi.errors import ConfigError
from asyncapi.messages import decoding, json_text
from asyncapi.messages.request import Request

if TYPE_CHECKING:
    from asyncapi.bulk.lines import InputError, Line
    from asyncapi.bulk.template import Template

T = TypeVar("T")

Format = Literal["text", "jsonl", "csv", "tsv"]

_ENDINGS: dict[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "tsv"}
_PLAIN_URL = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{2,4})?/[\w./~=&?%+,-]*",
    re.ASCII,
)
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Item(Request):
    """A request, with its place in the input.

    Attributes:
        index: Its row, from 0; also its `id`, by which the transport recognizes it.
        name: The id in the input, or None.
        held: What held it back first (words.py), or "".
    """

    __slots__ = ("columns", "given", "held", "index", "name", "row")
    columns: Mapping[str, Any] | None
    given: str
    row: Mapping[str, Any] | None
    held: str
    index: int
    name: Any  # with a template the id may be any JSON value


class _Line(TypedDict, total=False):
    id: str | int | None
    method: str
    url: str
    headers: dict[str, str]
    params: dict[str, Any]
    json: Any
    data: dict[str, Any]
    content: str
    idempotency_key: str | bool | None


_Line.__pydantic_config__ = {"extra": "forbid"}  # type: ignore[attr-defined]  # pydantic reads it
_BODIES = ("json", "data", "content")
_COLUMNS = ("id", "method", "url", "idempotency_key")


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of one pass over a regular file: the number of rows, and a digest of every byte."""

    total: int
    digest: str


class Reader:
    """The rows of one input.

    Args:
        path: A file, or `-` for stdin.
        format: Its format; None: by its ending (a stream or an unknown ending is text, or JSONL where the first row
            begins with a brace).
        template: Fills a URL from columns.
        method: HTTP method for rows that don't specify one.
        relative: Whether URLs without a host are allowed, because the client has a base URL.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        format: Format | None = None,  # noqa: A002 - the word of the field
        template: Template | None = None,
        method: str = "GET",
        relative: bool = False,
    ) -> None:
        self._lines = Lines(path)
        self.template = template
        self.relative = relative
        self.method = method
        self.format: Format | None = format or _ENDINGS.get(Path(path).suffix.lower())

    @property
    def regular(self) -> bool:
        """Whether it is a file that can be read twice."""
        return self._lines.regular

    def close(self) -> None:
        """End a pass that is running in another thread, at its next line."""
        self._lines.closed = True

    def scan(self) -> Scan:
        """Read a regular file once: check every row, and count the rows.

        Raises:
            InputError: A row is broken.
        """
        total = sum(1 for _ in self._rows(self._lines.read(), self._check_row))
        return Scan(total, self._lines.digest())

    def items(self, before_read: Callable[[], object] | None = None) -> Iterator[Item]:
        """Yield the rows in order.

        Args:
            before_read: Called before each read of a stream, which may block.

        Raises:
            InputError: A row is broken.
        """
        rows = self._rows(self._lines.read(before_read), self._item)
        for index, item in enumerate(rows):
            item.name, item.id, item.index, item.held = item.id, index, index, ""
            item.given, item.columns, item.row = str(item.target), None, None
            yield item

    def _rows(self, lines: Iterator[Line], make: Callable[[Mapping[str, Any]], T]) -> Iterator[T]:
        first = next(((number, line) for number, line in lines if line.strip()), None)
        if first is None:
            return
        form = self.format or ("jsonl" if first[1].lstrip().startswith("{") else "text")
        rows = chain((first,), lines)
        for number, row in self._table(rows, form) if form in {"csv", "tsv"} else self._objects(rows, form):
            try:
                item = make(row)
            except (ValueError, TypeError) as error:
                raise self._broken(number, getattr(error, "message", str(error))) from None
            yield item

    def _objects(self, rows: Iterable[Line], form: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        fields = self.template.fields if self.template is not None else ("url",)
        if form == "text" and len(fields) > 1:
            raise ConfigError(
                f"the URL template needs the columns {', '.join(fields)}, but {self._lines.name} has plain lines: "
                "use a CSV or JSONL file"
            )
        for number, line in rows:
            text = line.strip()
            if not text:
                continue
            if form == "text":
                if not text.startswith("#"):
                    yield number, {fields[0]: text}
                continue
            try:
                row = _row(text, _Line if self.template is None else Any)
            except ValueError as error:
                raise self._broken(number, _problem(error)) from None
            if not isinstance(row, dict):
                raise self._broken(number, "a row is a JSON object: {...}")
            yield number, row

    def _table(self, rows: Iterator[Line], form: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        table = records(rows, "\t" if form == "tsv" else ",")
        try:
            at, header = next(table)
            self._check_header(at, header)
            for at, cells in table:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise self._broken(at, f"{len(cells)} fields where the header has {len(header)}")
                row = dict(zip(header, cells, strict=True))
                yield at, row if self.template is not None else _known(row)
        except BadTable as error:
            raise self._broken(error.line, str(error)) from None

    def _check_header(self, number: int, header: list[str]) -> None:
        used = {*self.template.fields, "id"} if self.template is not None else _COLUMNS
        twice = [name for name in header if name in used and header.count(name) > 1]
        if twice:
            raise self._broken(number, f"the column {twice[0]!r} appears twice")
        if self.template is None and "url" not in header:
            raise self._broken(
                number,
                f"no column 'url' (the columns are: {', '.join(header)}): rename one, "
                f"or give a template such as --url 'https://host/{{{header[0]}}}'",
            )

    def _check_row(self, row: Mapping[str, Any]) -> None:
        """Raise what `_item` would raise; a row that is only a plain URL needs no request for that."""
        if self.template is not None:
            url, alone = self.template.fill(row), not isinstance(row.get("id"), float)
        else:
            url, alone = row.get("url", ""), len(row) == 1
        if not alone or not _PLAIN_URL.fullmatch(url):
            self._item(row)

    def _item(self, row: Mapping[str, Any]) -> Item:
        if self.template is not None:
            item = Item(self.method, self.template.fill(row), id=row.get("id"))
        else:
            if "url" not in row:
                raise ValueError("the row has no 'url'")
            bodies = [name for name in _BODIES if name in row]
            if len(bodies) > 1:
                raise ValueError(f"a request has one body: {' or '.join(bodies)}, not both")
            rest = {name: value for name, value in row.items() if name not in {"method", "url"}}
            item = Item(row.get("method") or self.method, row["url"], **rest)
        if isinstance(item.id, float) and not math.isfinite(item.id):
            raise ValueError(f"the id {item.id} is not a finite number: give it as text")
        if not item.method or not _TOKEN.issuperset(item.method):
            raise ValueError(f"{item.method!r} is not an HTTP method")
        if item.headers:
            checked_headers(item.headers)
        if item.params:
            tuple(flat_params(item.params))
        self._check_url(item)
        return item

    def _check_url(self, item: Item) -> None:
        if item.target.usable:
            return
        url = item.url
        if not url.absolute and not url.scheme and self.relative:
            return
        if not url.scheme:
            raise ValueError(f"the URL {str(url)!r} has no scheme: write https://{url}, or give --base-url")
        raise ValueError(f"the URL {str(url)!r} is neither http://host/... nor https://host/...")

    def _broken(self, number: int, problem: str) -> InputError:
        return self._lines.broken(number, problem)


def _known(row: dict[str, str]) -> dict[str, str]:
    return {name: row[name] for name in _COLUMNS if row.get(name)}


def _row(text: str, kind: Any) -> Any:
    adapter = decoding.adapter(kind)
    try:
        return adapter.validate_json(text)
    except ValueError as error:
        if "recursion limit" not in _problem(error):
            raise
    return adapter.validate_python(json_text.deep(text))


def _problem(error: ValueError) -> str:
    from pydantic import ValidationError  # noqa: PLC0415 - it takes long

    if not isinstance(error, ValidationError):
        return f"not valid JSON: {error}"  # nested too deep
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {place!r}; a request has {', '.join(_Line.__annotations__)}"
    if first["type"] == "json_invalid":
        return f"not valid JSON: {first['msg'].removeprefix('Invalid JSON: ')}"
    return f"{place}: {first['msg']}" if place else "a row is a JSON object: {...}"
