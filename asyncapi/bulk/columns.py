"""The columns of a job's output: those of every row, and what the user asks for beside them.

Rules:
1. The order is: the base columns (rows.py), with the selected ones in place of `data`, or `file`; then `headers`,
   `final_url` and `bytes`; in tables the fields of the model; and last the columns carried from the input.
2. No two columns have one name, whatever the case. A carried column that clashes is called `input_NAME`, a selected one
   or a field of the model `data_NAME`.
3. A column of a table holds numbers, text or booleans. Anything else is its JSON text. `data`, `headers` and the fields
   that have no simple type are JSON text always. A number that a field's column can't hold is null; `data` has it.
4. A response header that came several times is one text, with commas (RFC 9110 section 5.3); `Set-Cookie`, which
   can't be joined, is a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.cells import Kind, cell, fields_of, plain
from asyncapi.bulk.rows import COLUMNS, Row, cells, row_of
from asyncapi.errors import StatusError
from asyncapi.messages.response import Response
from asyncapi.redact import redact_url
from asyncapi.streaming.response import StreamedResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.reader import Item
    from asyncapi.bulk.selection import Path
    from asyncapi.messages.response import Outcome


@dataclass(frozen=True, slots=True)
class Saved:
    """A body that was saved in a file (saving.py).

    Attributes:
        file: The path of the file, None of a response without a body.
        size: Its bytes.
        response: The response.
    """

    file: str | None
    size: int
    response: StreamedResponse


_KINDS: dict[str, Kind] = {
    "id": "id", "url": "text", "status": "int", "ok": "bool", "data": "json", "error": "text", "attempts": "int",
    "elapsed_ms": "real", "at": "time", "file": "text", "headers": "json", "final_url": "text", "bytes": "int",
}  # fmt: skip
_EXTRA = {"headers": "headers", "url": "final_url", "bytes": "bytes"}
_RESERVED = ("rowid", "oid", "_rowid_")  # of SQLite
_SET_COOKIE = "set-cookie"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        kind: What it holds.
        key: Its key in the row; of a field of the model, its name there.
        of_model: Whether it is a field of the model.
    """

    name: str
    kind: Kind
    key: str
    of_model: bool = False


class Columns:
    """The columns of one output.

    Args:
        columns: All of them in order; by default the base columns.

    Attributes:
        names: Their names.
        usual: Whether there are the base columns alone.
        cells: Turns a row into cells: numbers, text, booleans, None.
    """

    __slots__ = ("_of_model", "cells", "columns", "names", "usual")

    def __init__(self, columns: Sequence[Column] | None = None) -> None:
        base = (Column(name, _KINDS[name], name) for name in COLUMNS)
        self.columns: tuple[Column, ...] = tuple(base if columns is None else columns)
        self.names: tuple[str, ...] = tuple(column.name for column in self.columns)
        self.usual: bool = self.names == COLUMNS
        self.cells: Callable[[Row], tuple[Any, ...]] = cells if self.usual else self._cells
        self._of_model = any(column.of_model for column in self.columns)

    def _cells(self, row: Row) -> tuple[Any, ...]:
        ok, model = row["ok"], {}
        if ok and self._of_model:
            data = plain(row["data"])
            model = data if isinstance(data, dict) else {}
        return tuple(
            cell(column.kind, (model if column.of_model else row).get(column.key), null=ok and column.name == "data")
            for column in self.columns
        )


USUAL = Columns()


def columns_of(job: Job, model: Any, carried: Sequence[str] = ()) -> Columns:
    """Return the columns of a job's table.

    Args:
        job: The job.
        model: Its model, or None.
        carried: The input's columns that are carried.

    Raises:
        ConfigError: A path of `select` can't be read.
    """
    maker = RowMaker(job, model)
    names = _Names(maker.taken, _RESERVED)
    found = [Column(name, _KINDS[name] if name in maker.own else "any", name) for name in maker.order]
    if model is not None and not maker.selected and job.save_dir is None:
        found += [Column(names.free(name, "data_"), kind, name, of_model=True) for name, kind in fields_of(model)]
    keys = maker.carried_keys(carried)
    found += [Column(names.free(key, "input_"), "any", key) for key in keys.values()]
    return Columns(tuple(found))


def row_maker(job: Job, model: Any) -> Callable[[Item, Outcome[Any]], Row]:
    """Return the function that makes a job's rows.

    Raises:
        ConfigError: A path of `select` can't be read.
    """
    if job.select or job.extra or job.carry not in {"none", ()} or job.save_dir is not None:
        return RowMaker(job, model)
    return row_of


