"""Outcomes become rows in the order that was asked for, and failures may stop the job."""

import json
from pathlib import Path

import pytest

from asyncapi import Client
from asyncapi.bulk import Job, run
from asyncapi.testing import MockTransport, reply


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def fetched(job, handler):
    async with Client(transport=MockTransport(handler), retry=None) as api:
        return await run(job, client=api)


@pytest.fixture
def inputs(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,note\n" + "".join(f"{n},note {n}\n" for n in range(20)))
    return path


async def test_carried_columns_are_in_every_row_whatever_became_of_it(inputs, tmp_path):
    job = Job(inputs, tmp_path / "out.jsonl", url="https://h/{id}", carry=("note",))
    await fetched(job, lambda request: reply(500 if request.url.path == "/3" else 200, json=1))
    assert {row["note"] for row in rows(tmp_path / "out.jsonl")} == {f"note {n}" for n in range(20)}


async def test_failed_rows_are_written_as_an_input(inputs, tmp_path):
    job = Job(inputs, tmp_path / "out.jsonl", url="https://h/{id}", failed_to=tmp_path / "failed.jsonl")
    await fetched(job, lambda request: reply(500 if request.url.path in {"/3", "/9"} else 200, json=1))
    assert sorted(row["id"] for row in rows(tmp_path / "failed.jsonl")) == ["3", "9"]
    again = Job(tmp_path / "failed.jsonl", tmp_path / "again.jsonl", url="https://h/{id}")
    assert (await fetched(again, lambda request: reply(200, json=1))).ok == 2


async def test_bodies_are_saved_where_the_job_wants_files(inputs, tmp_path):
    job = Job(inputs, tmp_path / "out.jsonl", url="https://h/{id}", save_dir=tmp_path / "files")
    summary = await fetched(job, lambda request: reply(200, content=request.url.path.encode()))
    assert summary.ok == 20
    for row in rows(tmp_path / "out.jsonl"):
        assert Path(row["file"]).read_text() == f"/{row['id']}"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_status_of_fail_fast_stops_the_job(inputs, tmp_path, status):
    job = Job(inputs, tmp_path / "out.jsonl", url="https://h/{id}", fail_fast=(401, 403), concurrency=1)
    summary = await fetched(job, lambda request: reply(status if request.url.path == "/3" else 200, json=1))
    assert summary.stopped.startswith(f"a row got {status} (fail_fast): ")
    assert (summary.failed, summary.exit_code) == (1, 1)
    assert summary.ok < 19


async def test_other_statuses_don_t(inputs, tmp_path):
    job = Job(inputs, tmp_path / "out.jsonl", url="https://h/{id}", fail_fast=(401, 403), concurrency=1)
    summary = await fetched(job, lambda request: reply(404 if request.url.path == "/3" else 200, json=1))
    assert (summary.stopped, summary.failed) == (None, 1)


async def test_ids_that_are_there_twice_are_told(tmp_path):
    (tmp_path / "in.jsonl").write_text('{"url": "https://h/1", "id": "a"}\n' * 3)
    summary = await fetched(Job(tmp_path / "in.jsonl", tmp_path / "out.jsonl"), lambda request: reply(200, json=1))
    assert len(summary.notes) == 1
    assert "2 rows have an id that an earlier row has" in summary.notes[0]
