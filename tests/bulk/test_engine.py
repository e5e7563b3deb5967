"""A job fetches every row once, stops when it should, and continues where it stopped."""

import asyncio
import json
import os
import shutil
import threading

import pydantic
import pytest
from aiohttp import web

from asyncapi import Client, ConfigError, RateLimit, Retry
from asyncapi.bulk import Engine, Job, run
from asyncapi.bulk.rows import UNKNOWN
from asyncapi.testing import MockTransport, reply


@pytest.fixture
def inputs(tmp_path):
    def write(count, *, name="in.txt", line="https://h/items/{n}"):
        path = tmp_path / name
        path.write_text("".join(line.replace("{n}", str(n)) + "\n" for n in range(count)))
        return path

    return write


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.jsonl"


@pytest.fixture
async def server():
    """A real server: `server.url`, and `server.seen`, the requests in the order they came."""

    class Server:
        def __init__(self):
            self.seen = []
            self.answer = lambda request: web.json_response({"path": request.path})

        async def handle(self, request):
            self.seen.append(
                (request.method, request.path, request.headers.get("Idempotency-Key"), dict(request.headers))
            )
            answer = self.answer(request)
            return await answer if asyncio.iscoroutine(answer) else answer

    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def client(handler, **settings):
    return Client(settings.pop("base_url", ""), transport=MockTransport(handler), **{"retry": None, **settings})


async def test_every_row_of_the_input_becomes_one_row(inputs, out):
    async with client(lambda request: reply(200, json={"path": request.url.path})) as api:
        summary = await run(Job(inputs(500), out), client=api)
    assert sorted(row["id"] for row in rows(out)) == list(range(500))
    assert all(row["data"] == {"path": f"/items/{row['id']}"} for row in rows(out))
    assert (summary.total, summary.ok, summary.failed, summary.skipped, summary.exit_code) == (500, 500, 0, 0, 0)
    assert summary.stopped is None
    assert [file.name for file in out.parent.iterdir() if "out" in file.name] == ["out.jsonl"]


async def test_failed_rows_are_counted_and_the_exit_code_says_so(inputs, out):
    def handler(request):
        return reply(404) if request.url.path.endswith("3") else reply(200, json=1)

    async with client(handler) as api:
        summary = await run(Job(inputs(10), out), client=api)
    assert (summary.ok, summary.failed, summary.exit_code) == (9, 1, 1)
    assert (summary.by_status, summary.by_error) == ({200: 9, 404: 1}, {"NotFound": 1})
    assert [row["error"] for row in rows(out) if not row["ok"]] == ["NotFound: 404 Not Found"]


async def test_ordered_rows_leave_in_the_order_of_the_input(inputs, out):
    async def handler(request):
        await asyncio.sleep(0.01 if request.url.path.endswith("0") else 0)
        return reply(200, json=1)

    async with client(handler) as api:
        await run(Job(inputs(100), out, ordered=True, concurrency=20), client=api)
    assert [row["id"] for row in rows(out)] == list(range(100))


async def test_a_model_must_fit_every_answer(inputs, out):
    class Item(pydantic.BaseModel):
        n: int

    async with client(lambda request: reply(200, json={"n": "x" if "1" in request.url.path else 5, "more": 1})) as api:
        summary = await run(Job(inputs(3), out, model=Item), client=api)
    assert (summary.ok, summary.by_error) == (2, {"SchemaError": 1})
    assert [row["data"] for row in rows(out) if row["ok"]] == [{"n": 5}, {"n": 5}]


