"""Inputs become requests row by row, and a broken row is an error that names file and line."""

import os
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.lines import InputError
from asyncapi.bulk.item import Item
from asyncapi.bulk.reader import Reader
from asyncapi.bulk.recipe import PLAIN_URL
from asyncapi.bulk.template import Template
from asyncapi.errors import ConfigError


def read(path, **settings):
    return list(Reader(path, **settings).items())


def urls(path, **settings):
    return [str(item.url) for item in read(path, **settings)]


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def test_text_is_a_url_a_line_without_blanks_and_comments(file):
    path = file("a.txt", "\ufeffhttps://h/1\r\n\n# no\n  https://h/2?q=a b  \nhttps://h/3")
    items = read(path)
    assert [str(item.url) for item in items] == ["https://h/1", "https://h/2?q=a%20b", "https://h/3"]
    assert [item.index for item in items] == [0, 1, 2]
    assert all(item.method == "GET" and item.name is None for item in items)


def test_jsonl_carries_whole_requests(file):
    path = file(
        "a.jsonl",
        '{"id":"x","method":"post","url":"https://h/a","headers":{"A":"b"},"params":{"q":[1,2]},"json":{"k":null},'
        '"idempotency_key":"k1"}\n\n{"url":"https://h/b","content":"raw"}\n{"id":5,"url":"https://h/c","data":{"f":"1"}}\n',
    )
    first, second, third = read(path)
    assert (first.name, first.method, str(first.url), dict(first.headers)) == ("x", "POST", "https://h/a", {"A": "b"})
    assert (first.params, first.json, first.idempotency_key) == ({"q": [1, 2]}, {"k": None}, "k1")
    assert (second.name, second.method, second.content) == (None, "GET", "raw")
    assert (third.name, third.data) == (5, {"f": "1"})


def test_csv_takes_the_url_column_and_ignores_what_it_does_not_know(file):
    path = file("a.csv", 'name,url,id,method\n"a, ""b""\nc",https://h/1,7,put\nx,https://h/2,,\n')
    first, second = read(path)
    assert (first.name, first.method, str(first.url)) == ("7", "PUT", "https://h/1")
    assert (second.name, second.method, str(second.url)) == (None, "GET", "https://h/2")


def test_tabs_separate_in_tsv(file):
    assert urls(file("a.tsv", "n\turl\n1\thttps://h/1,2\n")) == ["https://h/1,2"]


def test_columns_that_nobody_asks_for_may_be_empty_long_or_there_twice(file):
    template = Template("https://h/{k}")
    text = "id,k,,,note,note\n1,a,,,x," + "y" * 200_000 + "\n"
    assert urls(file("a.csv", text), template=template) == ["https://h/a"]
    for name in ("id", "k"):
        with pytest.raises(InputError, match=rf"a\.csv:1: the column '{name}' appears twice"):
            read(file("a.csv", f"id,k,{name}\n1,a,b\n"), template=template)


@pytest.mark.parametrize("number", ["NaN", "1e400", "-Infinity"])
def test_an_id_that_is_no_number_is_refused_before_anything_is_sent(file, number):
    path = file("a.jsonl", f'{{"id": {number}, "k": 1}}\n')
    with pytest.raises(InputError, match=r"a\.jsonl:1: the id .* is not a finite number: give it as text"):
        Reader(path, template=Template("https://h/{k}")).scan()


def test_a_template_takes_its_columns_from_csv_jsonl_and_plain_lines(file):
    template = Template("https://h/{id}?n={name}")
    wanted = ["https://h/1?n=a%26b", "https://h/2?n=c"]
    assert urls(file("a.csv", "id,name,z\n1,a&b,\n2,c,\n"), template=template) == wanted
    assert urls(file("a.jsonl", '{"id":1,"name":"a&b"}\n{"id":2,"name":"c"}\n'), template=template) == wanted
    plain = read(file("a.txt", "7\n# no\n8/9\n"), template=Template("https://h/{id}"), method="DELETE")
    assert [(str(item.url), item.name, item.method) for item in plain] == [
        ("https://h/7", "7", "DELETE"),
        ("https://h/8%2F9", "8/9", "DELETE"),
    ]


def test_an_unknown_ending_is_jsonl_where_the_first_row_begins_with_a_brace(file):
    assert urls(file("a.data", '\n{"url":"https://h/1"}\n')) == ["https://h/1"]
    assert urls(file("b.data", "https://h/1\n")) == ["https://h/1"]


