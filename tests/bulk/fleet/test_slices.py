"""One chunk of an input is read on whatever worker, from the input or from the part that the coordinator has written."""

from types import SimpleNamespace

import pytest

from asyncapi.bulk import InputError, Job
from asyncapi.bulk.fleet.slices import Chunk, CountedLines, slice_reader, write_part
from asyncapi.errors import ConfigError


def chunk(**settings):
    usual = {"number": 0, "first_row": 40, "rows": 2, "begin": 0, "length": 0, "first_line": 0, "part": "0.input"}
    return Chunk(**{**usual, **settings})


def job(folder):
    return Job(folder / "a.txt", folder / "o.jsonl")


def test_lines_of_a_part_keep_their_numbers_and_their_text(tmp_path):
    source = SimpleNamespace(name="stdin", plain_name="stdin")
    write_part(tmp_path / "0.input", source, [(1, "# é\n")], [(7, "http://h/1\n"), (9, "http://h/\u2028\n")])
    items = list(slice_reader(job(tmp_path), chunk(format="text"), str(tmp_path)).items())
    assert [(item.index, item.given) for item in items] == [(40, "http://h/1"), (41, "http://h/\u2028".strip())]


def test_a_broken_row_of_a_part_is_named_by_its_line_in_the_input(tmp_path):
    source = SimpleNamespace(name="stdin", plain_name="stdin")
    write_part(tmp_path / "0.input", source, [(7, "no url\n")])
    with pytest.raises(InputError, match="stdin:7"):
        list(slice_reader(job(tmp_path), chunk(format="text"), str(tmp_path)).items())


def test_rows_of_a_part_keep_their_values(tmp_path):
    source = SimpleNamespace(name="a.sqlite", columns=("url", "x"))
    write_part(
        tmp_path / "0.input", source, [(3, {"url": "http://h/1", "x": 2**60}), (4, {"url": "http://h/2", "x": None})]
    )
    whole = Job(tmp_path / "a.txt", tmp_path / "o.jsonl", carry=("x",))
    items = list(slice_reader(whole, chunk(), str(tmp_path)).items())
    assert [item.columns for item in items] == [{"x": 2**60}, {"x": None}]


def test_a_part_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read the part .*0\.input: No such file"):
        slice_reader(job(tmp_path), chunk(), str(tmp_path))


def test_counted_lines_say_where_the_last_line_ended(tmp_path):
    (tmp_path / "a.txt").write_bytes("é\r\nb\n\nlast".encode())
    lines = CountedLines(tmp_path / "a.txt")
    assert [(lines.at, lines.number) for _ in lines.read()] == [(4, 1), (6, 2), (7, 3), (11, 4)]
