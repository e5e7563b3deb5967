"""A table of SQLite as an input: read-only, a page at a time."""

import sqlite3
from contextlib import closing

import pytest

from asyncapi.bulk.reader import Reader
from asyncapi.errors import ConfigError


@pytest.fixture
def base(tmp_path):
    def make(*statements, name="in.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as made, made:
            for statement in statements:
                made.execute(statement)
        return tmp_path / name

    return make


URLS = "CREATE TABLE jobs (id INTEGER, url TEXT, note TEXT)"
FILL = (
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2500) "
    "INSERT INTO jobs SELECT x, 'https://h/' || x, 'n' FROM n"
)


def given(path, **settings):
    return [item.given for item in Reader(path, **settings).items()]


def test_the_only_table_is_read_in_order(base):
    path = base(URLS, FILL)
    reader = Reader(path, carry="all")
    scan = reader.scan()
    assert (scan.total, scan.columns) == (2500, ("note",))
    items = list(reader.items())
    assert [item.name for item in items] == list(range(1, 2501))
    assert items[7].columns == {"note": "n"}


def test_a_table_or_a_view_is_named_after_two_colons(base):
    path = base(URLS, FILL, "CREATE TABLE other (url TEXT)", "CREATE VIEW few AS SELECT url FROM jobs WHERE id < 3")
    assert given(f"{path}::few") == ["https://h/1", "https://h/2"]
    assert len(given(f"{path}::JOBS")) == 2500
    with pytest.raises(ConfigError, match=r"has 3 tables \(jobs, other, few\): write .*in\.sqlite::jobs"):
        Reader(path)
    with pytest.raises(
        ConfigError, match=r"has no table 'job' \(the tables are: jobs, other, few\); did you mean 'jobs'\?"
    ):
        Reader(f"{path}::job")


def test_a_file_with_colons_in_its_name_is_that_file(tmp_path):
    (tmp_path / "a::b").write_text("https://h/1\n")
    assert given(tmp_path / "a::b") == ["https://h/1"]


def test_tables_without_a_rowid_and_with_a_column_of_that_name_are_read(base):
    path = base(
        "CREATE TABLE t (url TEXT PRIMARY KEY) WITHOUT ROWID", "INSERT INTO t VALUES ('https://h/2'), ('https://h/1')"
    )
    assert given(path) == ["https://h/1", "https://h/2"]
    path = base("CREATE TABLE t (rowid TEXT, url TEXT)", "INSERT INTO t VALUES ('x', 'https://h/1')", name="b.db")
    assert given(path) == ["https://h/1"]


def test_another_program_may_write_while_the_table_is_read(base):
    path = base(URLS, FILL)
    items = Reader(path).items()
    next(items)
    with closing(sqlite3.connect(path, timeout=0)) as other, other:
        other.execute("INSERT INTO jobs VALUES (9999, 'https://h/new', '')")
    assert sum(1 for _ in items) == 2500


def test_the_digest_is_that_of_the_rows(base):
    path = base(URLS, FILL)
    before = Reader(path).scan().digest
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("VACUUM")
    assert Reader(path).scan().digest == before
    assert Reader(path, limit=5).scan().digest == before
    base("UPDATE jobs SET note = 'x' WHERE id = 2500")
    assert Reader(path).scan().digest != before


def test_the_base_is_not_changed(base):
    path = base(URLS, FILL)
    before = path.read_bytes()
    Reader(path).scan()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["in.sqlite"]


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        ((), r"empty\.sqlite: it is not a SQLite file"),
        (("CREATE TABLE t (link TEXT)", "INSERT INTO t VALUES ('x')"), r"no column 'url' \(the columns are: link\)"),
        (
            ("CREATE TABLE t (url TEXT)", "INSERT INTO t VALUES ('https://h/'), (NULL)"),
            r"in\.sqlite:2: the row has no 'url'",
        ),
        (("CREATE TABLE t (url TEXT)", "INSERT INTO t VALUES (CAST(X'ff' AS TEXT))"), "cannot read the input"),
    ],
)
def test_what_is_wrong_is_said(base, tmp_path, statements, says):
    (tmp_path / "empty.sqlite").write_bytes(b"")
    path = base(*statements) if statements else tmp_path / "empty.sqlite"
    with pytest.raises(ConfigError, match=says):
        Reader(path).scan()


def test_a_file_that_is_not_there_says_so(tmp_path):
    for name in ("none.sqlite", "none.sqlite::t"):
        with pytest.raises(ConfigError, match=r"none\.sqlite.*[Nn]o such file"):
            Reader(tmp_path / name)


def test_blobs_are_text_or_data_urls(base):
    path = base("CREATE TABLE t (url BLOB, b BLOB)", "INSERT INTO t VALUES (CAST('https://h/1' AS BLOB), X'ff00')")
    [item] = Reader(path, carry="all").items()
    assert (item.given, item.columns) == ("https://h/1", {"b": "data:application/octet-stream;base64,/wA="})