@pytest.mark.lanes
async def test_the_jobs_own_client_sends_what_the_job_says(inputs, out, server, monkeypatch, lane):
    monkeypatch.setenv("API_TOKEN", "s3cret")
    job = Job(
        inputs(3, line="{n}"), out, url="/items/{id}?q=1", base_url=server.url, method="PUT", headers={"X-A": "b"},
        auth_env="API_TOKEN", rate="1000/s", timeout=5, retry=2, concurrency=2,
        transport=lane,
    )  # fmt: skip
    summary = await run(job)
    assert summary.ok == 3
    assert sorted((method, path) for method, path, _, _ in server.seen) == [("PUT", f"/items/{n}") for n in range(3)]
    assert all(head["Authorization"] == "Bearer s3cret" and head["X-A"] == "b" for _, _, _, head in server.seen)
    assert [row["id"] for row in sorted(rows(out), key=lambda row: row["id"])] == ["0", "1", "2"]
    assert "s3cret" not in out.read_text()


async def test_broken_rows_are_found_before_anything_is_sent(inputs, out, server):
    path = inputs(5, line=server.url + "/{n}")
    path.write_text(path.read_text() + "nonsense\n")
    with pytest.raises(ConfigError, match=r"in\.txt:6: .*no scheme"):
        await run(Job(path, out))
    assert server.seen == []
    assert not out.exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"auth_env": "NO_SUCH_TOKEN"}, "NO_SUCH_TOKEN is not set: export"),
        ({"model": "nonsense"}, "write package.module:Model"),
        ({"model": "no.such.module:X"}, "cannot import no.such.module"),
        ({"model": "json:Nope"}, "json has no Nope"),
        ({"rate": "many"}, "the rate 'many' cannot be read: write 50"),
        ({"rate": "0/m"}, "the rate '0/m' cannot be read"),
        ({"concurrency": 0}, "concurrency=0"),
        ({"resume": True, "overwrite": True}, "give one of them"),
        ({"url": "https://h/{a}/{b}"}, "needs the columns a, b"),
        ({"report": "none/r.html"}, "no folder"),
        ({"tls": "none.pem"}, "none.pem"),
        ({"headers": {"A": "b\r\nC: d"}}, "line break"),
        ({"base_url": "ftp://h"}, "ftp://h"),
    ],
)
async def test_a_wrong_setting_is_one_clear_error_before_anything_is_sent(inputs, out, settings, says):
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        await run(Job(inputs(2), out, **settings))
    assert not out.exists()


async def test_max_errors_stops_early_and_the_job_can_go_on(inputs, out):
    async with client(lambda request: reply(500)) as api:
        summary = await run(Job(inputs(500), out, max_errors=5, concurrency=2), client=api)
    assert 5 <= summary.failed < 20
    assert summary.stopped == "5 rows have failed (max_errors)"
    assert summary.exit_code == 1
    async with client(lambda request: reply(200, json=1)) as api:
        again = await run(Job(inputs(500), out, resume=True), client=api)
    assert (again.ok, again.skipped, again.skipped_failed) == (500 - summary.failed, summary.failed, summary.failed)
    assert again.exit_code == 1  # rows of the earlier run are not ok
    assert sorted(row["id"] for row in rows(out)) == list(range(500))


async def test_an_interrupt_lets_what_is_in_flight_finish_and_resume_does_the_rest(inputs, out):
    engine = None
    count = 0

    async def handler(request):
        nonlocal count
        count += 1
        if count == 30 and engine is not None:
            engine.interrupt()
        await asyncio.sleep(0.01)
        return reply(200, json=1)

    async with client(handler) as api:
        engine = Engine(Job(inputs(100), out, concurrency=10), client=api)
        summary = await engine.run()
    assert (summary.stopped, summary.exit_code) == ("interrupted", 130)
    assert 30 <= summary.ok == count < 60  # every request that was sent has its row
    engine = None
    async with client(handler) as api:
        again = await run(Job(inputs(100), out, resume=True), client=api)
    assert (again.skipped, again.ok, again.exit_code) == (summary.ok, 100 - summary.ok, 0)
    assert count == 100


async def test_an_interrupt_while_the_input_is_checked_ends_it_there(inputs, out):
    engine = Engine(Job(inputs(200_000), out), progress=lambda look: engine.interrupt())
    summary = await engine.run()
    assert (summary.total, summary.ok, summary.exit_code) == (None, 0, 130)
    assert not out.exists()


