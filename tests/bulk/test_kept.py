"""The rows of an output are read back as they were written; anything else is refused by its line."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.kept import csv_rows, json_rows
from asyncapi.bulk.rows import csv_line, json_line
from asyncapi.bulk.sinks import sink_for
from asyncapi.errors import ConfigError

ROW = {"id": 0, "url": "u", "status": None, "ok": False, "error": "no", "attempts": 1, "elapsed_ms": 1.5,
       "at": "2024-01-01T00:00:00.000Z"}  # fmt: skip


@given(
    st.lists(st.tuples(st.text(alphabet='a",\t\r\né'), st.text(alphabet='a",\t\r\né')), max_size=4),
    st.sampled_from(",\t"),
)
def test_every_text_comes_back_from_csv(texts, delimiter):
    sink = sink_for("out.csv" if delimiter == "," else "out.tsv")
    rows = [{**ROW, "id": name, "error": error} for name, error in texts]
    content = sink.header + b"".join(map(sink.encode, rows))
    found = list(csv_rows(io.BytesIO(content), sink))
    assert [(kept.name, kept.error) for kept in found] == texts
    assert b"".join(kept.encoded for kept in found) == content[len(sink.header) :]


def test_json_that_only_pythons_reader_takes_is_read():
    rows = [{**ROW, "id": "\ud800", "ok": True}]
    found = list(json_rows(io.BytesIO(b"".join(map(json_line, rows))), "out"))
    assert (found[0].name, found[0].ok) == ("\ud800", True)


def test_an_older_output_says_one_for_true():
    sink = sink_for("out.csv")
    line = csv_line([0, "u", 200, 1, "1", None, 1, 1.5, "2024"])
    assert next(iter(csv_rows(io.BytesIO(sink.header + line), sink))).ok


@pytest.mark.parametrize("content", [b"{", b"[]\n", b'{"id": 1}\n', b"\xff\n", b'"text"\n'])
def test_what_is_no_row_is_refused(content):
    with pytest.raises(ConfigError, match=r"out:2: not a row that a job has written"):
        list(json_rows(io.BytesIO(json_line(ROW) + content), "out"))


@pytest.mark.parametrize("content", [b"a,b\n", b'"a\n', b"1,u,x,true,,,1,1,1\n"])
def test_what_is_no_row_of_the_table_is_refused(content):
    sink = sink_for("out.csv")
    with pytest.raises(ConfigError, match=r"out.csv:2: not a row that a job has written"):
        list(csv_rows(io.BytesIO(sink.header + content), sink))
