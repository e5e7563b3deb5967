"""Rows become text that every reader of the format reads back."""

import csv
import io
import json
import sqlite3

import pyarrow.parquet as pq
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.cells import cells, csv_line
from asyncapi.bulk.sinks import sink_for
from asyncapi.messages.json_text import written_anyhow

ROW = {"id": 1, "url": "https://h/1", "status": 200, "ok": True, "data": 1, "attempts": 1, "elapsed_ms": 1.0,
       "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip
IDS = [
    ("a", "a"), ("", ""), (7, 7), (2**63, str(2**63)), (-(2**63), -(2**63)), (10**40, str(10**40)), (1.5, 1.5), (-0.0, 0.0),
    (True, "true"), (None, "null"), ({"$oid": "5f"}, '{"$oid":"5f"}'), ([1, "é"], '[1,"é"]'), ("a\0b", "a\0b"), ("🦉", "🦉"),
]  # fmt: skip


def written(path, rows):
    sink = sink_for(path)
    sink.open(0)
    sink.append([sink.encode(row) for row in rows])
    sink.finish()
    sink.close()
    return path


@pytest.mark.parametrize(("given", "kept"), IDS)
def test_an_id_of_any_kind_goes_into_every_output(tmp_path, given, kept):
    """As it is where it fits, else as its JSON text; and the next run knows the row again."""
    row = {**ROW, "id": given}
    assert json.loads(written(tmp_path / "a.jsonl", [row]).read_text())["id"] == given
    assert next(csv.reader(io.StringIO(csv_line(cells(row)).decode(), newline="")))[0] == str(kept)
    as_text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    assert pq.read_table(written(tmp_path / "a.parquet", [row]))["id"].to_pylist() == [as_text]
    base = sqlite3.connect(written(tmp_path / "a.db", [row]))
    assert base.execute("SELECT id FROM rows").fetchone()[0] == kept
    base.close()
    sink = sink_for(tmp_path / "a.db")
    with sink.written() as is_own:
        assert is_own(1, sink.checksum(sink.encode(row)))
    sink.close()


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.integers()), min_size=2))
def test_a_line_of_csv_is_read_back_as_it_was(values):
    line = csv_line(values).decode()
    assert list(csv.reader(io.StringIO(line, newline=""), strict=True)) == [
        ["" if value is None else str(value) for value in values]
    ]


@pytest.mark.parametrize("text", ["a\rb", "a\r\nb", "a\nb", 'a"b', "a,b", "\r", '"'])
def test_a_field_with_an_end_of_line_a_quote_or_a_comma_is_quoted(text):
    """RFC 4180 section 2.6, whatever the csv module of this Python does."""
    assert csv_line(["x", text]).decode() == 'x,"' + text.replace('"', '""') + '"\n'


@pytest.mark.parametrize("text", ["=1+1", " a ", "@x", "a\0b", "'", "é"])
def test_other_fields_are_verbatim(text):
    assert csv_line([text, None, 1]).decode() == f"{text},,1\n"


class Cut(pydantic.BaseModel):
    text: str
    n: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("caf\ud83d", '"caf\\ud83d"'),
        ({"\udc00": [1.5, None, True, float("nan"), float("inf")]}, '{"\\udc00":[1.5,null,true,null,null]}'),
        ([float("nan"), 1e308, float("-inf")], "[null,1e+308,null]"),
        (Cut.model_construct(text="\ud83d", n=float("nan")), '{"text":"\\ud83d","n":null}'),
    ],
)
def test_rows_are_valid_json_whatever_is_in_them(value, text):
    assert written_anyhow(value) == text.encode()


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.db", "a.parquet"])
def test_half_of_an_emoji_goes_into_every_output(tmp_path, name):
    path = written(tmp_path / name, [{**ROW, "data": {"name": "caf\ud83d"}}])
    if name == "a.jsonl":
        data = json.dumps(json.loads(path.read_text())["data"])
    elif name == "a.csv":
        data = next(csv.DictReader(io.StringIO(path.read_text(), newline="")))["data"]
    elif name == "a.db":
        base = sqlite3.connect(path)
        data = base.execute("SELECT data FROM rows").fetchone()[0]
        base.close()
    else:
        data = pq.read_table(path)["data"].to_pylist()[0]
    assert json.loads(data) == {"name": "caf\ud83d"}
