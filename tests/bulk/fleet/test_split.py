"""An input is split into chunks, and the chunks have the rows of the input: the same, once each, with the same numbers."""

import datetime as dt
import gzip
import json
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncapi.bulk import InputError, Job
from asyncapi.bulk.fleet.slices import slice_reader
from asyncapi.bulk.fleet.split import parts, split

URLS = [f"http://h/{number}" for number in range(20)]


def facts(items):
    return [
        (item.index, item.id, item.name, str(item.url), item.method, item.given, item.columns, item.json)
        for item in items
    ]


def chunks_of(job, folder):
    plan = split(job)
    return list(plan.chunks) if plan.chunks is not None else list(parts(job, folder, lambda _: False))


def read_all(job, folder):
    return [fact for chunk in chunks_of(job, folder) for fact in facts(slice_reader(job, chunk, str(folder)).items())]


def text(path):
    path.write_text("\ufeff# a comment\n\n" + "\n".join(URLS))


def jsonl(path):
    rows = [{"url": url, "id": f"x{url}"} if "1" in url else {"url": url, "json": {"a": 1}} for url in URLS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def table(path):
    path.write_text('\n"na\nme",url,q\r\n' + "".join(f'"a\n{url}",{url},"x""y"\r\n\n' for url in URLS))


def tabs(path):
    path.write_text("url\tq\n" + "".join(f"{url}\t7\n" for url in URLS))


def packed(path):
    table(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


def parquet(path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=number) for number in range(20)]
    pq.write_table(pa.table({"url": URLS, "id": list(range(20)), "when": days}), path, row_group_size=6)


def sqlite(path):
    base = sqlite3.connect(path)
    base.execute("CREATE TABLE t (id, url, x)")
    base.executemany("INSERT INTO t VALUES (?, ?, ?)", [(place, url, place * 1.5) for place, url in enumerate(URLS)])
    base.commit()
    base.close()


KINDS = {
    "a.txt": text, "a.dat": text, "a.jsonl": jsonl, "a.csv": table, "a.tsv": tabs, "a.csv.gz": packed,
    "a.parquet": parquet, "a.sqlite": sqlite,
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("size", [1, 7, 20, 100])
def test_chunks_of_a_file_have_the_rows_of_the_file(name, size, tmp_path):
    KINDS[name](tmp_path / name)
    carry = "all" if name not in {"a.txt", "a.dat", "a.jsonl"} else "none"
    job = Job(tmp_path / name, tmp_path / "o.jsonl", chunk=size, carry=carry)
    assert read_all(job, tmp_path) == facts(job.reader().items())
    assert [chunk.rows for chunk in chunks_of(job, tmp_path)] == [size] * (20 // size) + [20 % size] * (20 % size > 0)


@pytest.mark.parametrize("given_as", [URLS, [{"url": url, "id": place} for place, url in enumerate(URLS)]])
def test_chunks_of_what_a_program_gives_have_its_rows(given_as, tmp_path):
    job = Job(given_as, tmp_path / "o.jsonl", chunk=7)
    assert read_all(job, tmp_path) == facts(job.reader().items())


def test_a_template_is_filled_from_the_columns_of_each_slice(tmp_path):
    table(tmp_path / "a.csv")
    job = Job(tmp_path / "a.csv", tmp_path / "o.jsonl", chunk=3, url="http://h/{q}")
    assert read_all(job, tmp_path) == facts(job.reader().items())


def test_a_limit_holds_for_all_chunks_together(tmp_path):
    text(tmp_path / "a.txt")
    job = Job(tmp_path / "a.txt", tmp_path / "o.jsonl", chunk=4, limit=9)
    assert [chunk.rows for chunk in split(job).chunks] == [4, 4, 1]


def test_the_digest_is_that_of_a_job_of_one_process(tmp_path):
    table(tmp_path / "a.csv")
    job = Job(tmp_path / "a.csv", tmp_path / "o.jsonl", chunk=4)
    plan, scan = split(job), job.reader().scan()
    assert (plan.digest, plan.rows) == (scan.digest, scan.total)


def test_a_broken_row_is_found_before_anything_is_sent(tmp_path):
    (tmp_path / "a.txt").write_text("http://h/1\nnot a url\n")
    with pytest.raises(InputError, match=r"a\.txt:2"):
        split(Job(tmp_path / "a.txt", tmp_path / "o.jsonl"))


def test_an_empty_input_has_no_chunks(tmp_path):
    (tmp_path / "a.txt").write_text("")
    assert split(Job(tmp_path / "a.txt", tmp_path / "o.jsonl")).chunks == []


def test_an_error_in_a_slice_names_the_line_of_the_whole_file(tmp_path):
    text(tmp_path / "a.txt")
    job = Job(tmp_path / "a.txt", tmp_path / "o.jsonl", chunk=7)
    last = split(job).chunks[-1]
    (tmp_path / "a.txt").write_text((tmp_path / "a.txt").read_text().replace("http://h/19", "htt?://h/19"))
    with pytest.raises(InputError, match=r"a\.txt:22"):
        list(slice_reader(job, last, str(tmp_path)).items())


def test_parts_of_chunks_that_have_ended_are_not_written_again(tmp_path):
    packed(tmp_path / "a.csv.gz")
    job = Job(tmp_path / "a.csv.gz", tmp_path / "o.jsonl", chunk=7)
    assert [chunk.number for chunk in parts(job, tmp_path, {0, 1}.__contains__)] == [0, 1, 2]
    assert sorted(path.name for path in tmp_path.glob("*.input")) == ["000002.input"]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)), size=st.integers(1, 5))
def test_any_fields_of_a_table_come_through_any_split(rows, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    quoted = ['"' + row.replace('"', '""') + '\n"' for row in rows]
    (folder / "a.csv").write_text("q,url\n" + "".join(f"{field},http://h/\n" for field in quoted))
    job = Job(folder / "a.csv", folder / "o.jsonl", chunk=size, carry="all")
    assert read_all(job, folder) == facts(job.reader().items())
