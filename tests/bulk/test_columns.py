"""Every output has the columns that the user asked for, under names that don't clash."""

import csv
import json
import sqlite3

import pydantic
import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.columns import RowMaker, columns_of, headers_of, map_model, row_maker
from asyncapi.bulk.item import Item
from asyncapi.bulk.rows import COLUMNS, row_of
from asyncapi.bulk.sinks import sink_for
from asyncapi.errors import ConfigError, ConnectError, status_error
from asyncapi.types import Attempt, Outcome, Response


class Inner(pydantic.BaseModel):
    x: int


class Model(pydantic.BaseModel):
    id: int
    name: str
    inner: Inner
    ratio: float | None = None


def item(columns=None, method="GET"):
    made = Item(method, "https://h/1")
    made.index, made.name, made.given, made.columns = 7, "seven", "https://h/1", columns
    return made


def job(**settings):
    return Job("in.jsonl", "out.jsonl", **settings)


def good(
    body=b'{"id": 1, "items": [{"n": "a"}, {"n": "b"}], "deep": {"x": 1}}', headers=None, value=None, method="GET"
):
    headers = headers or {"Content-Type": "application/json"}
    response = Response(200, headers, body, url="https://u:p@h/final?token=s3cret")
    attempts = (Attempt(1, method, "https://h/1", "first", 0.0, 0.0, status=200),)
    return Outcome(0, item(method=method), response if value is None else value, None, attempts, 0.01, 200)


def bad(error):
    return Outcome(0, item(), None, error, (), 0.01, None)


def made(outcome, columns=None, model=None, **settings):
    row = row_maker(job(**settings), model)(item(columns), outcome)
    return {name: value for name, value in row.items() if name not in {"at", "elapsed_ms", "attempts"}}


BASE = {"id": "seven", "url": "https://h/1", "status": 200, "ok": True}


def test_without_options_rows_are_made_as_ever():
    assert row_maker(job(), None) is row_of
    assert columns_of(job(), None).names == COLUMNS
    assert columns_of(job(), None).usual


def test_selected_columns_stand_in_place_of_data():
    row = made(good(), select=("items.n", "first=items.0.n", "missing"))
    assert row == BASE | {"n": ["a", "b"], "first": "a", "missing": None}
    names = columns_of(job(select=("items.n", "missing")), None).names
    assert names == ("id", "url", "status", "ok", "n", "missing", "error", "attempts", "elapsed_ms", "at")


def test_a_failed_row_has_an_error_in_place_of_selected_columns():
    row = made(bad(ConnectError("refused")), select=("items.n",))
    assert row == BASE | {"status": None, "ok": False, "error": "ConnectError: refused"}


