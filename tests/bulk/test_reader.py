"""Inputs become requests row by row, and a broken row is an error that names file and line."""

import gzip
import os
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.item import Item
from asyncapi.bulk.lines import InputError
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


def test_a_body_needs_no_template_of_a_url(file):
    path = file("a.csv", 'url,text,n\nhttps://h/1,a ""b,7\n'.replace('""', ""))
    [item] = read(path, json='{"t": "{text}", "n": "{n}"}', headers={"X-N": "{n}"})
    assert (item.method, item.json, item.headers["X-N"]) == ("POST", {"t": "a b", "n": "7"}, "7")


def test_plain_lines_fill_the_one_field_of_a_body(file):
    items = read(file("a.txt", "hello\nworld\n"), template="https://h/chat", json='{"prompt": "{text}"}')
    assert [item.json for item in items] == [{"prompt": "hello"}, {"prompt": "world"}]
    [item] = read(file("a.txt", "https://h/1\n"), json='{"from": "{url}"}')
    assert (item.given, item.json) == ("https://h/1", {"from": "https://h/1"})
    with pytest.raises(ConfigError, match=r"templates need the columns text, but .* has plain lines, each a URL"):
        read(file("a.txt", "https://h/1\n"), json='{"prompt": "{text}"}')


def test_unknown_keys_are_columns_only_where_something_asks_for_columns(file):
    path = file("a.jsonl", '{"url":"https://h/1","note":"n","n":{"k":1}}\n')
    assert read(path, carry="all")[0].columns == {"note": "n", "n": {"k": 1}}
    assert read(path, json={"n": "{n}"})[0].json == {"n": {"k": 1}}
    with pytest.raises(InputError, match="unknown key 'note'"):
        Reader(path).scan()
    with pytest.raises(InputError, match=r"a\.jsonl:1: method: Input should be a valid string"):
        Reader(file("a.jsonl", '{"url":"https://h/1","method":5}\n'), carry="all").scan()


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.data"])
def test_an_unknown_column_is_one_error_that_lists_those_there_are(file, name):
    text = '{"id":1,"url":"https://h/1","text":"x"}\n' if name == "a.jsonl" else "id,url,text\n1,https://h/1,x\n"
    path = file(name, text)
    says = r"no column 'txt' \(the columns are: id, url, text\); did you mean 'text'\?"
    for settings in (
        {"json": '{"a": "{txt}"}'}, {"data": "a={txt}"}, {"headers": {"X": "{txt}"}}, {"carry": ("txt",)},
        {"weight_from": "txt"}, {"template": "https://h/{txt}", "format": None if name == "a.jsonl" else "csv"},
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=says):
            Reader(path, **settings).scan()


def test_the_carried_columns_are_known_after_the_scan(file):
    assert Reader(file("a.csv", "id,url,b,a\n1,https://h/1,,\n"), carry="all").scan().columns == ("b", "a")
    rows = '{"url":"https://h/1","b":1}\n{"id":2,"a":1,"url":"https://h/2","b":2}\n'
    assert Reader(file("a.jsonl", rows), carry="all").scan().columns == ("b", "a")
    assert Reader(file("a.jsonl", rows), carry=("a", "id")).scan().columns == ("a",)
    assert Reader(file("a.jsonl", rows), carry="all", template="https://h/{b}").scan().columns == ("url", "b", "a")
    assert Reader(file("a.txt", "https://h/1\n"), carry="all").scan().columns == ()
    assert Reader(file("a.jsonl", rows), carry=("a",), limit=2).scan().columns == ("a",)


def test_a_column_that_is_carried_may_not_appear_twice(file):
    for carry in ("all", ("n",)):
        with pytest.raises(InputError, match=r"a\.csv:1: the column 'n' appears twice"):
            Reader(file("a.csv", "url,n,n\nhttps://h/1,,\n"), carry=carry).scan()


@pytest.mark.parametrize(
    ("first", "settings", "form"),
    [
        ("https://h/1\n", {}, "text"), ('{"url":"https://h/1"}\n', {}, "jsonl"), ("id,url\n1,https://h/1\n", {}, "csv"),
        ("url\nhttps://h/1\n", {}, "csv"), ("id\turl\n1\thttps://h/1\n", {}, "tsv"), ('"url",x\nhttps://h/1,\n', {}, "csv"),
        ("q,id\nx,7\n", {"template": "https://h/{id}?q={q}"}, "csv"), ("7\n", {"template": "https://h/{id}"}, "text"),
        ("id\n7\n", {"template": "https://h/{id}"}, "csv"), ("t\nx\n", {"template": "https://h/", "json": '["{t}"]'}, "csv"),
    ],
)  # fmt: skip
def test_the_format_of_a_stream_is_told_by_its_first_row(file, first, settings, form):
    for path in (file("in", first), file("in.gz", gzip.compress(first.encode()))):
        [item] = read(path, **settings)
        [wanted] = read(path, format=form, **settings)
        assert (item.given, item.name, item.json) == (wanted.given, wanted.name, wanted.json)


