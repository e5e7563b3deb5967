"""Data frames as the input and the output of a job: pandas, polars, and tables of Arrow.

Rules:
1. The result has the kind of what came in, its order, and one row for each of its rows; with pandas also its index.
2. A carried column is the frame's own: its type stays as it is.
3. The other columns have types: text, integers, numbers, booleans, times. A column that somebody selected gets the type
   that all its values have, else it is text, with what is no text as JSON.
4. What has no type of its own (`data`, `headers`) is a Python object in pandas, and JSON text elsewhere.
5. A missing value of pandas (NaN, NaT, NA) is null for templates.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.bulk.cells import cell
from asyncapi.bulk.lines import InputError, input_error
from asyncapi.bulk.template import shown_row
from asyncapi.errors import ConfigError
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from asyncapi.bulk.columns import Column
    from asyncapi.bulk.rows import Row

_BATCH = 1000  # rows


class Frame(Protocol):
    """A data frame.

    Attributes:
        columns: The names of its columns.
    """

    columns: tuple[str, ...]

    def batches(self, places: Sequence[int]) -> Iterator[list[list[Any]]]:
        """Yield the values of some columns, column by column, a thousand rows at a time."""
        ...

    def result(self, named: Sequence[tuple[str, int | tuple[str, list[Any]]]], rows: int) -> Any:
        """Make a frame of this kind: each column is one of this frame by its place, or a kind and values."""
        ...


def frame_of(data: Any) -> Frame:
    """Recognize a data frame.

    Raises:
        ConfigError: It is none.
    """
    kinds: tuple[tuple[str, str, Callable[[Any], Frame]], ...] = (
        ("pandas", "DataFrame", PandasFrame), ("polars", "DataFrame", PolarsFrame), ("pyarrow", "Table", ArrowFrame),
    )  # fmt: skip
    for module, name, kind in kinds:
        found = getattr(sys.modules.get(module), name, None)
        if found is not None and isinstance(data, found):
            return kind(data)
    hint = "; collect() it first" if type(data).__name__ == "LazyFrame" else ""
    raise ConfigError(
        f"frame({type(data).__name__}): give a DataFrame of pandas or polars, or a Table of pyarrow{hint}"
    )


class FrameRows:
    """The rows of a frame, as a job reads them.

    Args:
        frame: The frame.

    Attributes:
        name: Its name in messages.
        regular: Whether it can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True to end a pass at its next row.
        columns: The names of its columns.
        wanted: The columns to read, or None for all.
    """

    def __init__(self, frame: Frame) -> None:
        self.name: str = "frame"
        self.regular: bool = True
        self.slow: bool = False
        self.closed: bool = False
        self.columns: tuple[str, ...] = frame.columns
        self.wanted: set[str] | None = None
        self._frame = frame

    def digest(self) -> str:
        """Return the same for all: a frame is not resumed."""
        return "a frame"

    def digest_all(self) -> str:
        """Return the same for all."""
        return self.digest()

    def broken(self, number: int, problem: str, row: Mapping[str, Any]) -> InputError:
        """Make the error of a row."""
        return input_error(f"{self.name}:{number}", problem, *shown_row(row))

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:  # noqa: ARG002
        """Yield each row with its number, from 1."""
        places = [at for at, name in enumerate(self.columns) if self.wanted is None or name in self.wanted]
        names = [self.columns[at] for at in places]
        number = 0
        for batch in self._frame.batches(places):
            for values in zip(*batch, strict=True):
                if self.closed:
                    return
                number += 1
                yield number, dict(zip(names, values, strict=True))


class PandasFrame:
    """A DataFrame of pandas.

    Attributes:
        columns: The names of its columns.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self.columns: tuple[str, ...] = tuple(map(str, data.columns))

    def batches(self, places: Sequence[int]) -> Iterator[list[list[Any]]]:
        """Yield the values of some columns."""
        for begin in range(0, len(self._data), _BATCH):
            part = self._data.iloc[begin : begin + _BATCH]
            yield [[_plain(value) for value in part.iloc[:, place].tolist()] for place in places]

    def result(self, named: Sequence[tuple[str, int | tuple[str, list[Any]]]], rows: int) -> Any:
        """Make a DataFrame with the index of this one (rule 1)."""
        pandas: Any = sys.modules["pandas"]
        part = self._data.iloc[:rows]
        arrays = {
            name: part.iloc[:, made].array if isinstance(made, int) else self._array(pandas, *made)
            for name, made in named
        }
        return pandas.DataFrame(arrays, index=part.index)

    @staticmethod
    def _array(pandas: Any, kind: str, values: list[Any]) -> Any:
        if kind == "time":
            return pandas.to_datetime(values, utc=True).array
        has_null = None in values
        names = {"int": "Int64" if has_null else "int64", "bool": "boolean" if has_null else "bool", "real": "float64"}
        if kind == "text":
            return pandas.Series(values, dtype="str" if pandas.__version__ >= "3" else "object").array
        return pandas.Series(values, dtype=names.get(kind, "object")).array


