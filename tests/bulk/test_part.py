"""A part of a job sends its own rows, under the numbers and the id of the whole job."""

import json
from contextlib import nullcontext

import pytest

from asyncapi import Client
from asyncapi.bulk import Engine, Job
from asyncapi.bulk.part import Part
from asyncapi.bulk.run import _Rows
from asyncapi.testing import MockTransport, reply

JOB = "0" * 32


class Joined:
    """A client that parts share."""

    def __init__(self, client):
        self.client = client

    def joined(self, *_):
        return nullcontext(self.client)


async def ran(tmp_path, lines, handler, first_row=100, may_send=lambda: None, **more):
    path = tmp_path / "slice.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    job = Job(path, tmp_path / "out.jsonl", idempotency_key="auto")
    store = _Rows()
    async with Client(transport=MockTransport(handler), retry=None) as api:
        part = Part(
            JOB, job.reader(first_row=first_row), first_row, len(lines), may_send, Joined(api), store=store, **more
        )
        summary = await Engine(job, part=part).run()
    rows = []
    while (row := store.take()) is not None:
        rows.append(row)
    return summary, rows


async def test_rows_and_keys_are_those_of_the_whole_job(tmp_path):
    keys = []

    def handler(request):
        keys.append(request.headers["Idempotency-Key"])
        return reply(200, json=1)

    lines = [{"url": "https://h/1", "method": "POST"}, {"url": "https://h/2", "method": "POST"}]
    summary, rows = await ran(tmp_path, lines, handler)
    assert sorted(row["id"] for row in rows) == [100, 101]
    assert (summary.total, summary.ok) == (2, 2)
    first = sorted(keys)
    keys.clear()
    await ran(tmp_path, lines, handler)
    assert sorted(keys) == first, "whichever worker sends them"
    keys.clear()
    await ran(tmp_path, lines, handler, first_row=200)
    assert not set(keys) & set(first)


async def test_a_part_that_is_given_up_sends_nothing(tmp_path):
    summary, rows = await ran(tmp_path, [{"url": "https://h/1"}], pytest.fail, give_up="killed 3 workers")
    assert (summary.failed, rows[0]["ok"], rows[0]["error"]) == (1, False, "NotSent: killed 3 workers")
