"""A run ends with a summary and what the job wants of it, and says what it could not write."""

import json

from asyncapi import Client
from asyncapi.bulk import Job, run
from asyncapi.testing import MockTransport, reply


async def test_a_summary_that_cannot_be_written_fails_the_run_and_not_the_rows(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    (tmp_path / "in.txt").write_text("https://h/1\n")

    def handler(request):
        folder.rmdir()
        return reply(200, json=1)

    async with Client(transport=MockTransport(handler)) as api:
        job = Job(tmp_path / "in.txt", tmp_path / "out.jsonl", summary=folder / "s.json")
        summary = await run(job, client=api)
    assert summary.stopped.startswith("cannot write the summary ")
    assert summary.exit_code == 1
    assert json.loads((tmp_path / "out.jsonl").read_text())["ok"] is True
