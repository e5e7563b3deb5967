"""Bodies are written so that people can read them, and are read again byte for byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.testing.cassettes import files
from asyncapi.testing.cassettes.bodies import content_of, holds_text, readable

yaml = pytest.importorskip("yaml")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def through_a_file(content, kind):
    rows = [{"request": readable(content, kind)}]
    data = yaml.load(files.dumped(rows), Loader=files._loader(yaml))
    return content_of(data["exchanges"][0]["request"])


@given(VALUES, st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}]), st.booleans())
def test_json_of_every_style_is_the_same_again(value, style, newline):
    content = (json.dumps(value, **style) + "\n" * newline).encode("utf-8", "replace")
    assert through_a_file(content, "application/json") == content


@given(st.text())
def test_text_is_the_same_again(text):
    content = text.encode("utf-8", "replace")
    assert through_a_file(content, "text/plain") == content


@given(st.binary())
def test_bytes_are_the_same_again(content):
    assert through_a_file(content, "application/octet-stream") == content


@pytest.mark.parametrize(
    ("content", "kind", "row"),
    [
        (b"", "text/plain", {}),
        (b'{"a":1}', "application/json", {"json": {"a": 1}}),
        (b'{"a": 1}', "application/problem+json", {"json": {"a": 1}, "style": "spaced"}),
        (b'{"a": 1.0e2}', "application/json", {"text": '{"a": 1.0e2}'}),
        (b'{"a":1,"a":2}', "application/json", {"text": '{"a":1,"a":2}'}),
        (b'{"a":"\\ud800"}', "application/json", {"text": '{"a":"\\ud800"}'}),
        ("äö".encode("latin-1"), "text/plain; charset=iso-8859-1", {"text": "äö", "charset": "iso-8859-1"}),
        (b"\xff\xfe", "text/plain", {"base64": "//4="}),
        (b"\x00", "text/plain", {"base64": "AA=="}),
        (b"[" * 100 + b"]" * 100, "application/json", {"text": "[" * 100 + "]" * 100}),
    ],
)
def test_what_can_be_read_is_written_as_such(content, kind, row):
    assert readable(content, kind) == row
    assert content_of(row) == content
    assert holds_text(row) == ("base64" not in row)


def test_an_unknown_style_is_an_error():
    with pytest.raises(ValueError, match="style 'odd'"):
        content_of({"json": 1, "style": "odd"})
