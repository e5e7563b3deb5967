"""What goes to an engine and comes back survives the way."""

import pickle
from dataclasses import replace

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.engines import Report, Task, WorkerDied
from asyncapi.bulk.fleet.slices import Chunk
from tests.bulk.fleet.test_totals import STATE, tally


def test_tasks_reports_and_ends_pickle():
    chunk = Chunk(3, 30, 10, 100, 50, 31, head=7, format="csv")
    task = Task("run", "job", pickle.dumps(Job("in.txt", "o.jsonl")), "/folder", chunk, {"Python": "3.11"})
    done = Done(chunk=3, rows=10, ok=10, tally=tally(10), stopped=("interrupted", 130))
    for thing in (task, Report("run", "w", 3, replace(STATE, ok=5)), done.stopped, chunk):
        assert pickle.loads(pickle.dumps(thing)) == thing
    assert pickle.loads(pickle.dumps(done)).tally.ok == 10


def test_a_death_says_how_many_workers_it_took():
    assert WorkerDied(4).times == 4
