"""What we hold back ourselves fails no row of a job: it waits for its turn, and storms stay bounded all the same."""

import asyncio
import json
import random

import pytest
from tenacity import stop_after_attempt

from asyncapi import Breaker, Client, ConnectError, Learned, RateLimit, Retry, Timeout
from asyncapi.bulk import Engine, Job
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Host:
    """Answers in 50 ms of virtual time; `status(n, request)` is the answer to the n-th request."""

    def __init__(self, status=lambda n, request: 200, takes=0.05, headers=None):
        self.clock = FakeClock()
        self.status = status
        self.takes = takes
        self.headers = headers
        self.sent = []  # virtual second, path
        self.engine = self.stop_at = None

    async def answer(self, request):
        self.sent.append((self.clock.now(), request.url.path))
        if len(self.sent) == self.stop_at:
            self.engine.interrupt()
        status = self.status(len(self.sent), request)
        await asyncio.sleep(self.takes)
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
            host.engine, host.stop_at = engine, stop_at
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
    assert done.seconds < 90 or ordered  # where everybody waits for the unluckiest rows


def test_a_host_that_answers_nothing_stops_the_job_and_nothing_is_lost(tmp_path):
    """It is named, with what came instead; it is sent ten rows a second and their retries; the next run does the rest."""
    host = Host(lambda n, request: 503)
    done = fetch(tmp_path, host, 5000, concurrency=20)
    assert done.summary.stopped == "h has been unavailable for 60 s (503); --max-outage SECONDS waits longer"
    assert done.summary.exit_code == 1
    assert 60 <= done.seconds < 65
    assert done.rows == []
    assert host.most_a_second(8, 60) <= 2 * 10
    assert len(host.sent) < 1.2 * 500 + 60 * 14  # what may wait at all, and then the floor
    again = fetch(tmp_path, Host(), 5000, resume=True)
    assert (again.summary.ok, again.summary.skipped, again.summary.exit_code) == (5000, 0, 0)
    assert sorted(row["id"] for row in again.rows) == list(range(5000))


def test_an_outage_that_ends_costs_no_row(tmp_path):
    host = Host()
    host.status = lambda n, request: 503 if 0.5 <= host.clock.now() < 35 else 200
    done = fetch(tmp_path, host, 3000, concurrency=20)
    assert (done.summary.ok, done.summary.stopped) == (3000, None)
    assert host.most_a_second(8, 35) <= 2 * 10
    assert host.most_a_second(35) > 100  # back at work, not at ten a second


def test_a_told_wait_is_no_outage(tmp_path):
    host = Host(headers={"Retry-After": "90"})
    host.status = lambda n, request: 503 if host.clock.now() < 80 else 200
    done = fetch(tmp_path, host, 20, settings={"retry": Retry(4, max_retry_after=3600)})
    assert (done.summary.ok, done.summary.stopped) == (20, None)


def test_max_outage_is_the_users_to_choose(tmp_path):
    host = Host(lambda n, request: 502)
    done = fetch(tmp_path, host, 500, max_outage=5)
    assert "h has been unavailable for 5 s (502)" in done.summary.stopped
    assert done.seconds < 10


def test_a_dead_host_with_few_rows_fails_them_and_others_go_on(tmp_path):
    """A list of many hosts is not stopped by one that is gone."""
    host = Host(lambda n, request: 503 if request.url.host == "gone" else 200)
    source = "".join(f"https://h/{n}\n" for n in range(3000)) + "https://gone/1\nhttps://gone/2"
    done = fetch(tmp_path, host, 1, lines=source, concurrency=2, settings={"retry": Retry(4, base=60.0, cap=60.0)})
    assert done.summary.stopped is None
    assert (done.summary.ok, done.summary.failed) == (3000, 2)


def test_a_wait_over_the_clients_own_bound_is_kept_by_the_job_and_shown(tmp_path):
    """Meanwhile nothing is sent to that host, and rows of others go on."""
    host = Host(headers={"Retry-After": "600"})
    host.status = lambda n, request: 429 if n == 1 else 200
    looks = []
    lines = "https://h/{n}\nhttps://other/{n}"
    done = fetch(tmp_path, host, 40, lines=lines, looks=looks, concurrency=5, settings={"retry": 3})
    assert (done.summary.ok, done.summary.stopped) == (80, None)
    first = host.sent[0][0]
    assert len([at for at, _ in host.sent if at < first + 600]) == 43  # two more were under way
    assert any(note.startswith("h asks to wait until ") for look in looks for note in look.notes)
    assert any(look.held.get("max_retry_after") for look in looks)
    assert done.summary.held == {"max_retry_after": 38}


@pytest.mark.parametrize("status", [429, 503])
def test_max_wait_ends_waiting_at_once_and_nothing_is_lost(tmp_path, status):
    host = Host(lambda n, request: status if n == 5 else 200, headers={"Retry-After": "7200"})
    done = fetch(tmp_path, host, 300, max_wait=3600, concurrency=2, settings={"retry": 3})
    assert "h asks to wait 7200 s (until " in done.summary.stopped
    assert "longer than 3600 s; --max-wait" in done.summary.stopped
    assert done.summary.exit_code == 1
    assert done.seconds < 5
    again = fetch(tmp_path, Host(), 300, resume=True)
    assert again.summary.ok + done.summary.ok == 300
    assert sorted(row["id"] for row in again.rows) == list(range(300))


