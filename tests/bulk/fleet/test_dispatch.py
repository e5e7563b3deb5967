"""Chunks are handed out a few at a time, again where one was lost, and given up where they kill workers."""

import asyncio
from dataclasses import replace

import pytest

from asyncapi.bulk.fleet.dispatch import DEATHS, Dispatch
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.engines import EngineLost, Report, WorkerDied
from asyncapi.bulk.fleet.slices import Chunk
from asyncapi.bulk.fleet.totals import Totals
from asyncapi.bulk.lines import InputError
from asyncapi.errors import ConfigError
from tests.bulk.fleet.test_totals import STATE


def chunks(count):
    return [Chunk(number, number * 10, 10, 0, 0, 1) for number in range(count)]


class Job:
    stopped = None

    def __init__(self):
        self.done, self.stops = [], []

    def stop(self, why, code):
        self.stops.append((why, code))
        self.stopped = self.stopped or why

    def ended(self, chunk, done):
        self.done.append(chunk.number)

    def show(self):
        pass


class Fleet:
    """An engine whose chunks end as a script says: the last entry counts for all further ones."""

    def __init__(self, ends=None, workers=1):
        self.ends = ends or {}
        self.given = []
        self.open = self.most = 0
        self._workers = workers

    def workers(self):
        return self._workers

    def submit(self, task):
        self.given.append(task.number)
        self.open += 1
        self.most = max(self.most, self.open)
        return asyncio.ensure_future(self._end(task.number))

    async def _end(self, number):
        await asyncio.sleep(0.01)
        self.open -= 1
        ends = self.ends.get(number, [None])
        end = ends.pop(0) if len(ends) > 1 else ends[0]
        if isinstance(end, Exception):
            raise end
        return end or Done(chunk=number, rows=10, ok=10)


def run(fleet, given, totals=None, max_outage=60.0):
    job = Job()
    dispatch = Dispatch(fleet, iter(given), lambda chunk, alone: chunk, job, totals or Totals(), max_outage=max_outage)
    asyncio.run(asyncio.wait_for(dispatch.run(), 30))
    return job, dispatch


def test_every_chunk_is_handed_out_once_and_no_more_than_three_a_worker_at_a_time():
    fleet = Fleet(workers=2)
    job, _ = run(fleet, chunks(20))
    assert sorted(job.done) == list(range(20)) == sorted(fleet.given)
    assert 2 < fleet.most <= 6


def test_a_chunk_whose_worker_died_is_handed_out_again():
    fleet = Fleet({1: [WorkerDied(), None]})
    job, dispatch = run(fleet, chunks(3))
    assert sorted(job.done) == [0, 1, 2]
    assert dispatch.given_up == []


def test_a_chunk_that_kills_three_workers_is_given_up_and_the_others_go_on():
    fleet = Fleet({1: [WorkerDied()]})
    job, dispatch = run(fleet, chunks(5))
    assert sorted(job.done) == [0, 2, 3, 4]
    assert [(chunk.number, why) for chunk, why in dispatch.given_up] == [(1, "its chunk has killed 3 workers")]
    assert fleet.given.count(1) == DEATHS
    assert job.stops == []


def test_a_chunk_that_gets_on_is_not_given_up_however_many_workers_die():
    totals = Totals()
    fleet = Fleet({0: [*[WorkerDied()] * 6, None]})
    submit = fleet.submit

    def getting_on(task):
        totals.heard(Report("run", "w", 0, replace(STATE, done=len(fleet.given) * 5 + 1)))
        return submit(task)

    fleet.submit = getting_on
    job, dispatch = run(fleet, chunks(1), totals)
    assert (job.done, dispatch.given_up) == ([0], [])


def test_a_chunk_that_fails_for_a_reason_nobody_expects_is_given_up_with_the_reason():
    job, dispatch = run(Fleet({0: [ValueError("boom")]}), chunks(2))
    assert job.done == [1]
    assert [why for _, why in dispatch.given_up] == ["ValueError: boom"]


def test_what_is_wrong_with_a_worker_as_such_stops_the_job():
    job, _ = run(Fleet({0: [ConfigError("on the worker w: the environment variable T is not set")]}), chunks(9))
    assert job.stops == [("on the worker w: the environment variable T is not set", 2)]


def test_chunks_that_the_engine_has_lost_are_handed_out_again():
    fleet = Fleet({0: [EngineLost("gone"), EngineLost("gone"), None]})
    job, _ = run(fleet, chunks(1))
    assert (job.done, job.stops) == ([0], [])


def test_an_engine_that_stays_away_stops_the_job():
    job, _ = run(Fleet({0: [EngineLost("gone")]}), chunks(1), max_outage=0.1)
    assert job.stops[0][1] == 1
    assert "the engine has been away for" in job.stops[0][0]


def test_a_broken_row_of_a_stream_stops_the_job_after_the_chunks_before_it():
    def stream():
        yield from chunks(2)
        raise InputError("stdin:21: no url")

    job, _ = run(Fleet(), stream())
    assert job.stops == [("stdin:21: no url", 2)]


@pytest.mark.parametrize("end", [Done(chunk=0, stopped=("interrupted", 130)), None])
def test_a_job_that_stops_hands_out_nothing_more(end):
    fleet = Fleet()
    job = Job()
    given = []

    def source():
        for chunk in chunks(1000):
            given.append(chunk.number)
            if chunk.number == 20:
                job.stop("interrupted", 130)
            yield chunk

    dispatch = Dispatch(fleet, source(), lambda chunk, alone: chunk, job, Totals(), max_outage=60)
    asyncio.run(asyncio.wait_for(dispatch.run(), 30))
    assert len(given) < 30


def test_a_chunk_whose_worker_falls_silent_is_handed_out_a_second_time():
    totals = Totals()
    fleet = Fleet()
    submit = fleet.submit

    def frozen(task):
        if task.number or fleet.given.count(0):
            return submit(task)
        fleet.given.append(0)
        totals.heard(Report("run", "w", 0, replace(STATE, done=1)))
        return asyncio.get_running_loop().create_future()  # it never ends

    fleet.submit = frozen
    job = Job()
    dispatch = Dispatch(fleet, iter(chunks(3)), lambda chunk, alone: chunk, job, totals, max_outage=60, silence=0.3)
    asyncio.run(asyncio.wait_for(dispatch.run(), 30))
    assert sorted(job.done) == [0, 1, 2]
    assert fleet.given.count(0) == 2