def test_only_the_first_rows_are_read_and_the_digest_is_that_of_all(file):
    path = file("a.csv", "id,url\n1,https://h/1\n2,https://h/2\nbroken\n")
    scan = Reader(path, limit=2).scan()
    assert scan.total == 2
    assert [item.name for item in Reader(path, limit=2).items()] == ["1", "2"]
    assert scan.digest == Reader(path, limit=1).scan().digest
    whole = file("b.csv", "id,url\n1,https://h/1\n2,https://h/2\n")
    assert Reader(whole, limit=1).scan().digest == Reader(whole).scan().digest


def test_a_stream_ends_at_the_limit_without_waiting_for_more(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    release = threading.Event()

    def feed():
        with (tmp_path / "pipe").open("wb", buffering=0) as pipe:
            pipe.write(b"https://h/1\nhttps://h/2\nhttps://h/3\n")
            release.wait(10)

    writer = threading.Thread(target=feed)
    writer.start()
    assert len(read(tmp_path / "pipe", limit=2)) == 2
    release.set()
    writer.join()


def test_ids_that_appear_twice_are_told_and_never_an_error(file):
    path = file("a.csv", "id,url\na,https://h/1\nb,https://h/2\na,https://h/3\n,https://h/4\n,https://h/5\n")
    says = "1 row has an id that an earlier row has, such as 'a' ("
    assert Reader(path).scan().duplicates.startswith(says)
    assert Reader(path, template="https://h/{url}").scan().duplicates.startswith(says)
    assert Reader(file("a.txt", "https://h/1\nhttps://h/1\n")).scan().duplicates is None
    rows = [{"id": 1, "url": "https://h/1"}] * 3
    reader = Reader(iter(rows))
    assert len(list(reader.items())) == 3
    assert reader.duplicates.text() == "2 rows have an id that an earlier row has, such as '1' (rows:2)"


@pytest.mark.parametrize(
    ("name", "content", "settings", "quoted"),
    [
        ("a.txt", "ftp://u:pw@h/?api_key=k\n", {}, "ftp://***@h/?api_key=***"),
        ("a.jsonl", '{"url":\n', {}, '{"url":'),
        (
            "a.jsonl",
            '{"url":"x","headers":{"Authorization":"Bearer s3"}}\n',
            {},
            '{"url":"x","headers":{"Authorization":"***"}}',
        ),
        ("a.csv", "id,url,password\n1,x/y,hunter2\n", {"carry": "all"}, "1,x/y,***"),
        ("a.csv", "id,url,password\n1,hunter2\n", {}, "1,hunter2"),
        ("a.csv", "password,url,id\nhunter2,x\n", {}, "***,x"),
        ("a.csv", 'id,url\n1,"x\n', {}, '1,"x'),
    ],
)
def test_an_error_quotes_the_line_with_its_secrets_masked(file, name, content, settings, quoted):
    with pytest.raises(InputError) as caught:
        Reader(file(name, content), **settings).scan()
    assert str(caught.value).endswith(f"; the line is: {quoted}")
    assert "\n" not in str(caught.value)


def test_a_column_missing_in_the_first_row_of_a_stream_is_refused(tmp_path):
    rows = ({"url": f"https://h/{n}", "note": n} for n in range(3))
    with pytest.raises(InputError, match="rows:1: no column 'nope'"):
        next(Reader(rows, carry=("nope",)).items())


def test_a_part_of_an_input_keeps_the_numbers_of_its_rows(file):
    items = Reader(file("a.txt", "https://h/1\nhttps://h/2\n"), first_row=10).items()
    assert [(item.index, item.id) for item in items] == [(10, 10), (11, 11)]


def test_memory_does_not_grow_with_the_rows_of_any_kind_of_input(tmp_path):
    import sqlite3
    from contextlib import closing

    import pyarrow as pa
    import pyarrow.parquet as pq

    urls = [f"https://h/{n}" for n in range(60_000)]
    text = "".join(f"{url}\n" for url in urls)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text.encode()))
    pq.write_table(pa.table({"url": urls}), tmp_path / "a.parquet")
    with closing(sqlite3.connect(tmp_path / "a.db")) as base, base:
        base.execute("CREATE TABLE t (url)")
        base.executemany("INSERT INTO t VALUES (?)", ((url,) for url in urls))
    del urls, text
    for name in ("a.gz", "a.parquet", "a.db"):
        reader = Reader(tmp_path / name)
        tracemalloc.start()
        assert sum(1 for _ in reader.items()) == 60_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4_000_000, name