def test_headers_url_and_size_on_request():
    headers = [
        ("Content-Type", "application/json"),
        ("X-A", "1"),
        ("x-a", "2"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
    ]
    row = made(good(b"{}", headers), extra=("headers", "url", "bytes"))
    assert row["headers"] == {"Content-Type": "application/json", "X-A": "1, 2", "Set-Cookie": ["a=1", "b=2"]}
    assert (row["final_url"], row["bytes"]) == ("https://***@h/final?token=***", 2)
    assert list(made(good(), extra=("bytes",)))[-1] == "bytes"
    assert "headers" not in made(good(), extra=("bytes",))


def test_a_failed_row_has_the_headers_of_its_response_or_null():
    response = Response(404, {"X-A": "1"}, b"gone", url="https://h/x")
    row = made(bad(status_error(response)), extra=("headers", "url", "bytes"))
    assert (row["headers"], row["final_url"], row["bytes"]) == ({"X-A": "1"}, "https://h/x", 4)
    row = made(bad(ConnectError("no")), extra=("headers", "url", "bytes"))
    assert (row["headers"], row["final_url"], row["bytes"]) == (None, None, None)


def test_with_headers_the_model_is_applied_to_the_response():
    asked = job(extra=("headers",), model=Model)
    assert map_model(asked, Model) is None
    assert map_model(job(model=Model), Model) is Model
    body = b'{"id": 1, "name": "n", "inner": {"x": 2}}'
    assert made(good(body), model=Model, extra=("headers",))["data"] == Model(id=1, name="n", inner=Inner(x=2))
    row = made(good(b'{"id": "no"}'), model=Model, extra=("headers",))
    assert not row["ok"]
    assert row["error"].startswith("SchemaError")
    assert row["headers"] == {"Content-Type": "application/json"}


def test_a_model_can_be_selected_from():
    value = Model(id=1, name="n", inner=Inner(x=2))
    assert made(good(value=value), model=Model, select=("inner.x",)) == BASE | {"x": 2}


def test_carried_columns_come_last_and_never_clash():
    carried = {"note": "a", "status": "b", "input_status": "c", "Error": "d", "bytes": "e"}
    row = made(good(b"1"), carried, carry="all", extra=("bytes",))
    assert row == BASE | {
        "data": 1, "bytes": 1, "note": "a", "input_input_status": "b", "input_status": "c", "input_Error": "d",
        "input_bytes": "e",
    }  # fmt: skip
    names = columns_of(job(carry="all", extra=("bytes",)), None, tuple(carried)).names
    assert names == (*COLUMNS, "bytes", "note", "input_input_status", "input_status", "input_Error", "input_bytes")


def test_an_unknown_row_has_the_carried_columns_too():
    maker = row_maker(job(carry=("note",)), None)
    assert isinstance(maker, RowMaker)
    assert maker.carry(item({"note": "a"}), {"id": 1}) == {"id": 1, "note": "a"}


def test_the_fields_of_a_model_have_columns_of_their_own_in_tables():
    columns = columns_of(job(model=Model, carry=("name",)), Model, ("name",))
    assert columns.names == (*COLUMNS, "data_id", "name", "inner", "ratio", "input_name")
    row = row_maker(job(carry=("name",)), Model)(
        item({"name": "in"}), good(value=Model(id=1, name="n", inner=Inner(x=2)))
    )
    assert columns.cells(row)[len(COLUMNS) :] == (1, "n", '{"x":2}', None, "in")


def test_a_selected_column_that_clashes_is_renamed():
    assert made(good(), select=("id", "deep.x")) == BASE | {"data_id": 1, "x": 1}
    assert "data_id" in columns_of(job(select=("id",)), None).names


def test_a_path_that_cannot_be_read_is_refused():
    with pytest.raises(ConfigError, match="cannot read --select"):
        row_maker(job(select=("a..b",)), None)


def test_headers_keep_their_spelling():
    assert headers_of(Response(200, {"X-Thing": "a"}).headers) == {"X-Thing": "a"}


ROWS = [
    {
        **BASE,
        "n": ["a"],
        "count": 5,
        "file": None,
        "headers": {"A": "1"},
        "bytes": 3,
        "note": 'x,\t"y"\n',
        "flag": True,
    },
    {**BASE, "ok": False, "error": "no", "headers": None, "bytes": None, "note": "z", "flag": False},
]


def written(path):
    asked = job(select=("n", "count"), extra=("headers", "bytes"), carry=("note", "flag"))
    sink = sink_for(path)
    sink.columns = columns_of(asked, None, ("note", "flag"))
    sink.open(0)
    rows = [{**row, "attempts": 1, "elapsed_ms": 1.5, "at": "2024-01-01T00:00:00.123Z"} for row in ROWS]
    sink.append(sink.pack([sink.encode(row) for row in rows], 0).data)
    sink.finish()
    sink.close()
    return path


NAMES = [
    "id",
    "url",
    "status",
    "ok",
    "n",
    "count",
    "error",
    "attempts",
    "elapsed_ms",
    "at",
    "headers",
    "bytes",
    "note",
    "flag",
]


@pytest.mark.parametrize(("name", "delimiter"), [("o.csv", ","), ("o.tsv", "\t")])
def test_csv_and_tsv_have_them(tmp_path, name, delimiter):
    with written(tmp_path / name).open(newline="") as file:
        good_row, bad_row = csv.DictReader(file, delimiter=delimiter)
    assert list(good_row) == NAMES
    assert (good_row["ok"], good_row["n"], good_row["count"], good_row["flag"]) == ("true", '["a"]', "5", "true")
    assert (json.loads(good_row["headers"]), good_row["note"]) == ({"A": "1"}, ROWS[0]["note"])
    assert (bad_row["ok"], bad_row["n"], bad_row["headers"], bad_row["note"]) == ("false", "", "", "z")


def test_sqlite_has_them_typed(tmp_path):
    base = sqlite3.connect(written(tmp_path / "o.sqlite"))
    types = {row[1]: row[2] for row in base.execute("PRAGMA table_info(rows)")}
    assert list(types) == NAMES
    assert (types["ok"], types["bytes"], types["headers"], types["count"]) == ("BOOLEAN", "INTEGER", "TEXT", "")
    found = base.execute("SELECT ok, n, count, headers, bytes, note, flag FROM rows").fetchall()
    assert found == [(1, '["a"]', 5, '{"A":"1"}', 3, ROWS[0]["note"], 1), (0, None, None, None, None, "z", 0)]
    base.close()


def test_parquet_has_them_typed_by_their_values(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(written(tmp_path / "o.parquet"))
    assert table.column_names == NAMES
    types = {
        name: str(table.schema.field(name).type) for name in ("ok", "n", "count", "bytes", "headers", "note", "flag")
    }
    assert types == {
        "ok": "bool", "n": "string", "count": "int64", "bytes": "int64", "headers": "string", "note": "string",
        "flag": "bool",
    }  # fmt: skip
    assert table.column("count").to_pylist() == [5, None]
    assert table.column("flag").to_pylist() == [True, False]
