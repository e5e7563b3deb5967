"""Processes of this machine: one that dies is replaced, and one that can't start is an error."""

import asyncio
import os
import pickle
import signal

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet import local
from asyncapi.bulk.fleet.engines import Task, WorkerDied
from asyncapi.bulk.fleet.local import Local
from asyncapi.bulk.fleet.slices import Chunk
from asyncapi.bulk.fleet.versions import versions
from asyncapi.errors import ConfigError


def task(number, **settings):
    job = pickle.dumps(Job("in.txt", "o.jsonl", **settings))
    return Task("run", "0" * 32, job, "/nowhere", Chunk(number, number, 1, 0, 1, 1), versions())


async def test_an_error_of_a_chunk_comes_back_as_what_it_was():
    fleet = Local(1)
    await fleet.start(print)
    try:
        with pytest.raises(
            ConfigError, match=r"on the worker process \d+: the environment variable NOT_SET is not set"
        ):
            await asyncio.wait_for(fleet.submit(task(0, auth_env="NOT_SET")), 60)
        assert fleet.workers() == 1
    finally:
        await fleet.aclose()


async def test_a_process_that_is_killed_is_replaced_and_its_chunks_are_told(monkeypatch):
    fleet = Local(1)
    await fleet.start(print)
    try:
        async with asyncio.timeout(60):
            while not any(worker.was_alive for worker in fleet._workers):
                await asyncio.sleep(0.01)
        (first,) = fleet._workers
        os.kill(first.process.pid, signal.SIGSTOP)  # so that it can't end the chunk before it dies
        running = fleet.submit(task(0, auth_env="NOT_SET"))
        first.kill()
        with pytest.raises(WorkerDied):
            await asyncio.wait_for(running, 60)
        with pytest.raises(ConfigError):
            await asyncio.wait_for(fleet.submit(task(0, auth_env="NOT_SET")), 60)
    finally:
        await fleet.aclose()


async def test_a_process_that_is_silent_is_killed(monkeypatch):
    monkeypatch.setattr(local, "_SILENCE", 1.5)
    monkeypatch.setattr(local, "_LOOK", 0.05)
    fleet = Local(1)
    await fleet.start(print)
    try:
        async with asyncio.timeout(60):
            while not any(worker.was_alive for worker in fleet._workers):
                await asyncio.sleep(0.01)
            (first,) = fleet._workers
            os.kill(first.process.pid, signal.SIGSTOP)
            while first in fleet._workers:
                await asyncio.sleep(0.01)
    finally:
        await fleet.aclose()
    assert first.process.returncode == -signal.SIGKILL


async def test_processes_that_cannot_start_are_an_error(monkeypatch):
    monkeypatch.setattr(local.sys, "executable", "/bin/false")
    fleet = Local(1)
    await fleet.start(print)
    try:
        with pytest.raises(ConfigError, match="end as soon as they start"):
            await asyncio.wait_for(fleet.submit(task(0)), 60)
        with pytest.raises(ConfigError):
            await fleet.submit(task(1))
    finally:
        await fleet.aclose()
