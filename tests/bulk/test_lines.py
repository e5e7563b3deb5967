"""Lines of an input: numbered, one at a time, UTF-8 alone, with a digest of every byte."""

import gzip
import os
import subprocess
import sys
import threading

import pytest
from backports import zstd

from asyncapi.bulk.lines import InputError, Lines, input_error
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


PACK = {"gz": gzip.compress, "zst": zstd.compress}


@pytest.mark.parametrize("ending", PACK)
@pytest.mark.parametrize("name", ["in.txt.{}", "in.txt"])
def test_a_packed_file_gives_the_same_lines(tmp_path, ending, name):
    content = b"\xef\xbb\xbfa\n" + b"".join(b"%d\n" % number for number in range(50_000)) + b"last"
    path = tmp_path / name.format(ending)
    path.write_bytes(PACK[ending](content))
    (tmp_path / "plain").write_bytes(content)
    packed = Lines(path)
    assert list(packed.read()) == lines_of(tmp_path / "plain")
    assert packed.digest() == packed.digest_all()
    assert packed.regular


def test_the_digest_of_a_packed_file_is_that_of_its_stored_bytes(tmp_path):
    digests = set()
    for level in (1, 9):
        (tmp_path / "in.gz").write_bytes(gzip.compress(b"a\n" * 1000, level, mtime=0))
        lines = Lines(tmp_path / "in.gz")
        list(lines.read())
        digests.add(lines.digest())
    assert len(digests) == 2


@pytest.mark.parametrize("ending", PACK)
def test_a_packed_file_that_is_cut_off_says_so_with_its_line(tmp_path, ending):
    content = PACK[ending](b"".join(b"%d\n" % (number * 7919) for number in range(100_000)))
    (tmp_path / f"in.{ending}").write_bytes(content[:-9])
    got = []
    with pytest.raises(InputError, match="data ends early: the file is cut off") as caught:
        got.extend(Lines(tmp_path / f"in.{ending}").read())
    assert f":{len(got) + 1}: the " in str(caught.value)


@pytest.mark.parametrize(("content", "says"), [(b"a\n", "it is not gzip data, as its name says"), (b"", "it is empty")])
def test_a_file_that_only_claims_to_be_packed_is_refused(tmp_path, content, says):
    (tmp_path / "in.gz").write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        Lines(tmp_path / "in.gz")


@pytest.mark.parametrize("ending", PACK)
def test_a_packed_pipe_is_recognized_and_read_as_it_comes(tmp_path, ending):
    os.mkfifo(tmp_path / "pipe")
    packed = PACK[ending](b"a\nb\n")
    release = threading.Event()

    def feed():
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            pipe.write(packed[:1])
            pipe.write(packed[1:])
            release.wait(10)
            pipe.write(PACK[ending](b"c\n"))

    writer = threading.Thread(target=feed)
    writer.start()
    reading = Lines(tmp_path / "pipe").read()
    assert [next(reading), next(reading)] == [(1, "a\n"), (2, "b\n")]
    release.set()
    assert list(reading) == [(3, "c\n")]
    writer.join()


def test_an_error_quotes_the_line_with_its_secrets_masked():
    assert str(input_error("in.txt:3", "no", "https://u:pw@h/?token=x\n")) == (
        "in.txt:3: no; the line is: https://***@h/?token=***"
    )
    assert str(input_error("in.txt:3", "no")) == "in.txt:3: no"


def test_a_line_that_is_not_utf_8_is_quoted(tmp_path):
    (tmp_path / "in").write_bytes(b"https://h/\xff\n")
    with pytest.raises(InputError, match=r"in:1: not valid UTF-8 .*; the line is: https://h/\\xff$"):
        lines_of(tmp_path / "in")


@pytest.mark.parametrize(("kind", "piped"), [("pipe", True), ("file", True), ("null", False), ("closed", False)])
def test_a_piped_stdin_is_told_from_a_terminal(tmp_path, kind, piped):
    code = "from asyncapi.bulk.lines import stdin_is_piped; print(stdin_is_piped())"
    (tmp_path / "in").write_text("x")
    with (tmp_path / "in").open() as file:
        stdin = {"pipe": subprocess.PIPE, "file": file, "null": subprocess.DEVNULL, "closed": None}[kind]
        command = [sys.executable, "-c", code]
        if kind == "closed":
            command = ["sh", "-c", 'exec "$0" "$@" <&-', *command]
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == str(piped)


@pytest.mark.parametrize(("content", "kind"), [(b"PAR1\x15\x04", "Parquet"), (b"SQLite format 3\0\x10", "SQLite")])
def test_a_table_in_a_pipe_is_refused_with_what_to_do(tmp_path, content, kind):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(content,))
    writer.start()
    with pytest.raises(
        ConfigError, match=f"it is {kind}, which can't be read from its beginning .* give the file by its name"
    ):
        lines_of(tmp_path / "pipe")
    writer.join()
