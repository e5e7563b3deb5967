"""Without Redis a lease is a lock on a file: one has it, a killed process frees it, and a removed file is none."""

import asyncio
import signal
import subprocess
import sys

import pytest

from asyncapi.bulk.fleet.file_leases import FileLeases
from asyncapi.errors import ConfigError

HOLDER = """
import fcntl, sys, time
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


async def test_a_lock_is_held_by_one(tmp_path):
    one, two = FileLeases(tmp_path), FileLeases(tmp_path)
    lease = await one.take("000042", above=3)
    assert (lease.epoch, lease.holds(), await lease.confirm()) == (4, True, True)
    assert await two.take("000042") is None
    assert two.why == "another worker has it"
    await lease.release(done=True)
    assert not lease.holds()
    assert (await two.take("000042")).holds()


async def test_a_frozen_holder_is_waited_for_and_a_killed_one_is_not(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "a.lock"], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        assert await FileLeases(tmp_path).take("a") is None
        process.kill()
        process.wait()
        assert (await FileLeases(tmp_path).take("a")).holds()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_a_lock_on_a_file_that_was_removed_is_lost(tmp_path):
    lease = await FileLeases(tmp_path).take("a")
    (tmp_path / "a.lock").unlink()
    assert not lease.holds()
    async with asyncio.timeout(5):
        await lease.lost()
    await lease.release()


async def test_a_folder_that_is_gone_is_told(tmp_path):
    with pytest.raises(ConfigError, match="the folder of the job is gone"):
        await FileLeases(tmp_path / "gone").take("a")