def test_a_relative_url_needs_a_base_url(file):
    path = file("a.txt", "/items/1\n")
    assert urls(path, relative=True) == ["/items/1"]
    with pytest.raises(InputError, match=r"a\.txt:1: .*no scheme.*--base-url"):
        read(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", "https://h/1\n\nftp://h/x\n", r"a\.txt:3: .*neither http://"),
        ("a.txt", "https://h/1\nexample.com/x\n", r"a\.txt:2: .*write https://example\.com/x"),
        ("a.txt", "https://\n", r"a\.txt:1: "),
        ("a.txt", "https://h:99999999/\n", r"a\.txt:1: not a valid URL"),
        ("a.txt", "https://h/\x00\n", r"a\.txt:1: control characters"),
        ("a.txt", b"https://h/1\nhttps://h/\xff\n", r"a\.txt:2: not valid UTF-8"),
        ("a.txt", "https://h/1\n".encode("utf-16"), r"a\.txt:1: not valid UTF-8"),
        ("a.jsonl", '{"url":"https://h/1"}\n{"url":\n', r"a\.jsonl:2: not valid JSON"),
        (
            "a.jsonl",
            '{"url":"https://h/1","header":{}}\n',
            r"a\.jsonl:1: unknown key 'header'; a request has id, method",
        ),
        ("a.jsonl", '{"id":1}\n', r"a\.jsonl:1: the row has no 'url'"),
        ("a.jsonl", '["https://h/1"]\n', r"a\.jsonl:1: a row is a JSON object"),
        ("a.jsonl", '{"url":5}\n', r"a\.jsonl:1: url: Input should be a valid string"),
        ("a.jsonl", '{"url":"https://h/1","headers":{"A":[1]}}\n', r"a\.jsonl:1: headers\.A: "),
        ("a.jsonl", '{"url":"https://h/1","headers":{"A":"x\\r\\nB: y"}}\n', r"a\.jsonl:1: header A: a line break"),
        ("a.jsonl", '{"url":"https://h/1","params":{"A":{}}}\n', r"a\.jsonl:1: params: 'A' is a dict"),
        ("a.jsonl", '{"url":"https://h/1","json":1,"content":"x"}\n', r"a\.jsonl:1: a request has one body"),
        ("a.jsonl", '{"url":"https://h/1","method":"GE T"}\n', r"a\.jsonl:1: 'GE T' is not an HTTP method"),
        ("a.csv", "id,link\n1,https://h/1\n", r"a\.csv:1: no column 'url' \(the columns are: id, link\).*\{id\}"),
        ("a.csv", "url,url\n1,2\n", r"a\.csv:1: the column 'url' appears twice"),
        ("a.csv", "url,n\nhttps://h/1,1\nhttps://h/2\n", r"a\.csv:3: 1 fields where the header has 2"),
        ("a.csv", 'url\n"https://h/1\n', r"a\.csv:2: not valid CSV"),
        ("a.csv", "url,n\n,1\n", r"a\.csv:2: the row has no 'url'"),
    ],
)
def test_a_broken_row_names_file_line_and_what_is_wrong(file, name, content, says):
    with pytest.raises(InputError, match=says):
        Reader(file(name, content)).scan()


def test_a_template_that_does_not_fit_the_row_names_file_and_line(file):
    with pytest.raises(InputError, match=r"a\.csv:2: no column 'id' \(the columns are: a, b\)"):
        read(file("a.csv", "a,b\n1,2\n"), template=Template("https://h/{id}"))
    with pytest.raises(ConfigError, match="needs the columns a, b, but"):
        Reader(file("a.txt", "1\n"), template=Template("https://h/{a}/{b}")).scan()


@pytest.mark.parametrize(("name", "says"), [("none.txt", "No such file"), (".", "it is a folder")])
def test_an_input_that_cannot_be_read_is_one_clear_error(tmp_path, name, says):
    with pytest.raises(ConfigError, match=f"cannot read the input .*{says}"):
        Reader(tmp_path / name)


def test_a_scan_counts_the_rows_and_digests_every_byte(file):
    first = Reader(file("a.txt", "https://h/1\nhttps://h/2\n")).scan()
    again = Reader(file("b.txt", "https://h/1\nhttps://h/2\n")).scan()
    other = Reader(file("c.txt", "https://h/1\nhttps://h/3\n")).scan()
    assert (first.total, first) == (2, again)
    assert other.digest != first.digest


def test_an_empty_input_has_no_rows(file):
    assert Reader(file("a.txt", "")).scan().total == 0
    assert Reader(file("a.csv", "\n")).scan().total == 0


def test_a_pipe_is_read_as_it_comes(tmp_path):
    """A row is handed on before the writer has closed, and the hook runs before each read that may block."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    release = threading.Event()

    def feed():
        with path.open("wb", buffering=0) as pipe:
            pipe.write(b"https://h/1\nhttps://h/")
            release.wait(10)
            pipe.write(b"2\nhttps://h/3")

    writer = threading.Thread(target=feed)
    writer.start()
    reads = []
    items = Reader(path).items(lambda: reads.append(1))
    assert str(next(items).url) == "https://h/1"
    release.set()
    assert [str(item.url) for item in items] == ["https://h/2", "https://h/3"]
    assert len(reads) >= 3
    writer.join()


def test_a_line_without_end_is_refused_before_it_fills_the_memory(file):
    with pytest.raises(InputError, match=r"a\.txt:1: the line is longer than 16 MiB"):
        read(file("a.txt", b"x" * (17 << 20)))


def test_a_closed_reader_ends_its_pass(file):
    reader = Reader(file("a.txt", "https://h/1\n" * 10))
    items = reader.items()
    next(items)
    reader.close()
    assert len(list(items)) <= 1


def test_memory_does_not_grow_with_the_input(file):
    reader = Reader(file("a.txt", "".join(f"https://h/{n}\n" for n in range(20_000))))
    tracemalloc.start()
    assert reader.scan().total == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@given(st.text(st.characters(codec="ascii"), max_size=30) | st.from_regex(PLAIN_URL, fullmatch=True))
def test_what_the_scan_takes_for_a_plain_url_is_one(url):
    """The quick look of a scan never lets through what would fail later."""
    if PLAIN_URL.fullmatch(url):
        item = Item("GET", url)
        assert item.url.host
        assert item.url.scheme in {"http", "https"}