async def test_an_interrupt_does_not_wait_for_what_hangs(inputs, out):
    release = asyncio.Event()

    async def handler(request):
        engine.interrupt()
        await release.wait()
        return reply(200)

    async with client(handler) as api:
        engine = Engine(Job(inputs(5), out), client=api)
        async with asyncio.timeout(10):
            summary = await engine.run()
    assert (summary.exit_code, summary.ok) == (130, 0)


async def test_cancelling_keeps_what_has_come(inputs, out):
    enough = asyncio.Event()

    async def handler(request):
        if int(request.url.name) >= 10:
            enough.set()
            await asyncio.sleep(60)
        return reply(200, json=1)

    async with client(handler) as api:
        task = asyncio.create_task(run(Job(inputs(50), out, concurrency=5), client=api))
        await enough.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    done = len(rows(out))
    assert done >= 9
    async with client(lambda request: reply(200, json=1)) as api:
        again = await run(Job(inputs(50), out, resume=True), client=api)
    assert (again.skipped, again.ok) == (done, 50 - done)


@pytest.mark.lanes
async def test_an_unkeyed_post_in_flight_is_written_as_unknown_and_not_sent_again(inputs, out, server, lane):
    """What was waiting for its turn was not sent, and so is not unknown."""
    engine = None

    async def answer(request):
        if request.path == "/1":
            engine.interrupt()
            await asyncio.sleep(60)
        return web.json_response(1)

    server.answer = answer
    path = inputs(30, line=server.url + "/{n}")
    engine = Engine(Job(path, out, method="POST", concurrency=20, rate=RateLimit(20, burst=2), transport=lane))
    summary = await engine.run()
    assert summary.exit_code == 130
    server.answer = lambda request: web.json_response(1)
    again = await run(Job(path, out, method="POST", resume=True, transport=lane))
    assert (again.unknown, again.exit_code) == (1, 1)
    assert sorted(path for _, path, _, _ in server.seen) == sorted(f"/{n}" for n in range(30))
    unknown = [row for row in rows(out) if row.get("error") == UNKNOWN]
    assert [(row["id"], row["status"], row["ok"]) for row in unknown] == [(1, None, False)]
    assert sorted(row["id"] for row in rows(out)) == list(range(30))


@pytest.mark.lanes
async def test_a_post_with_an_automatic_key_is_sent_again_with_the_same_key(inputs, out, server, lane):
    engine = None

    async def answer(request):
        if engine is not None:
            engine.interrupt()
            await asyncio.sleep(60)
        return web.json_response(1)

    server.answer = answer
    job = {"method": "POST", "idempotency_key": "auto", "retry": None, "transport": lane}
    path = inputs(3, line=server.url + "/{n}")
    engine = Engine(Job(path, out, **job))
    await engine.run()
    first = {path: key for _, path, key, _ in server.seen}
    engine = None
    again = await run(Job(path, out, resume=True, **job))
    assert (again.ok, again.unknown) == (3, 0)
    second = {path: key for _, path, key, _ in server.seen[len(first) :]}
    assert first
    assert len(set(second.values())) == 3
    assert first.items() <= second.items()


async def test_with_a_client_of_the_users_posts_are_noted_when_handed_over(inputs, out):
    async def handler(request):
        engine.interrupt()
        await asyncio.sleep(60)
        return reply(200)

    async with client(handler) as api:
        engine = Engine(Job(inputs(3), out, method="POST", concurrency=1), client=api)
        await engine.run()
    async with client(lambda request: reply(200, json=1)) as api:
        again = await run(Job(inputs(3), out, method="POST", resume=True), client=api)
    assert (again.unknown, again.ok) == (1, 2)


