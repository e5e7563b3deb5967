"""CSV as others write it is read; what is none is named with its line."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.delimited import BadTable, records


def read(text, delimiter=","):
    lines = iter(enumerate(io.StringIO(text, newline="\n"), 1))
    return [row for _, row in records(lines, delimiter)]


FIELDS = st.text(st.sampled_from('ab",;\t\r\n é=\0'))


@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=4)), st.sampled_from([",", "\t"]), st.sampled_from(["\n", "\r\n"])
)
def test_what_the_csv_module_writes_is_read_back(rows, delimiter, end):
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    assert read(text.getvalue(), delimiter) == rows


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a,b\n1,2", [["a", "b"], ["1", "2"]]),
        ("a,b\r\n\r\n1,\r\n", [["a", "b"], [], ["1", ""]]),
        ('a,"b ""c"" d"\n', [["a", 'b "c" d']]),
        ('"","x\ny\r\nz",""\n', [["", "x\ny\r\nz", ""]]),
        ('a"b,c d"\n', [['a"b', 'c d"']]),
        ("", []),
    ],
)
def test_fields_are_read_as_rfc_4180_says(text, rows):
    assert read(text) == rows


def test_a_field_may_be_as_long_as_a_line():
    long = "x" * (15 << 20)
    assert read(f'{long},1\n"{long}",2\n"{long[: 1 << 20]}\n{long[: 1 << 20]}",3\n')[1] == [long, "2"]
    assert csv.field_size_limit() == 131072  # the process's own bound is nobody's to change


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ('a\n"b\nc\n', 2, "a quoted field is not closed"),
        ('a\n"b"c\n', 2, "',' expected after the closing quote"),
        ("a\rb\n", 1, "a carriage return inside a field"),
        ('"a",b\rc\n', 1, "a carriage return inside a field"),
        ('"' + ("x" * 1024 + "\n") * (17 << 10), 1, "longer than 16 MiB: is its quote closed?"),
    ],
)
def test_what_is_no_csv_is_told_with_its_line(text, line, says):
    with pytest.raises(BadTable, match=says) as caught:
        read(text)
    assert caught.value.line == line
