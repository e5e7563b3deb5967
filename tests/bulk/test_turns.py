"""What we hold back ourselves fails no row of a job: it waits for its turn, and storms stay bounded all the same."""

import asyncio
import json
import random

import pytest
from tenacity import stop_after_attempt

from asyncapi import Breaker, Client, ConfigError, RateLimit, Retry, Timeout
from asyncapi.bulk import Engine, Job
from asyncapi.heldback import Held, Lines
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """Answers in 50 ms of virtual time; `status(n, request)` is the answer to the n-th request."""

    def __init__(self, status=lambda n, request: 200, takes=0.05, headers=None):
        self.clock = FakeClock()
        self.status = status
        self.takes = takes
        self.headers = headers
        self.sent = []  # virtual second, path

    async def answer(self, request):
        self.sent.append((self.clock.now(), request.url.path))
        await asyncio.sleep(self.takes)
        status = self.status(len(self.sent), request)
        return reply(status, json={"path": request.url.path}, headers=self.headers if status >= 400 else None)

    def client(self, **settings):
        return Client(
            transport=MockTransport(self.answer, clock=self.clock),
            clock=self.clock,
            **{"timeout": None, "retry": 8, "pace": False, **settings},
        )

    def most_a_second(self, begin=0.0, end=1e9):
        """The most requests within any second of the clock."""
        counts = {}
        for at, _ in self.sent:
            if begin <= at < end:
                counts[int(at)] = counts.get(int(at), 0) + 1
        return max(counts.values(), default=0)


def flaky(share, seed=1):
    draw = random.Random(seed)
    return lambda n, request: 503 if draw.random() < share else 200


class Fetched:
    def __init__(self, summary, path, seconds):
        self.summary = summary
        self.rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        self.seconds = seconds


def fetch(tmp_path, host, count, *, lines="https://h/{n}", stop_at=None, looks=None, settings=None, **job):
    """Run a job in virtual time."""
    source = tmp_path / "in.txt"
    source.write_text("".join(lines.replace("{n}", str(n)) + "\n" for n in range(count)))
    out = tmp_path / "out.jsonl"

    async def scenario():
        async with host.client(**(settings or {})) as api:
            engine = Engine(Job(source, out, **job), client=api, progress=None if looks is None else looks.append)
            if stop_at is not None:
                asyncio.get_running_loop().call_later(stop_at, engine.interrupt)
            began = host.clock.now()
            summary = await engine.run()
            assert api.stats.in_flight == 0
            return summary, host.clock.now() - began

    summary, seconds = run(scenario())
    return Fetched(summary, out, seconds)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_host_that_fails_a_third_of_the_time_loses_no_row_while_attempts_are_left(tmp_path, ordered):
    """3,000 rows, 8 attempts each: a row fails only once all eight have."""
    host = Host(flaky(0.35))
    done = fetch(tmp_path, host, 3000, ordered=ordered)
    failed = [row for row in done.rows if not row["ok"]]
    assert all(row["attempts"] == 8 for row in failed)
    assert len(failed) < 5
    assert sorted(row["id"] for row in done.rows) == list(range(3000))
    assert not ordered or [row["id"] for row in done.rows] == list(range(3000))
    assert max(row["attempts"] for row in done.rows) <= 8
    assert sum(row["attempts"] for row in done.rows) == len(host.sent)
    assert len(host.sent) < 3000 / 0.65 * 1.1
    assert done.summary.held["budget"] > 100
    assert done.seconds < 90  # the backoff of the unluckiest row
