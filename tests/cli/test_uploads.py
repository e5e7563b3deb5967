"""`asyncapi fetch -o s3://...` writes the object as a whole, once all rows are there."""

import asyncio
import gzip
import json
import os

import pytest
from aiohttp import web

from tests.support.object_store import bucket  # noqa: F401 - a fixture

pytestmark = pytest.mark.lanes


def spools(folder):
    return sorted(file.name for file in folder.iterdir() if ".part" in file.name)


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.jsonl.gz", "out.sqlite", "out.parquet"])
async def test_the_object_is_there_at_the_end(tmp_path, asyncapi, inputs, bucket, name):  # noqa: F811 - the fixture
    output, env = f"{bucket.url}/{tmp_path.name}/{name}", {**os.environ, **bucket.env}
    code, _, err = await asyncapi("fetch", inputs(20), "-o", output, env=env)
    assert code == 0, err
    content = bucket.fs.cat_file(output)
    if name == "out.jsonl.gz":
        content = gzip.decompress(content)
    if "jsonl" in name:
        assert sorted(json.loads(line)["id"] for line in content.splitlines()) == list(range(20))
    if name == "out.csv":
        assert content.startswith(b"id,url,status,ok,")
        assert content.count(b"\n") == 21
    assert os.listdir(tmp_path) == ["in.txt"]
    code, _, err = await asyncapi("fetch", inputs(20), "-o", output, env=env)
    assert code == 2
    assert f"{output} exists: --overwrite replaces it" in err
    code, _, err = await asyncapi("fetch", inputs(20), "-o", output, "--resume", env=env)
    assert code == 0, err
    code, _, err = await asyncapi("fetch", inputs(3), "-o", output, "--overwrite", env=env)
    assert code == 0, err
    assert os.listdir(tmp_path) == ["in.txt"]


async def test_a_kill_leaves_no_object_and_the_resume_makes_it(tmp_path, server, start, asyncapi, inputs, bucket):  # noqa: F811 - the fixture
    release = asyncio.Event()

    async def answer(request):
        if int(request.path[1:]) > 20:
            await release.wait()
        return web.json_response({})

    server.answer = answer
    output, env = f"{bucket.url}/{tmp_path.name}/killed.jsonl", {**os.environ, **bucket.env}
    command = ("fetch", inputs(30), "-o", output, "--resume", "--quiet", "-c", "4")
    process = await start(*command, env=env)
    await server.saw(25)
    await asyncio.sleep(0.5)
    process.kill()
    await process.communicate()
    bucket.fs.invalidate_cache()
    assert not bucket.fs.exists(output)
    assert [name.startswith("killed.jsonl.") for name in spools(tmp_path)] == [True, True]
    before = len(server.seen)
    release.set()
    code, _, err = await asyncapi(*command, env=env)
    assert code == 0, err
    bucket.fs.invalidate_cache()
    assert sorted(json.loads(line)["id"] for line in bucket.fs.cat_file(output).splitlines()) == list(range(30))
    assert len(server.seen) - before < 20
    assert spools(tmp_path) == []


async def test_an_upload_that_fails_keeps_the_rows_and_is_resumed(tmp_path, server, asyncapi, inputs, bucket):  # noqa: F811 - the fixture
    nobody = f"nobody-{tmp_path.name[-1]}"  # each transport has a folder of its own
    output, env = f"s3://{nobody}/out.jsonl", {**os.environ, **bucket.env}
    code, _, err = await asyncapi("fetch", inputs(5), "-o", output, "--quiet", env=env)
    assert code == 1
    assert f"the upload to {output} failed" in err
    assert "--resume uploads them" in err
    bucket.fs.mkdir(nobody)
    before = len(server.seen)
    code, _, err = await asyncapi("fetch", inputs(5), "-o", output, "--quiet", "--resume", env=env)
    assert code == 0, err
    assert len(server.seen) == before
    bucket.fs.invalidate_cache()
    assert bucket.fs.cat_file(output).count(b"\n") == 5


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("nosuch://b/out.jsonl", "cannot write to nosuch://b/out.jsonl"),
        ("http://h/out.jsonl", "can only be read"),
        ("s3://b/", "is a folder: name a file in it"),
        ("memory://out.xlsx", "unknown ending"),
    ],
)
async def test_what_cannot_be_written_is_refused(server, asyncapi, inputs, output, says):
    code, _, err = await asyncapi("fetch", inputs(1), "-o", output)
    assert code == 2
    assert says in err
    assert server.seen == []
