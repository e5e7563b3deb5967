"""Dask runs chunks: real schedulers and workers, with the environment of their own, killed and started again."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from asyncapi.bulk import Job, run
from asyncapi.bulk.cluster import fleet_of
from asyncapi.errors import ConfigError
from tests.support.fleet import SERVER, free_port, python, stats, wait_for

pytest.importorskip("distributed")

from distributed import Client

URLS = 60


class Cluster:
    """A scheduler and workers."""

    def __init__(self, folder, **environment):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self.processes = []
        self.scheduler = self._start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port))
        self.worker = self.add_worker()

    def add_worker(self):
        return self._start("distributed.cli.dask_worker", f"tcp://{self.address}", "--nthreads", "2", "--no-nanny")

    def _start(self, *command):
        log = (self._folder / "dask.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--no-dashboard"],
            env=self._environment, stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("dask"), TOKEN_OF_WORKERS="t0ken")
    yield made
    made.end()


@pytest.fixture(scope="module")
def server():
    port = free_port()
    process = subprocess.Popen(python(SERVER, str(port), "0.005"))
    wait_for(lambda: stats(port) is not None)
    yield port
    process.kill()
    process.wait()


def inputs(folder, port, count=URLS):
    (folder / "in.txt").write_text("".join(f"http://127.0.0.1:{port}/{number}\n" for number in range(count)))
    return folder / "in.txt"


def ids(path):
    return sorted(json.loads(line)["id"] for line in path.read_text().splitlines())


async def test_a_job_runs_on_dask_with_the_credential_of_the_workers(cluster, server, tmp_path):
    job = Job(inputs(tmp_path, server), tmp_path / "o.jsonl", chunk=10, auth_env="TOKEN_OF_WORKERS")
    summary = await run(job, on=f"dask://{cluster.address}")
    assert (summary.ok, summary.exit_code, summary.stopped) == (URLS, 0, None)
    assert ids(tmp_path / "o.jsonl") == list(range(URLS))


async def test_the_workers_are_counted_soon(cluster):
    fleet = fleet_of(f"dask://{cluster.address}")
    try:
        await fleet.start(print)
        async with asyncio.timeout(60):
            while fleet.workers() < 1:
                await asyncio.sleep(0.05)
        assert fleet.workers() == 1
    finally:
        await fleet.aclose()


async def test_a_client_of_dask_stands_for_its_cluster(cluster, server, tmp_path):
    job = Job(inputs(tmp_path, server), tmp_path / "o.jsonl", chunk=30)
    async with Client(f"tcp://{cluster.address}", asynchronous=True) as client:
        assert (await run(job, on=client)).ok == URLS


async def test_what_is_not_set_on_the_workers_is_said(cluster, server, tmp_path):
    job = Job(inputs(tmp_path, server), tmp_path / "o.jsonl", auth_env="NOT_SET_ANYWHERE")
    summary = await run(job, on=f"dask://{cluster.address}")
    assert summary.exit_code == 2
    assert "on the worker tcp://" in summary.stopped
    assert "the environment variable NOT_SET_ANYWHERE is not set" in summary.stopped


async def test_workers_with_other_versions_are_refused(cluster, monkeypatch):
    monkeypatch.setattr("asyncapi.bulk.fleet.dask.versions", lambda: {"Python": "2.7"})
    fleet = fleet_of(f"dask://{cluster.address}")
    try:
        with pytest.raises(ConfigError, match=r"can't run this job: the worker .* instead of 2\.7"):
            await fleet.start(print)
    finally:
        await fleet.aclose()


async def test_a_worker_that_is_killed_costs_no_row(server, tmp_path):
    cluster = Cluster(tmp_path)
    try:
        cluster.add_worker()
        job = Job(inputs(tmp_path, server, 400), tmp_path / "o.jsonl", chunk=20, concurrency=2)
        killed = False

        def kill(state):
            nonlocal killed
            if not killed and state.done > 40:
                killed = True
                cluster.worker.kill()

        summary = await run(job, on=f"dask://{cluster.address}", progress=kill)
        assert (killed, summary.exit_code) == (True, 0)
        assert ids(tmp_path / "o.jsonl") == list(range(400))
    finally:
        cluster.end()