def test_an_interrupt_with_rows_held_back_loses_none_and_writes_none_twice(tmp_path):
    host = Host(flaky(0.5))
    done = fetch(tmp_path, host, 2000, concurrency=20, stop_at=2500)
    assert done.summary.exit_code == 130
    assert done.summary.held["budget"] > 0
    assert all(row["ok"] or row["attempts"] == 8 for row in done.rows)
    again = fetch(tmp_path, Host(flaky(0.3)), 2000, concurrency=20, resume=True)
    assert sorted(row["id"] for row in again.rows) == list(range(2000))


def test_posts_held_back_are_sent_by_the_next_run_and_none_twice(tmp_path):
    """A 429 says that the server has done nothing: not unknown, since it may be sent again."""
    host = Host(lambda n, request: 429 if n % 2 else 200)
    done = fetch(tmp_path, host, 400, concurrency=5, stop_at=80, method="POST", settings={"retry": Retry(8, base=9.0)})
    assert done.summary.exit_code == 130
    assert done.summary.held["budget"] > 0
    first = {path for (_, path), row in zip(host.sent, done.rows, strict=False)}
    again = fetch(tmp_path, Host(), 400, concurrency=5, resume=True, method="POST")
    assert first
    assert sorted(row["id"] for row in again.rows) == list(range(400))
    assert again.summary.unknown <= 5  # in flight in their backoff at the interrupt, not held back


def test_a_deadline_of_a_row_goes_on_while_it_waits(tmp_path):
    host = Host(lambda n, request: 503)
    done = fetch(tmp_path, host, 300, max_outage=1e9, settings={"timeout": Timeout(20), "retry": 100})
    assert (done.summary.failed, done.summary.stopped) == (300, None)
    assert done.seconds < 300
    assert any(row["error"].endswith("[budget]") for row in done.rows)


def test_a_stop_strategy_goes_on_counting(tmp_path):
    host = Host(flaky(0.35))
    done = fetch(tmp_path, host, 1000, settings={"retry": Retry(stop=stop_after_attempt(3))})
    assert max(row["attempts"] for row in done.rows) == 3
    assert all(row["ok"] or row["attempts"] == 3 for row in done.rows)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"rate": RateLimit(50, burst=1), "wait": False, "retry": None}, "rate"),
        ({"concurrency": 1, "wait": False, "retry": None}, "queue"),
        ({"concurrency": 1, "max_queue": 2, "retry": None}, "queue"),
    ],
)
def test_a_row_that_a_line_of_ours_refuses_comes_again(tmp_path, settings, word):
    host = Host()
    done = fetch(tmp_path, host, 100, concurrency=10, settings=settings)
    assert (done.summary.ok, done.summary.failed) == (100, 0)
    assert len(host.sent) == 100
    assert set(done.summary.held) == {word}


def test_rows_wait_for_a_breaker_to_close(tmp_path):
    host = Host()
    host.status = lambda n, request: 500 if host.clock.now() < 20 else 200
    done = fetch(
        tmp_path, host, 500, concurrency=10,
        settings={"breaker": Breaker(open_for=5.0), "retry": None},
    )  # fmt: skip
    assert done.summary.held["breaker"] > 100
    assert done.summary.failed < 50  # those that were answered 500, and have no further attempt
    assert done.summary.ok == 500 - done.summary.failed


def learning(**more):
    return {"retry": Retry(policy=Learned(**more))}


@pytest.mark.parametrize(
    ("outage", "down"),
    [(503, lambda now: now >= 5 and (now - 5) % 60 < 40 and now < 125), ("refused", lambda now: 5 <= now < 155)],
    ids=["503 again and again", "refused for long"],
)
def test_an_outage_costs_few_rows_where_it_was_learned_that_no_retry_helps(tmp_path, outage, down):
    """Ten of a hundred a second are given up each time, and a few more have made all their attempts."""
    host = Host(takes=0.2)

    def status(n, request):
        if down(host.clock.now()) and outage == "refused":
            raise ConnectError("refused", request=request)
        return outage if down(host.clock.now()) else 200

    host.status = status
    done = fetch(tmp_path, host, 5000, concurrency=20, max_outage=300.0, settings=learning())
    assert (done.summary.stopped, len(done.rows)) == (None, 5000)
    assert done.summary.failed <= 50
    assert done.summary.held["policy"] > 100
    assert host.most_a_second(85, 105) <= 2 * 10


def test_a_host_that_is_gone_stops_a_job_that_learns_its_retries(tmp_path):
    def refuse(n, request):
        raise ConnectError("refused", request=request)

    looks = []
    done = fetch(tmp_path, Host(refuse), 5000, concurrency=20, settings=learning(), looks=looks)
    assert "h has been unavailable for 6" in done.summary.stopped
    assert done.summary.failed <= 15
    again = fetch(tmp_path, Host(), 5000, resume=True)
    assert again.summary.ok + done.summary.failed == 5000


def test_rows_that_no_retry_helps_fail_where_the_host_responds_to_others(tmp_path):
    host = Host(lambda n, request: 503 if int(request.url.path[1:]) % 5 == 0 else 200)
    done = fetch(tmp_path, host, 2000, concurrency=20, settings=learning())
    assert (done.summary.ok, done.summary.failed) == (1600, 400)
    assert "policy" not in done.summary.held
    assert len(host.sent) < 1.2 * 2000