async def test_ordered_holds_across_a_resume_with_unknown_rows(inputs, out):
    posts = inputs(20, name="in.jsonl", line='{"method":"POST","url":"https://h/{n}"}')

    async def handler(request):
        if request.url.path == "/7":
            engine.interrupt()
            await asyncio.sleep(60)
        return reply(200, json=1)

    async with client(handler) as api:
        engine = Engine(Job(posts, out, ordered=True, concurrency=5), client=api)
        await engine.run()
    async with client(lambda request: reply(200, json=1)) as api:
        again = await run(Job(posts, out, ordered=True, resume=True, concurrency=5), client=api)
    assert again.unknown >= 1
    assert [row["id"] for row in rows(out)] == list(range(20))


async def test_another_input_cannot_be_resumed(inputs, out):
    async with client(lambda request: reply(500)) as api:
        await run(Job(inputs(50), out, max_errors=1, concurrency=1), client=api)
        before = out.read_bytes()
        with pytest.raises(ConfigError, match="input changed since it began"):
            await run(Job(inputs(51), out, resume=True), client=api)
        with pytest.raises(ConfigError, match="method changed"):
            await run(Job(inputs(50), out, method="PUT", resume=True), client=api)
    assert out.read_bytes() == before


async def test_a_full_disk_stops_the_job_with_one_clear_reason(inputs):
    async with client(lambda request: reply(200, json=1)) as api:
        summary = await run(Job(inputs(2000), "/dev/full"), client=api)
    assert summary.stopped == "cannot write /dev/full: No space left on device"
    assert summary.exit_code == 1


