"""`fetch --on` into an object store: rows are in segments until all are there, whatever dies."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from redis_server import redis  # noqa: F401

pytestmark = pytest.mark.lane("native", reason="the workers are the subject, and not what sends")

STARTS_WITHIN = 30  # seconds


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The environment in which `s3://bucket` is moto's."""
    for package in ("moto", "flask_cors", "s3fs"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    port = tmp_path_factory.mktemp("moto") / "port"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "support/moto_aws.py"), str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + STARTS_WITHIN
        while not (port.exists() and port.read_text()):
            if process.poll() is not None or time.monotonic() > until:
                pytest.skip("moto did not start")
            time.sleep(0.02)
        yield {
            "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port.read_text()}",
        }  # fmt: skip
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def bucket(store, monkeypatch):
    import s3fs

    for name, value in store.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem(use_listings_cache=False)
    files.mkdir("bucket")
    yield files
    files.rm("bucket", recursive=True)


def rows(bucket, name):
    return [json.loads(line) for line in bucket.cat_file(f"bucket/{name}").splitlines()]


def mixed(folder, server, count):
    lines = (
        json.dumps({"url": f"{server.url}/{n}", "method": "POST" if n % 2 else "GET"}) + "\n" for n in range(count)
    )
    (folder / "in.jsonl").write_text("".join(lines))
    return "in.jsonl"


def workers():
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_text()
                folder = (entry / "cwd").readlink()
            except OSError:
                continue
            if "fleet.process" in command:
                found.append((int(entry.name), folder))
    return found


async def test_rows_reach_an_object_and_the_parts_are_gone(tmp_path, asyncapi, server, bucket, redis):  # noqa: F811
    to = ("-o", "s3://bucket/out.jsonl", "--on", "local:2", "--chunk", "30", "--shared", redis.url)
    code, _, err = await asyncapi("fetch", mixed(tmp_path, server, 100), *to)
    assert (code, "done: 100 rows" in err) == (0, True), err
    assert sorted(row["id"] for row in rows(bucket, "out.jsonl")) == list(range(100))
    assert bucket.find("bucket") == ["bucket/out.jsonl"]
    assert max(Counter(request.path for request in server.seen).values()) == 1
    code, _, err = await asyncapi("fetch", "in.jsonl", *to)
    assert (code, "s3://bucket/out.jsonl exists: --overwrite replaces it" in err) == (2, True)
    code, _, err = await asyncapi("fetch", "in.jsonl", *to, "--resume")
    assert (code, "nothing to do: s3://bucket/out.jsonl is complete" in err) == (0, True)
    assert len(server.seen) == 100


@pytest.mark.parametrize("name", ["folder/", "out.csv"])
async def test_a_folder_of_objects_or_a_table_is_made_too(tmp_path, asyncapi, server, bucket, redis, name):  # noqa: F811
    to = ("-o", f"s3://bucket/{name}", "--on", "local:2", "--chunk", "30", "--shared", redis.url)
    code, _, err = await asyncapi("fetch", mixed(tmp_path, server, 70), *to)
    assert code == 0, err
    if name == "folder/":
        assert bucket.find("bucket") == [f"bucket/folder/00000{n}.jsonl" for n in range(3)]
        found = [row for part in range(3) for row in rows(bucket, f"folder/00000{part}.jsonl")]
        assert sorted(row["id"] for row in found) == list(range(70))
    else:
        lines = bucket.cat_file("bucket/out.csv").decode().splitlines()
        assert (lines[0].split(",")[:4], len(lines)) == (["id", "url", "status", "ok"], 71)


async def test_without_redis_an_object_store_is_refused(tmp_path, asyncapi, server, bucket):
    to = ("-o", "s3://bucket/out.jsonl", "--on", "local:2")
    code, _, err = await asyncapi("fetch", mixed(tmp_path, server, 3), *to)
    assert (code, "which has no locks: with --on give --shared redis://" in err) == (2, True)
    assert not server.seen


@pytest.mark.soak
async def test_a_worker_that_is_killed_loses_no_row_and_repeats_no_post(tmp_path, start, server, bucket, redis):  # noqa: F811
    async def slow(request):
        await asyncio.sleep(0.3)
        return web.json_response({})

    server.answer = slow
    to = ("-o", "s3://bucket/out.jsonl", "--on", "local:2", "--chunk", "150", "--shared", redis.url)
    process = await start("fetch", mixed(tmp_path, server, 600), *to, "--concurrency", "20")
    try:
        await server.saw(150)
        os.kill(next(pid for pid, folder in workers() if folder == tmp_path), signal.SIGKILL)
        _, err = await asyncio.wait_for(process.communicate(), 90)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    found = rows(bucket, "out.jsonl")
    assert sorted(row["id"] for row in found) == list(range(600)), err
    sent = Counter((request.method, request.path) for request in server.seen)
    assert [what for what, times in sent.items() if times > 1 and what[0] == "POST"] == []
    assert all(row["ok"] or row["error"].startswith("unknown") for row in found)