def map_model(job: Job, model: Any) -> Any:
    """Return the model that the client's `map` is to apply; None where the row needs the response itself."""
    return None if job.extra else model


class RowMaker:
    """Makes rows with more than the base columns.

    Attributes:
        order: The names of the columns in order, without those of the model and of the input.
        own: Those of them that are not selected.
        taken: The same in small letters: no carried column is called so.
        selected: The selected paths, by column.
    """

    def __init__(self, job: Job, model: Any) -> None:
        paths = _paths(job.select)
        extra = [_EXTRA[name] for name in _EXTRA if name in job.extra]
        base = [name for name in COLUMNS if name != "data" or not (paths or job.save_dir)]
        base += ["file"] if job.save_dir is not None else []
        names = _Names((*base, *extra))
        self.selected: dict[str, Path] = {names.free(path.name, "data_"): path for path in paths}
        place = COLUMNS.index("data")
        inner = ["file"] if job.save_dir is not None else list(self.selected)
        base = [name for name in base if name != "file"]
        self.own: frozenset[str] = frozenset((*base, *extra, *(["file"] if job.save_dir is not None else [])))
        self.order: tuple[str, ...] = (*base[:place], *inner, *base[place:], *extra)
        self.taken: frozenset[str] = frozenset(name.lower() for name in self.order)
        self._extra = extra
        self._carries = job.carry not in {"none", ()}
        # the response is needed, so the client doesn't apply the model (`map_model`)
        self._read = (lambda response: response.parse(model)) if model is not None and extra else None

    def __call__(self, item: Item, outcome: Outcome[Any]) -> Row:
        """Make the row of an outcome."""
        row = row_of(item, outcome, self._read)
        value = outcome.value
        if row["ok"] and (self.selected or type(value) is Saved):
            row = self._in_place(row, {"file": value.file} if type(value) is Saved else self._select(row["data"]))
        if self._extra:
            self._add_extra(row, value if outcome.error is None else outcome.error)
        return self.carry(item, row)

    def carry(self, item: Item, row: Row) -> Row:
        """Add the carried columns to a row."""
        if self._carries and item.columns:
            for name, key in self.carried_keys(item.columns).items():
                row[key] = item.columns[name]
        return row

    def carried_keys(self, names: Iterable[str]) -> dict[str, str]:
        """Return the keys under which columns of the input are carried (rule 2)."""
        given = list(names)
        keys = {}
        for name in given:
            key = name
            while key.lower() in self.taken or (key != name and key in given):
                key = f"input_{key}"
            keys[name] = key
        return keys

    def _select(self, data: Any) -> Row:
        value = data if type(data) in {dict, list, str, int, float, bool, type(None)} else plain(data)
        return {name: path.take(value) for name, path in self.selected.items()}

    def _in_place(self, row: Row, inner: Row) -> Row:
        """Put columns in the place of `data`."""
        made: Row = {}
        for name, value in row.items():
            if name == "data":
                made |= inner
            else:
                made[name] = value
        return made

    def _add_extra(self, row: Row, end: Any) -> None:
        """Add what the response says beside its body; null where there was none."""
        response: Any = end.response if isinstance(end, StatusError | Saved) else end
        if not isinstance(response, Response | StreamedResponse):
            response = None
        for name in self._extra:
            row[name] = None if response is None else _EXTRA_OF[name](end, response)


def _paths(texts: Sequence[str]) -> tuple[Path, ...]:
    if not texts:
        return ()
    from asyncapi.bulk.selection import selection  # noqa: PLC0415 - most jobs select nothing

    return selection(texts)


def _size(end: Any, response: Any) -> int:
    return end.size if type(end) is Saved else len(response.content)


_EXTRA_OF: dict[str, Callable[[Any, Any], Any]] = {
    "headers": lambda _, response: headers_of(response.headers),
    "final_url": lambda _, response: redact_url(getattr(response, "target", None) or response.url),
    "bytes": _size,
}


class _Names:
    """Names that are taken, in small letters."""

    def __init__(self, *taken: Iterable[str]) -> None:
        self._taken = {name.lower() for names in taken for name in names}

    def free(self, name: str, prefix: str) -> str:
        """Take a name, with as many prefixes as it needs (rule 2)."""
        while name.lower() in self._taken:
            name = prefix + name
        self._taken.add(name.lower())
        return name


def headers_of(headers: Any) -> dict[str, Any]:
    """Return response headers as plain data (rule 4)."""
    found: dict[str, Any] = {}
    names: dict[str, str] = {}
    for given, value in headers.items():
        name = names.setdefault(given.lower(), given)
        if name.lower() == _SET_COOKIE:
            found.setdefault(name, []).append(value)
        else:
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found
