"""A job runs to its end, tells how far it is, or hands its rows over one by one."""

import asyncio
import json
from contextlib import aclosing

import pytest

from asyncapi import Client, ConfigError
from asyncapi.bulk import Job, JobStopped, run, stream
from asyncapi.testing import MockTransport, reply


@pytest.fixture
def inputs(tmp_path):
    def write(count):
        path = tmp_path / "in.txt"
        path.write_text("".join(f"https://h/items/{n}\n" for n in range(count)))
        return path

    return write


def client(handler=lambda request: reply(200, json={"path": request.url.path}), **settings):
    return Client(transport=MockTransport(handler), **{"retry": None, **settings})


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_run_is_awaited_or_made_a_task(inputs, tmp_path):
    async with client() as api:
        summary = await run(Job(inputs(20), tmp_path / "a.jsonl"), client=api)
        again = await asyncio.create_task(run(Job(inputs(20), tmp_path / "b.jsonl"), client=api))
    assert (summary.ok, again.ok) == (20, 20)


def test_a_run_is_what_asyncio_run_takes(inputs, tmp_path):
    summary = asyncio.run(run(Job(inputs(3), tmp_path / "a.jsonl"), client=client()))
    assert summary.ok == 3


async def test_a_run_yields_progress_and_then_its_summary(inputs, tmp_path):
    async with client() as api:
        running = run(Job(inputs(50), tmp_path / "a.jsonl"), client=api)
        seen = [progress async for progress in running]
        summary = await running
        assert await running == summary, "as often as it is asked"
    assert seen[-1].done == summary.ok == 50
    assert [state.phase for state in seen][-1] == "finishing"


async def test_the_users_own_callback_sees_the_progress_too(inputs, tmp_path):
    seen = []
    async with client() as api:
        async for state in run(Job(inputs(5), tmp_path / "a.jsonl"), client=api, progress=seen.append):
            assert state in seen


async def test_leaving_the_progress_stops_the_job_which_can_be_resumed(inputs, tmp_path):
    gate = asyncio.Event()

    async def slow(request):
        if request.url.path == "/items/5":
            await gate.wait()
        return reply(200, json=1)

    async with client(slow) as api:
        job = Job(inputs(400), tmp_path / "a.jsonl", concurrency=1)
        running = run(job, client=api)
        states = aiter(running)
        async for _ in states:
            break
        gate.set()
        await states.aclose()
        summary = await running
        assert summary.stopped == "its progress was no longer read"
        assert summary.exit_code == 1
        assert summary.ok < 400
        summary = await run(Job(job.input, job.output, resume=True), client=api)
    assert sorted(row["id"] for row in rows(tmp_path / "a.jsonl")) == list(range(400))


async def test_a_wrong_job_raises_from_the_progress_too(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.txt"):
        async for _ in run(Job(tmp_path / "nothing.txt", tmp_path / "a.jsonl")):
            pass


async def test_a_run_begins_once(inputs, tmp_path):
    async with client() as api:
        running = run(Job(inputs(1), tmp_path / "a.jsonl"), client=api)
        await running
        with pytest.raises(ConfigError, match="call run"):
            async for _ in running:
                pass


def test_a_client_is_of_no_use_elsewhere():
    with pytest.raises(ConfigError, match=r"client= .* on="):
        run(Job("a", "b", on="local:2"), client=client())


async def test_a_stream_yields_every_row_and_writes_nothing(inputs, tmp_path):
    async with client() as api:
        got = [row async for row in stream(Job(inputs(1000)), client=api)]
    assert sorted(row["id"] for row in got) == list(range(1000))
    assert all(row["data"]["path"] == f"/items/{row['id']}" for row in got)
    assert [file.name for file in tmp_path.iterdir()] == ["in.txt"]


async def test_a_stream_may_be_in_the_order_of_the_input(inputs):
    async with client() as api:
        got = [row["id"] async for row in stream(Job(inputs(300), ordered=True), client=api)]
    assert got == list(range(300))


async def test_a_slow_reader_holds_the_job_back(inputs):
    sent = []

    def handler(request):
        sent.append(request)
        return reply(200, json=1)

    async with client(handler) as api, aclosing(stream(Job(inputs(5000), concurrency=5), client=api)) as got:
        await anext(got)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert len(sent) < 400, "256 rows wait, and what the fan-out has pulled"
        count = 1
        async for _ in got:
            count += 1
    assert count == len(sent) == 5000


async def test_leaving_a_stream_ends_everything(inputs):
    async with client() as api:
        before = asyncio.all_tasks()
        async with aclosing(stream(Job(inputs(5000)), client=api)) as got:
            async for _ in got:
                break
        assert asyncio.all_tasks() == before


async def test_a_stream_that_stops_early_says_so(inputs):
    async with client(lambda request: reply(401)) as api:
        got = []

        async def read():
            async for row in stream(Job(inputs(500), fail_fast=(401,), concurrency=2), client=api):
                got.append(row)

        with pytest.raises(JobStopped, match=r"401 \(fail_fast\)") as caught:
            await read()
    assert 1 <= len(got) < 100
    assert caught.value.summary.failed == len(got)


async def test_a_stream_refuses_what_is_about_outputs(inputs):
    with pytest.raises(ConfigError, match="leave resume= out"):
        await anext(stream(Job(inputs(1), resume=True)))


async def test_a_broken_row_ends_a_stream(tmp_path):
    (tmp_path / "in.txt").write_text("https://h/1\nnonsense\n")
    with pytest.raises(ConfigError, match=r"in\.txt:2"):
        await anext(stream(Job(tmp_path / "in.txt"), client=client()))
