"""Whatever a job has as its input is recognized, and opened or refused."""

import gzip
from pathlib import Path

import pytest

from asyncapi.bulk.lines import InputError, Lines
from asyncapi.bulk.mappings import Rows
from asyncapi.bulk.reader import Reader
from asyncapi.bulk.sources import Arguments, local_file, source_of
from asyncapi.errors import ConfigError


def test_urls_are_rows_in_their_order():
    reader = Reader(["https://h/1", "https://h/2"])
    scan = reader.scan()
    assert (reader.regular, scan.total) == (True, 2)
    assert [item.given for item in reader.items()] == ["https://h/1", "https://h/2"]
    assert Reader(["https://h/1", "https://h/2"]).scan().digest == scan.digest
    assert Reader(("https://h/1",)).scan().digest != scan.digest


def test_arguments_fill_a_template():
    assert [item.given for item in Reader(["7", "#8"], template="https://h/{id}").items()] == [
        "https://h/7",
        "https://h/%238",
    ]
    assert [item.given for item in Reader(["id", "{"], template="https://h/{id}").items()] == [
        "https://h/id",
        "https://h/%7B",
    ]


@pytest.mark.parametrize(
    ("urls", "says"),
    [
        (["https://h/1", "#x"], "^argument:2: the URL '#x' has no scheme"),
        (["https://h/1", " "], "^argument:2: it is empty"),
        (["ftp://u:pw@h/"], r"^argument:1: the URL 'ftp://\*\*\*@h/' is neither .*; the line is: ftp://\*\*\*@h/$"),
    ],
)
def test_a_wrong_argument_is_named_by_its_place(urls, says):
    with pytest.raises(InputError, match=says):
        Reader(urls).scan()


def test_each_kind_of_input_has_its_source(tmp_path):
    (tmp_path / "a.txt").write_text("https://h/1\n")
    assert isinstance(source_of(tmp_path / "a.txt"), Lines)
    assert isinstance(source_of("-"), Lines)
    assert isinstance(source_of(["https://h/1"]), Arguments)
    assert isinstance(source_of([{"url": "https://h/1"}]), Rows)
    assert isinstance(source_of(iter(())), Rows)
    mine = Rows([])
    assert source_of(mine) is mine


@pytest.mark.parametrize("given", [None, 5, b"x", {"url": "x"}])
def test_anything_else_is_refused(given):
    with pytest.raises(ConfigError, match="give a file, a list of URLs, or an iterable of mappings"):
        source_of(given)


def test_a_format_that_is_given_wins(tmp_path):
    (tmp_path / "a.parquet").write_text("url\nhttps://h/1\n")
    assert [item.given for item in Reader(tmp_path / "a.parquet", format="csv").items()] == ["https://h/1"]


def test_the_local_file_of_an_input_is_known(tmp_path):
    assert local_file(Path("in.txt")) == "in.txt"
    assert local_file("jobs.sqlite::t") == "jobs.sqlite"
    assert local_file("file:///tmp/in.txt") == "/tmp/in.txt"
    assert local_file("-") == local_file("s3://b/k") == local_file(["https://h/"]) == "-"


def test_a_packed_file_is_no_parquet_file_by_chance(tmp_path):
    (tmp_path / "a.txt").write_bytes(gzip.compress(b"https://h/1\n"))
    assert [item.given for item in Reader(tmp_path / "a.txt").items()] == ["https://h/1"]
