"""Lines of an input: numbered, one at a time, UTF-8 alone, with a digest of every byte."""

import os
import threading

import pytest

from asyncapi.bulk.lines import InputError, Lines
from asyncapi.errors import ConfigError


def lines_of(path):
    return list(Lines(path).read())


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []), (b"a", [(1, "a")]), (b"a\nb\n", [(1, "a\n"), (2, "b\n")]), (b"\n\na", [(1, "\n"), (2, "\n"), (3, "a")]),
        (b"\xef\xbb\xbfa\n", [(1, "a\n")]), ("é\r\n".encode(), [(1, "é\r\n")]),
    ],
)  # fmt: skip
def test_lines_keep_their_ends_and_lose_a_byte_order_mark(tmp_path, content, lines):
    (tmp_path / "in").write_bytes(content)
    assert lines_of(tmp_path / "in") == lines


def test_a_pipe_gives_the_same_lines_as_a_file(tmp_path):
    content = b"".join(b"%d\n" % number for number in range(50_000)) + b"last"
    (tmp_path / "file").write_bytes(content)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    assert lines_of(tmp_path / "pipe") == lines_of(tmp_path / "file")
    writer.join()


def test_the_digest_is_that_of_every_byte(tmp_path):
    digests = set()
    for content in (b"a\nb\n", b"a\nb", b"a\r\nb\n", b"a\nc\n"):
        (tmp_path / "in").write_bytes(content)
        lines = Lines(tmp_path / "in")
        list(lines.read())
        first = lines.digest()
        list(lines.read())
        assert lines.digest() == first
        digests.add(first)
    assert len(digests) == 4


def test_a_line_too_long_is_refused_and_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("asyncapi.bulk.lines._MAX_LINE", 1024)
    (tmp_path / "in").write_bytes(b"ok\n" + b"x" * 5000)
    lines = Lines(tmp_path / "in").read()
    assert next(lines) == (1, "ok\n")
    with pytest.raises(InputError, match=":2: the line is longer than"):
        next(lines)


def test_a_closed_pass_ends_at_its_next_line(tmp_path):
    (tmp_path / "in").write_text("a\nb\nc\n")
    lines = Lines(tmp_path / "in")
    reading = lines.read()
    next(reading)
    lines.closed = True
    assert list(reading) == []


@pytest.mark.parametrize(("name", "problem"), [("none", "No such file"), (".", "it is a folder")])
def test_an_input_that_cannot_be_read_says_why(tmp_path, name, problem):
    with pytest.raises(ConfigError, match=problem):
        Lines(tmp_path / name)