async def test_an_output_that_vanishes_stops_the_job(inputs, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    out = folder / "out.jsonl"

    async def handler(request):
        shutil.rmtree(folder, ignore_errors=True)
        return reply(200, json=1)

    async with client(handler) as api:
        summary = await run(Job(inputs(20), out), client=api)
    assert summary.stopped == f"cannot write {out}: it was removed or replaced while the job ran; its rows are lost"
    assert summary.exit_code == 1


async def test_a_stream_is_read_as_it_comes_and_waits_for_nobody(tmp_path, out):
    """The first answer is there before the writer goes on; the loop is never held."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    answered = threading.Event()

    def feed():
        with pipe.open("w", buffering=1) as file:
            file.write("https://h/0\n")
            assert answered.wait(10)
            file.writelines(f"https://h/{n}\n" for n in range(1, 1000))

    def handler(request):
        answered.set()
        return reply(200, json=1)

    writer = threading.Thread(target=feed)
    writer.start()
    async with client(handler) as api:
        summary = await run(Job(pipe, out), client=api)
    await asyncio.to_thread(writer.join)
    assert (summary.total, summary.ok, summary.exit_code) == (1000, 1000, 0)
    assert sorted(row["id"] for row in rows(out)) == list(range(1000))


async def test_a_broken_row_of_a_stream_stops_the_job_and_keeps_what_came_before(tmp_path, out):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("https://h/0\nhttps://h/1\nnonsense\nhttps://h/3\n"))
    writer.start()
    async with client(lambda request: reply(200, json=1)) as api:
        summary = await run(Job(pipe, out), client=api)
    await asyncio.to_thread(writer.join)
    assert summary.stopped is not None
    assert "pipe:3: " in summary.stopped
    assert (summary.exit_code, summary.ok, len(rows(out))) == (2, 2, 2)


async def test_progress_is_reported_while_it_runs_and_at_the_end(inputs, out):
    seen = []

    async def handler(request):
        await asyncio.sleep(0.02)
        return reply(503 if request.url.path == "/items/5" else 200, json=1)

    async with client(handler) as api:
        await run(Job(inputs(100), out, concurrency=5), client=api, progress=seen.append)
    assert {look.phase for look in seen} == {"reading", "fetching", "finishing"}
    assert [look.done for look in seen] == sorted(look.done for look in seen)
    last = seen[-1]
    assert (last.total, last.done, last.ok, last.failed, last.in_flight) == (100, 100, 99, 1, 0)
    assert (last.by_status, last.limit) == ({200: 99, 503: 1}, "5 at a time")
    assert any(look.in_flight >= 5 and look.rate > 0 and look.eta is not None for look in seen)


async def test_what_a_progress_function_raises_is_the_callers_own(inputs, out):
    def progress(look):
        if look.phase == "fetching":
            raise OSError("the pager is gone")

    async def handler(request):
        await asyncio.sleep(0.02)
        return reply(200, json=1)

    async with client(handler) as api:
        with pytest.raises(OSError, match="the pager is gone"):
            await run(Job(inputs(100), out, concurrency=1), client=api, progress=progress)


async def test_a_client_with_a_base_url_takes_relative_rows_and_errors_are_errors(inputs, out):
    async with client(lambda r: reply(404), base_url="https://h/v1", raise_for_status=False) as api:
        summary = await run(Job(inputs(2, line="/x/{n}"), out), client=api)
    assert summary.by_error == {"NotFound": 2}


async def test_retries_are_counted(inputs, out):
    tries = {}

    def handler(request):
        tries[request.url.path] = tries.get(request.url.path, 0) + 1
        return reply(200, json=1) if tries[request.url.path] == 2 else reply(503)

    async with client(handler, retry=Retry(3, base=0.0, budget=None)) as api:
        summary = await run(Job(inputs(10), out), client=api)
    assert (summary.ok, summary.retries) == (10, 10)
    assert {row["attempts"] for row in rows(out)} == {2}


@pytest.mark.lanes
async def test_following_a_redirect_is_no_retry(inputs, out, server, lane):
    def answer(request):
        if request.path == "/0":
            return web.Response(status=302, headers={"Location": "/there"})
        return web.json_response(request.path)

    server.answer = answer
    summary = await run(Job(inputs(1, line=server.url + "/{n}"), out, transport=lane))
    assert [(row["attempts"], row["data"]) for row in rows(out)] == [(2, "/there")]
    assert summary.retries == 0


@pytest.mark.parametrize("name", ["out.csv", "out.sqlite", "out.parquet"])
async def test_every_kind_of_output_resumes(inputs, tmp_path, name):
    out = tmp_path / name
    async with client(lambda request: reply(500)) as api:
        first = await run(Job(inputs(300), out, max_errors=5, concurrency=2), client=api)
    async with client(lambda request: reply(200, json=1)) as api:
        again = await run(Job(inputs(300), out, resume=True), client=api)
    assert (again.skipped, again.ok) == (first.failed, 300 - first.failed)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in.txt", name]


async def test_an_empty_input_is_a_job_without_rows(inputs, out):
    async with client(lambda request: reply(200)) as api:
        summary = await run(Job(inputs(0), out), client=api)
    assert (summary.total, summary.exit_code, rows(out)) == (0, 0, [])


@pytest.mark.lanes
@pytest.mark.parametrize(("pace", "paused"), [(True, 1), (False, 0)])
async def test_a_shared_limit_pauses_the_whole_job_and_the_summary_says_how_long(
    inputs, out, server, pace, paused, lane
):
    """Without pacing each row waits for itself, and the job is not paused."""

    def answer(request):
        first = [path for _, path, _, _ in server.seen].count(request.path) == 1
        if request.path in {"/items/0", "/items/1", "/items/2"} and first:
            return web.json_response({}, status=429, headers={"Retry-After": "1"})
        return web.json_response({})

    server.answer = answer
    summary = await run(Job(inputs(8, line=f"{server.url}/items/{{n}}"), out, concurrency=3, pace=pace, transport=lane))
    assert (summary.ok, summary.retries) == (8, 3)
    assert summary.paused == pytest.approx(paused, abs=0.2)


async def test_a_row_waits_as_long_as_an_hour_when_the_server_asks_for_it_and_no_longer(inputs, out):
    for retry in (Job("a", "b").retries(), Job("a", "b", retry=2).retries()):
        assert retry.max_retry_after == 3600
    assert Job("a", "b", retry=Retry(3)).retries() == Retry(3)
    assert Job("a", "b", retry=None).retries() is None
