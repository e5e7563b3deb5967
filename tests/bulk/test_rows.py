"""A row says how a request ended, in exactly eight keys, and becomes text that every reader of a format reads back."""

import csv
import io
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.reader import Item
from asyncapi.bulk.rows import UNKNOWN, cells, csv_line, row_of, unknown_row, value_of
from asyncapi.bulk.sinks import sink_for
from asyncapi.errors import ConnectError, DecodeError
from asyncapi.messages.json_text import written_anyhow
from asyncapi.types import Attempt, Outcome, Response

KEYS = ["id", "url", "status", "ok", "data", "attempts", "elapsed_ms", "at"]


def item(url="https://h/1", id=None):  # noqa: A002
    made = Item("GET", url)
    made.index, made.name = 7, id
    return made


def response(content, kind=None, status=200):
    return Response(status, {} if kind is None else {"Content-Type": kind}, content)


def test_a_good_row_has_data():
    """`elapsed_ms` leaves out what was spent in our own queue."""
    attempts = tuple(Attempt(n, "GET", item().url, "first", 0.0, 0.0, queued=0.001) for n in (1, 2))
    row = row_of(item(), Outcome(0, item(), response(b'{"a":1}', "application/json"), None, attempts, 0.01234, 200))
    at = datetime.fromisoformat(row.pop("at"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert row == {
        "id": 7,
        "url": "https://h/1",
        "status": 200,
        "ok": True,
        "data": {"a": 1},
        "attempts": 2,
        "elapsed_ms": 10.3,
    }


def test_a_failed_row_has_an_error_instead():
    row = row_of(item(id="x"), Outcome(0, item(), None, ConnectError("refused"), (), 0.5, None))
    assert list(row) == [key if key != "data" else "error" for key in KEYS]
    assert (row["id"], row["ok"], row["status"], row["error"]) == ("x", False, None, "ConnectError: refused")


def test_a_model_is_the_data():
    class User(pydantic.BaseModel):
        name: str

    row = row_of(item(), Outcome(0, item(), User(name="a"), None, (), 0.1, 200))
    assert row["data"] == User(name="a")


def test_secrets_in_the_url_are_masked():
    row = row_of(item("https://u:p@h/1?api_key=s3cret&q=1"), Outcome(0, item(), 1, None, (), 0.1, 200))
    assert row["url"] == "https://***@h/1?api_key=***&q=1"


def test_a_row_in_flight_at_a_kill_is_unknown():
    row = unknown_row(item())
    assert list(row) == [key if key != "data" else "error" for key in KEYS]
    assert (row["id"], row["status"], row["ok"], row["error"]) == (7, None, False, UNKNOWN)


@pytest.mark.parametrize(
    ("content", "kind", "data"),
    [
        (b'{"a":[1]}', "application/json; charset=utf-8", {"a": [1]}),
        (b"[1]", "application/problem+json", [1]),
        (b"", "application/json", None),
        (b"", "image/png", None),
        (b"caf\xe9", "text/value_of; charset=latin-1", "café"),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"\xff\xfe", "text/value_of", "data:text/value_of;base64,//4="),
        (b"\x89PNG", "image/png", "data:image/png;base64,iVBORw=="),
        (b"abc", "application/octet-stream", "data:application/octet-stream;base64,YWJj"),
        (b'{"a":1}', None, {"a": 1}),
        (b"hello", None, "hello"),
        (b"\xff", None, "data:application/octet-stream;base64,/w=="),
    ],
)
def test_a_body_becomes_what_json_can_carry(content, kind, data):
    assert value_of(response(content, kind)) == data


def test_broken_json_fails_its_row():
    with pytest.raises(DecodeError):
        value_of(response(b"{", "application/json"))
    row = row_of(item(), Outcome(0, item(), response(b"{", "application/json"), None, (), 0.1, 200))
    assert not row["ok"]
    assert row["error"].startswith("DecodeError: not JSON")


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
