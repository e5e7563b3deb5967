"""Mappings of a Python program are rows, as the lines of JSONL are."""

import pytest

from asyncapi.bulk.job import Job
from asyncapi.bulk.lines import InputError
from asyncapi.bulk.mappings import Rows
from asyncapi.bulk.reader import Reader


def test_a_list_is_checked_and_read_twice():
    rows = [{"id": n, "url": f"https://h/{n}", "params": {"q": n}} for n in range(3)]
    reader = Reader(rows)
    scan = reader.scan()
    assert (reader.regular, reader.slow, scan.total) == (True, False, 3)
    assert [(item.name, item.params) for item in reader.items()] == [(n, {"q": n}) for n in range(3)]
    assert Reader(rows[:2]).scan().digest != scan.digest
    assert Reader(rows, limit=2).scan().digest == scan.digest


def test_an_iterator_is_read_once_and_as_it_comes():
    pulled = []

    def rows():
        for n in range(3):
            pulled.append(n)
            yield {"url": f"https://h/{n}"}

    reader = Reader(rows())
    assert (reader.regular, reader.slow) == (False, True)
    items = reader.items(lambda: pulled.append("before"))
    assert next(items).given == "https://h/0"
    assert pulled == ["before", 0]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"url": "x/y"}, r'^rows:2: the URL .*; the line is: \{"url":"x/y"\}$'),
        ({"url": "https://h/", "header": {}}, "rows:2: unknown key 'header'"),
        (
            {"url": "https://h/", "token": "s3"},
            r'unknown key \'token\'.*; the line is: \{"url":"https://h/","token":"\*\*\*"\}',
        ),
        (["https://h/"], "rows:2: a row is a mapping"),
    ],
)
def test_a_broken_row_is_named_by_its_number_and_quoted(row, says):
    with pytest.raises(InputError, match=says):
        Reader([{"url": "https://h/1"}, row]).scan()


def test_rows_may_have_a_name_in_messages():
    with pytest.raises(InputError, match=r"^frame:1: the row has no 'url'"):
        Reader(Rows([{"id": 1}], name="frame")).scan()


def test_a_job_reads_its_mappings_as_often_as_it_needs():
    """Also where its settings are checked by pydantic."""
    job = Job([{"url": "https://h/1"}], "-", timeout=5, select=["a"])
    for _ in range(2):
        assert [item.given for item in job.reader().items()] == ["https://h/1"]
