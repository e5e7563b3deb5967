"""What is shown of a job while it runs: attempts that are being sent, and rows that wait for their turn."""

import asyncio

from asyncapi import RateLimit
from asyncapi.bulk import Engine, Job, prepare
from asyncapi.testing import MockTransport, reply


async def shown(tmp_path, monkeypatch, handler, count=200, **settings):
    path = tmp_path / "in.txt"
    path.write_text("".join(f"https://h/{n}\n" for n in range(count)))
    monkeypatch.setattr(prepare, "http_transport", lambda *args, **kwargs: MockTransport(handler))
    states = []
    engine = Engine(Job(path, tmp_path / "out.jsonl", **settings), progress=states.append)
    task = asyncio.create_task(engine.run())
    return engine, task, states


async def test_in_flight_are_attempts_and_queued_is_the_rest(tmp_path, monkeypatch):
    gate = asyncio.Event()

    async def handler(request):
        await gate.wait()
        return reply(200, json=1)

    engine, task, states = await shown(tmp_path, monkeypatch, handler, concurrency=10, rate=RateLimit(0.001, burst=3))
    while not any(state.in_flight == 3 for state in states):
        await asyncio.sleep(0)
    state = states[-1]
    assert state.in_flight == 3, "the rate lets three go"
    assert state.queued == 7, "the other workers wait for their turn"
    assert engine.tally.timeline is not None
    gate.set()
    engine.interrupt()
    await task
    assert states[-1].in_flight == 0


async def test_the_report_gets_samples(tmp_path, monkeypatch):
    gate = asyncio.Event()

    async def handler(request):
        await gate.wait()
        return reply(200, json=1)

    engine, task, states = await shown(tmp_path, monkeypatch, handler, count=5)
    while not any(bucket.looks and bucket.in_flight for bucket in engine.tally.timeline.buckets):
        await asyncio.sleep(0)
    gate.set()
    await task
    assert states[-1].done == 5
