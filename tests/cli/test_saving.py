"""`asyncapi fetch --save-dir` saves bodies in files that are whole, under names that only the ids decide."""

import asyncio
import json
import os
import re
import resource

import pytest
from aiohttp import web

pytestmark = pytest.mark.lanes


def rows_of(path):
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


async def test_bodies_are_files_and_rows_say_which(tmp_path, server, asyncapi):
    kinds = {"a": ("image/png", b"\x89PNG"), "b": ("text/html; charset=utf-8", b"<p>"), "c": ("application/x-odd", b""),
             "d": ("application/json", b"{}")}  # fmt: skip

    async def answer(request):
        name = request.path[1:]
        if name == "gone":
            return web.json_response({}, status=404)
        kind, body = kinds[name]
        headers = {"Content-Type": kind, "Content-Disposition": 'attachment; filename="../../evil"'}
        return web.Response(body=body, headers=headers)

    server.answer = answer
    (tmp_path / "in.csv").write_text("id,url\n" + "".join(f"{name},{server.url}/{name}\n" for name in [*kinds, "gone"]))
    code, _, err = await asyncapi(
        "fetch", "in.csv", "-o", "out.jsonl", "--save-dir", "files", "--with", "bytes,headers"
    )
    assert code == 1, err
    rows = rows_of(tmp_path / "out.jsonl")
    assert {name: rows[name]["file"] for name in kinds} == {
        "a": "files/a.png", "b": "files/b.html", "c": "files/c", "d": "files/d.json",
    }  # fmt: skip
    assert {name: (tmp_path / rows[name]["file"]).read_bytes() for name in kinds} == {
        name: body for name, (_, body) in kinds.items()
    }
    assert (rows["a"]["bytes"], rows["a"]["headers"]["Content-Type"]) == (4, "image/png")
    assert "data" not in rows["a"]
    assert "file" not in rows["gone"]
    assert sorted(file.name for file in (tmp_path / "files").iterdir()) == ["a.png", "b.html", "c", "d.json"]


HOSTILE = ["../../up", "/etc/passwd", "..", ".", "", "CON", "nul.txt", "a/b", "a:b", "a\\b", "x" * 400, ".bashrc", "~", "-rf",
           "é", "e\u0301", "A", "a", "a.json", "twice", "twice", "tab\there", "\u202egnp.exe", 5, "5"]  # fmt: skip


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.sqlite"])
async def test_no_id_leaves_the_folder_or_takes_the_file_of_another(tmp_path, server, asyncapi, name):
    async def answer(request):
        return web.json_response(request.path)

    server.answer = answer
    folder = tmp_path / "job"
    lines = [{"id": hostile, "url": f"{server.url}/{n}"} for n, hostile in enumerate(HOSTILE)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    code, _, err = await asyncapi("fetch", "in.jsonl", "-o", name, "--save-dir", folder)
    assert code == 0, err
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert len(files) == len({file.name.lower() for file in files}) == len(HOSTILE)
    assert sorted(json.loads(file.read_text()) for file in files) == sorted(f"/{n}" for n in range(len(HOSTILE)))
    assert {file.parent for file in files} == {folder}
    assert max(len(file.name) for file in files) < 200
    assert {file.suffix for file in files} <= {".json", ".txt", ".exe"}  # those of the ids stay
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["in.jsonl", "job", name])


async def test_a_kill_leaves_no_torn_file_and_the_resume_replaces_it(tmp_path, server, start, asyncapi, inputs):
    release = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"x" * 2_000_000)
        if int(request.path[1:]) >= 4:
            await release.wait()
        await response.write(b"y" * 1000)
        await response.write_eof()
        return response

    server.answer = answer
    command = ("fetch", inputs(8), "-o", "out.jsonl", "--save-dir", "files", "-c", "4", "--resume", "--quiet")
    process = await start(*command)
    await server.saw(8)
    folder = tmp_path / "files"
    while len(list(folder.glob("*.txt"))) < 4 or not list(folder.glob(".out.jsonl.part/.*")):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    process.kill()
    await process.communicate()
    whole = {file.name: file.stat() for file in folder.glob("*.txt")}
    assert set(whole) == {f"{n}.txt" for n in range(4)}
    assert {stat.st_size for stat in whole.values()} == {2_001_000}
    release.set()
    code, _, err = await asyncapi(*command)
    assert code == 0, err
    assert sorted(os.listdir(folder)) == [f"{n}.txt" for n in range(8)]
    assert {file.stat().st_size for file in folder.iterdir()} == {2_001_000}
    assert [(folder / name).stat().st_ino for name in whole] == [stat.st_ino for stat in whole.values()]
    assert len(rows_of(tmp_path / "out.jsonl")) == 8


async def test_a_body_that_breaks_off_is_requested_anew(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        whole = len(server.seen) > 2
        response = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(b"x" * (100_000 if whole else 50_000))
        if not whole:
            request.transport.close()
        return response

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--save-dir", "files")
    assert code == 0, err
    row = rows_of(tmp_path / "out.jsonl")[0]
    assert (row["ok"], row["attempts"], row["file"]) == (True, 3, "files/0.txt")
    assert (tmp_path / "files/0.txt").read_bytes() == b"x" * 100_000


async def test_a_body_that_always_breaks_off_fails_its_row_and_leaves_no_file(tmp_path, server, asyncapi, inputs):
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        await response.write(b"x" * 50_000)
        request.transport.close()
        return response

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--save-dir", "files", "--retry", "2")
    assert code == 1, err
    row = rows_of(tmp_path / "out.jsonl")[0]
    assert (row["ok"], row["attempts"]) == (False, 2)
    assert os.listdir(tmp_path / "files") == []


async def test_a_full_disk_stops_the_job(tmp_path, server, asyncapi, inputs):
    async def answer(_):
        return web.Response(body=b"x" * 3_000_000)

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    server.answer = answer
    code, _, err = await asyncapi("fetch", inputs(5), "-o", "out.jsonl", "--save-dir", "files", preexec_fn=small)
    assert code == 1
    assert re.search(r"cannot write .*files/\d\S*: File too large", err), err
    assert (tmp_path / "out.jsonl.journal").exists()
    code, _, err = await asyncapi("fetch", inputs(5), "-o", "out.jsonl", "--save-dir", "files", "--resume")
    assert code == 0, err
    assert len(os.listdir(tmp_path / "files")) == 5


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path, server, asyncapi, inputs):
    (tmp_path / "file").write_text("")
    code, _, err = await asyncapi("fetch", inputs(1), "-o", "out.jsonl", "--save-dir", "file")
    assert code == 2, err
    assert "cannot write to the folder file" in err
    assert server.seen == []


async def test_memory_does_not_grow_with_the_body(tmp_path, server, start, inputs):
    size = 150 << 20

    async def answer(request):
        response = web.StreamResponse(headers={"Content-Length": str(size)})
        await response.prepare(request)
        for _ in range(size >> 20):
            await response.write(b"x" * (1 << 20))
        return response

    server.answer = answer

    def small():
        resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20))

    process = await start("fetch", inputs(2), "-o", "out.jsonl", "--save-dir", "files", "--quiet", preexec_fn=small)
    _, err = await process.communicate()
    assert process.returncode == 0, err
    assert {file.stat().st_size for file in (tmp_path / "files").iterdir()} == {size}
