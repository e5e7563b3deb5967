"""A part of a job keeps the numbers of the whole input, and asks before each request that must not be sent twice."""

import json
from contextlib import contextmanager

import pytest

from asyncapi import Client
from asyncapi.bulk import Engine, Job
from asyncapi.bulk.fleet.slices import slice_reader
from asyncapi.bulk.fleet.split import split
from asyncapi.bulk.part import Part
from asyncapi.bulk.prepare import NotingTransport
from asyncapi.testing import MockTransport, reply

ID = "a" * 32


class Shared:
    """A client that sends nothing, and what is asked of it."""

    def __init__(self, handler):
        self.note = None
        transport = NotingTransport(MockTransport(handler), self._note)
        self.client = Client("", transport=transport, retry=None)

    def _note(self, index):
        return self.note(index)

    @contextmanager
    def joined(self, first_row, rows, note, observer, synced):
        self.rows, self.note = range(first_row, first_row + rows), note
        yield self.client


@pytest.fixture
def job(tmp_path):
    lines = (json.dumps({"url": f"https://h/{n}", "method": "POST" if n % 2 else "GET"}) + "\n" for n in range(10))
    (tmp_path / "in.jsonl").write_text("".join(lines))
    return Job(tmp_path / "in.jsonl", tmp_path / "out.jsonl", chunk=4, resume=True)


async def run(job, shared, may_send=lambda: None, **settings):
    chunk = split(job).chunks[1]
    part = Part(ID, slice_reader(job, chunk, ""), chunk.first_row, chunk.rows, may_send, shared, **settings)
    return await Engine(job, part=part).run()


def rows(job):
    return [json.loads(line) for line in job.output.read_text().splitlines()]


async def test_rows_have_the_numbers_of_the_whole_input_and_the_journal_its_own(job):
    shared = Shared(lambda _: reply(200))
    summary = await run(job, shared)
    assert (summary.total, summary.ok, shared.rows) == (4, 4, range(4, 8))
    assert sorted(row["id"] for row in rows(job)) == [4, 5, 6, 7]
    head, *lines = (job.output.parent / "out.jsonl.journal").read_text().splitlines()
    assert json.loads(head)["job"] == ID
    assert sorted(line.split()[1] for line in lines if line[0] == "+") == ["0", "1", "2", "3"]
    assert sorted(line for line in lines if line[0] == ">") == ["> 1", "> 3"]


async def test_a_request_is_asked_about_before_it_is_noted(job):
    class Forbidden(Exception):
        pass

    def may_send():
        raise Forbidden

    sent = []
    with pytest.raises(Forbidden):
        await run(job, Shared(lambda request: sent.append(request.method) or reply(200)), may_send)
    assert "POST" not in sent
    assert "> " not in (job.output.parent / "out.jsonl.journal").read_text()


async def test_a_part_that_is_given_up_has_its_rows_and_sends_nothing(job):
    sent = []
    summary = await run(job, Shared(lambda request: sent.append(request) or reply(200)), give_up="three workers died")
    assert (sent, summary.failed) == ([], 4)
    assert {row["error"] for row in rows(job)} == {"NotSent: three workers died"}
