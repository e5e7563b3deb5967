"""What is still to be sent: each row that no earlier run has written or left in flight."""

from asyncapi.bulk import Job
from asyncapi.bulk.due import DueRows
from asyncapi.bulk.journal import Past

KEY = "0" * 32


async def due_of(tmp_path, lines, past, **settings):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(lines))
    job = Job(path, "b", **settings)
    noted = []
    due = DueRows(job, job.reader(), ended=lambda count: None, note=noted.append)
    return due, list(await due.open(past, KEY)), noted


async def test_rows_of_earlier_runs_are_left_out(tmp_path):
    past = Past(KEY, {})
    past.done.add(1)
    past.started.add(2)
    lines = [f'{{"url": "https://h/{n}"}}\n' for n in range(4)]
    due, rows, _ = await due_of(tmp_path, lines, past)
    assert [item.index for item in rows] == [0, 3]
    assert [item.index for item in due.lost] == [2]
    assert due.pulled == 2


async def test_keys_are_made_of_the_job_and_the_row(tmp_path):
    lines = ['{"url": "https://h/", "method": "POST"}\n'] * 2
    _, first, noted = await due_of(tmp_path, lines, Past(KEY, {}), idempotency_key="auto")
    _, again, _ = await due_of(tmp_path, lines, Past(KEY, {}), idempotency_key="auto")
    assert [item.idempotency_key for item in first] == [item.idempotency_key for item in again]
    assert len({item.idempotency_key for item in first}) == 2
    assert noted == []


async def test_what_must_not_be_sent_twice_is_noted(tmp_path):
    lines = ['{"url": "https://h/", "method": "POST"}\n', '{"url": "https://h/"}\n']
    _, rows, noted = await due_of(tmp_path, lines, Past(KEY, {}))
    assert (len(rows), noted) == (2, [0])
