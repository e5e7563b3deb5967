"""Parquet as an input: typed rows, in constant memory."""

import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asyncapi.bulk.lines import InputError
from asyncapi.bulk.parquet_source import rows_of
from asyncapi.bulk.reader import Reader
from asyncapi.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    def write(columns, name="in.parquet", **settings):
        pq.write_table(pa.table(columns), tmp_path / name, **settings)
        return tmp_path / name

    return write


def test_a_table_with_a_url_column_is_read_over_its_row_groups(file):
    path = file({"n": range(2500), "url": [f"https://h/{n}" for n in range(2500)]}, row_group_size=700)
    reader = Reader(path)
    assert reader.scan().total == 2500
    assert [item.given for item in reader.items()] == [f"https://h/{n}" for n in range(2500)]
    assert Reader(path, limit=3).scan().total == 3
    assert Reader(path, limit=3).scan().digest == reader.scan().digest


def test_columns_keep_their_types(file):
    when = datetime(2024, 1, 2, 3, 4, 5, 678, UTC)
    path = file(
        {
            "id": [1], "f": [1.5], "b": [True], "none": pa.array([None], pa.string()), "l": [[1, None]], "s": [{"k": "v"}],
            "day": [date(2024, 1, 2)], "at": pa.array([when], pa.timestamp("us", "UTC")), "dec": [Decimal("1.10")],
            "raw": pa.array([b"text"]), "bin": pa.array([b"\xff"]),
        }
    )  # fmt: skip
    [item] = Reader(
        path,
        template="https://h/{id}?d={day}",
        json={"all": ["{f}", "{b}", "{none}", "{l}", "{s}", "{at}", "{dec}"]},
        carry="all",
    ).items()
    assert item.given == "https://h/1?d=2024-01-02"
    assert item.json["all"] == [1.5, True, None, [1, None], {"k": "v"}, "2024-01-02T03:04:05.000678Z", "1.10"]
    assert (item.name, item.columns["at"], item.columns["dec"]) == (1, when, Decimal("1.10"))
    assert (item.columns["raw"], item.columns["bin"]) == ("text", "data:application/octet-stream;base64,/w==")


def test_nanoseconds_become_microseconds():
    batch = pa.record_batch({"at": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))})
    [row] = rows_of(batch)
    assert row["at"].isoformat() == "2023-11-14T22:13:20"


def test_only_the_columns_that_are_asked_for_are_read(file):
    path = file({"url": ["https://h/1"], "id": ["a"], "big": ["x"], "note": ["n"]})
    reader = Reader(path, carry=("note",))
    [item] = reader.items()
    assert (item.columns, reader._source.wanted) == ({"note": "n"}, {"id", "note", "url", "method", "idempotency_key"})


@pytest.mark.parametrize(
    ("columns", "settings", "says"),
    [
        ({"link": ["x"]}, {}, r"in\.parquet: no column 'url' \(the columns are: link\)"),
        ({"url": [5]}, {}, r"in\.parquet:1: column 'url' is 5: give text; the line is: "),
        ({"url": ["https://h/", None]}, {}, r"in\.parquet:2: the row has no 'url'"),
        ({"url": ["x"], "token": ["s3"]}, {"carry": "all"}, r'in\.parquet:1: .*"token":"\*\*\*"'),
        ({"url": ["https://h/"]}, {"carry": ("nope",)}, r"in\.parquet: no column 'nope' \(the columns are: url\)"),
        ({"url": ["https://h/"]}, {"json": {"a": "{t}"}}, r"in\.parquet:1: no column 't' "),
    ],
)
def test_a_broken_row_is_named_by_its_number(file, columns, settings, says):
    with pytest.raises(ConfigError, match=says):
        Reader(file(columns), **settings).scan()


def test_a_file_that_is_broken_says_so(file, tmp_path):
    path = file({"url": ["https://h/1"] * 1000})
    content = path.read_bytes()
    (tmp_path / "cut.parquet").write_bytes(content[:-20])
    (tmp_path / "none.parquet").write_bytes(b"url\n")
    (tmp_path / "empty.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"cannot read the input .*cut\.parquet: "):
        Reader(tmp_path / "cut.parquet")
    for name in ("none", "empty"):
        with pytest.raises(ConfigError, match=rf"{name}\.parquet: it is not a Parquet file, as its name says"):
            Reader(tmp_path / f"{name}.parquet")


def test_a_parquet_file_is_recognized_whatever_its_name(file):
    assert [item.given for item in Reader(file({"url": ["https://h/1"]}, "part-0")).items()] == ["https://h/1"]


def test_parquet_without_its_extra_says_what_to_install(file, monkeypatch):
    path = file({"url": ["https://h/1"]})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[parquet\]'"):
        Reader(path)


def test_a_closed_reader_ends_its_pass(file):
    reader = Reader(file({"url": ["https://h/1"] * 5000}))
    items = reader.items()
    next(items)
    reader.close()
    assert list(items) == []


def test_an_id_twice_is_told(file):
    scan = Reader(file({"id": [1, 2, 1], "url": ["https://h/1"] * 3})).scan()
    assert "1 row has an id that an earlier row has, such as '1'" in scan.duplicates


def test_errors_are_input_errors(file):
    with pytest.raises(InputError):
        Reader(file({"url": ["x"]})).scan()