class PolarsFrame:
    """A DataFrame of polars.

    Attributes:
        columns: The names of its columns.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self.columns: tuple[str, ...] = tuple(data.columns)

    def batches(self, places: Sequence[int]) -> Iterator[list[list[Any]]]:
        """Yield the values of some columns."""
        for part in self._data.iter_slices(_BATCH):
            yield [part.to_series(place).to_list() for place in places]

    def result(self, named: Sequence[tuple[str, int | tuple[str, list[Any]]]], rows: int) -> Any:
        """Make a DataFrame."""
        polars: Any = sys.modules["polars"]
        types = {
            "int": polars.Int64, "bool": polars.Boolean, "real": polars.Float64, "text": polars.String,
            "json": polars.String, "time": polars.Datetime("ms", "UTC"),
        }  # fmt: skip
        part = self._data.head(rows)
        return polars.DataFrame([
            part.to_series(made).alias(name) if isinstance(made, int)
            else polars.Series(name, made[1], dtype=types[made[0]])
            for name, made in named
        ])  # fmt: skip


class ArrowFrame:
    """A Table of pyarrow.

    Attributes:
        columns: The names of its columns.
    """

    def __init__(self, data: Any) -> None:
        self._data = data
        self.columns: tuple[str, ...] = tuple(data.column_names)

    def batches(self, places: Sequence[int]) -> Iterator[list[list[Any]]]:
        """Yield the values of some columns."""
        from asyncapi.bulk.parquet_source import values_of  # noqa: PLC0415 - a table of Arrow is there

        for batch in self._data.to_batches(_BATCH):
            yield [values_of(batch.column(place)) for place in places]

    def result(self, named: Sequence[tuple[str, int | tuple[str, list[Any]]]], rows: int) -> Any:
        """Make a Table."""
        arrow: Any = sys.modules["pyarrow"]
        types = {
            "int": arrow.int64(), "bool": arrow.bool_(), "real": arrow.float64(), "text": arrow.string(),
            "json": arrow.string(), "time": arrow.timestamp("ms", "UTC"),
        }  # fmt: skip
        part = self._data.slice(0, rows)
        arrays = [
            part.column(made) if isinstance(made, int) else arrow.array(made[1], types[made[0]]) for _, made in named
        ]
        fields = [
            part.schema.field(made).with_name(name) if isinstance(made, int) else arrow.field(name, types[made[0]])
            for name, made in named
        ]
        return arrow.table(arrays, schema=arrow.schema(fields))


def values(column: Column, rows: Sequence[Row], models: Sequence[Row], *, objects: bool) -> tuple[str, list[Any]]:
    """Return the kind and the values of a column of the output (rules 3 and 4).

    Args:
        column: The column.
        rows: The rows.
        models: The fields of each row's validated value.
        objects: Whether a column may hold objects.
    """
    found = [row.get(column.key) for row in (models if column.of_model else rows)]
    if column.kind == "time":
        return "time", [None if each is None else datetime.fromisoformat(each) for each in found]
    if column.kind == "json" or (column.kind == "any" and objects and any(map(_is_nested, found))):
        if objects:
            return "object", found
        oks = [bool(row["ok"]) and column.name == "data" for row in rows]
        return "json", [cell("json", each, null=ok) for each, ok in zip(found, oks, strict=True)]
    cells = [cell(column.kind, each) for each in found]
    if column.kind not in {"any", "id"}:
        return column.kind, cells
    kind = _joined({type(each) for each in cells if each is not None})
    return kind, [_as_text(each) for each in cells] if kind == "text" else cells


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _joined(types: set[type]) -> str:
    if types == {bool}:
        return "bool"
    if types == {int}:
        return "int"
    return "real" if types and types <= {int, float} else "text"


def _as_text(value: Any) -> str | None:
    return value if value is None or type(value) is str else written_anyhow(value).decode()


def _plain(value: Any) -> Any:
    """Turn a value of pandas into one of Python (rule 5)."""
    kind = type(value)
    if kind in {str, int, bool} or value is None:
        return value
    if kind is float:
        return value if value == value else None  # noqa: PLR0124 - NaN
    if kind.__name__ in {"NAType", "NaTType"}:
        return None
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime(warn=False)
    if hasattr(value, "tolist"):  # of numpy
        return _plain(value.tolist())
    return value
