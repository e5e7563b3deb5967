"""The client without await: the async one behind one thread, lazily, and gone when it is closed."""

from __future__ import annotations

import gc
import inspect
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import types
import weakref
from pathlib import Path

import anyio.from_thread
import pytest
from pydantic import BaseModel

import asyncapi
from asyncapi import ConfigError, Cursor, NotFound, PageNumber, Request, RequestTimeout, Response, ServerError, deadline
from asyncapi.blocking import Client
from asyncapi.serve import FaultServer
from asyncapi.testing import MockTransport, reply


class Item(BaseModel):
    id: int
    name: str


@pytest.fixture(scope="module")
def server():
    """A real server, in a thread of its own."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FaultServer()) as running,
    ):
        yield running


@pytest.fixture
def api(server):
    with Client(server.url, retry=None) as client:
        yield client


def ours():
    return [thread for thread in threading.enumerate() if thread.name == "asyncapi-blocking"]


@pytest.fixture(autouse=True)
def no_thread_stays():
    assert ours() == []
    yield
    gc.collect()
    assert ours() == []


# --- calls ------------------------------------------------------------------------------------------------------


def test_calls_are_those_of_the_async_client(api):
    assert api.get("/items/7", model=Item) == Item(id=7, name="item 7")
    assert isinstance(api.get("/items/7"), Response)
    for verb in (api.post, api.put, api.patch, api.delete):
        assert verb("/echo", json={"a": 1}).json()["method"] == verb.__name__.upper()
    assert api.head("/items/1").status == 200
    assert api.request("GET", "/items/7", model=Item).id == 7
    assert api.gather([f"/items/{n}" for n in range(5)], model=Item)[3].id == 3


def test_errors_are_those_of_the_async_client(api):
    with pytest.raises(NotFound):
        api.get("/status/404")
    with pytest.raises(ServerError):
        api.gather(["/items/1", "/status/500"])
    with pytest.raises(ConfigError, match="unknown scheme"):
        api.get("ftp://h/")
    with pytest.raises(TypeError, match="jsn"):
        api.get("/items/1", jsn=1)


def test_settings_are_those_of_the_async_client_in_signature_and_docs():
    assert inspect.signature(Client).parameters.keys() == inspect.signature(asyncapi.Client).parameters.keys()
    with pytest.raises(ConfigError, match="concurrency=0"):
        Client(concurrency=0)
    with pytest.raises(TypeError, match="concurency"):
        Client(concurency=1)
    with pytest.raises(ConfigError, match="session="):
        Client(session=object())


ASYNC_ALONE = {"aclose"}
FACE = {*dir(asyncapi.Client), *inspect.get_annotations(asyncapi.Client)} - ASYNC_ALONE


@pytest.mark.parametrize("name", sorted(name for name in FACE if not name.startswith("_")))
def test_what_the_async_client_has_is_here(name, api):
    """All that is public, whatever is added to it."""
    assert hasattr(type(api), name) or hasattr(api, name)
    if hasattr(type(api), name):
        assert inspect.getdoc(getattr(type(api), name))


def test_credentials_may_be_got_ready(server):
    asked = []

    async def key():
        asked.append(threading.current_thread().name)
        return "k"

    with Client(server.url, auth=asyncapi.ApiKey(key)) as client:
        client.authorize()
        assert asked == ["asyncapi-blocking"]
        assert client.get("/items/1").status == 200


def test_stats_and_explain(api, capsys):
    assert api.stats.calls == 0
    api.get("/items/1")
    assert api.stats.by_status == {200: 1}
    assert "retry" in api.explain()
    assert "transport" in capsys.readouterr().out


def test_one_thread_serves_any_number_of_threads(api):
    seen = []
    threads = [
        threading.Thread(target=lambda n=n: seen.append(api.get(f"/items/{n}", model=Item).id)) for n in range(20)
    ]
    for thread in threads:
        thread.start()
    assert len(ours()) == 1
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(20))


def test_a_deadline_around_it_holds(api):
    with deadline(0.05), pytest.raises(RequestTimeout):
        api.get("/delay/30")


# --- life -------------------------------------------------------------------------------------------------------


def test_the_thread_begins_with_the_first_call_and_ends_with_close(server):
    client = Client(server.url)
    assert ours() == []
    assert client.stats.calls == 0
    client.get("/items/1")
    assert len(ours()) == 1
    client.close()
    assert ours() == []
    client.close()
    with pytest.raises(ConfigError, match="closed"):
        client.get("/items/1")


def test_a_client_that_nobody_keeps_takes_its_thread_along(server):
    client = Client(server.url)
    client.get("/items/1")
    gone, [thread] = weakref.ref(client), ours()
    del client
    gc.collect()
    assert gone() is None
    thread.join(60)
    assert ours() == []


def test_close_from_another_thread_ends_a_call_under_way(server):
    client, failed = Client(server.url, retry=None), []

    def call():
        try:
            client.get("/delay/30", timeout=60)
        except asyncapi.AsyncAPIError as error:
            failed.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not client.stats.in_flight:
        time.sleep(0.001)
    client.close()
    thread.join(10)
    assert len(failed) == 1


async def test_inside_a_running_loop_it_says_what_to_use(server):
    client = Client(server.url)
    for use in (lambda: client.get("/"), client.__enter__, lambda: client.gather(["/"]), lambda: list(client.map(["/"])),
                lambda: list(client.paginate("/", by=Cursor()))):  # fmt: skip
        with pytest.raises(ConfigError, match=r"use asyncapi\.Client there"):
            use()


async def test_a_notebooks_loop_is_no_reason(server, monkeypatch):
    """Every cell of a notebook runs inside the kernel's loop."""
    shell = types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(FaultServer()) as own,
        Client(own.url) as api,
    ):
        assert api.get("/items/1").status == 200


def test_a_hook_that_calls_the_client_it_hangs_on_is_told_so(server):
    failed = []

    def hook(attempt):
        try:
            client.get("/items/1")
        except ConfigError as error:
            failed.append(error)

    client = Client(server.url, hooks=[hook])
    client.get("/items/2")
    client.close()
    assert len(failed) == 1


def in_child(client, queue):
    try:
        client.get("/items/1")
    except ConfigError as error:
        queue.put(str(error))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_after_a_fork_it_says_so(api):
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    api.get("/items/1")
    child = context.Process(target=in_child, args=(api, queue))
    child.start()
    assert "before a fork" in queue.get(timeout=30)
    child.join(30)
    assert child.exitcode == 0


# --- map --------------------------------------------------------------------------------------------------------


def test_a_map_gives_an_outcome_for_each_input(api):
    source = (f"/items/{n}" if n % 10 else "/status/404" for n in range(1, 101))
    with api.map(source, model=Item, concurrency=7) as outcomes:
        seen = {o.index: o for o in outcomes}
    assert sorted(seen) == list(range(100))
    assert [n for n, o in seen.items() if not o.ok] == pytest.approx([n for n in seen if n % 10 == 9])
    assert seen[4].value == Item(id=5, name="item 5")


def test_a_map_needs_no_block_and_keeps_order_where_asked(api):
    ids = [o.value.id for o in api.map((f"/items/{n}" for n in range(200)), model=Item, ordered=True)]
    assert ids == list(range(200))
    assert [o.value.status for o in api.map([Request("GET", "/items/1"), "/items/2"])] == [200, 200]
    assert list(api.map([])) == []


@pytest.mark.parametrize("concurrency", [1, 5])
@pytest.mark.parametrize("ordered", [True, False])
def test_the_source_is_pulled_as_outcomes_are_taken(api, concurrency, ordered):
    pulled = 0

    def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    outcomes = api.map(source(), concurrency=concurrency, ordered=ordered)
    assert pulled == 0
    for taken, _ in enumerate(outcomes):
        assert pulled <= taken + 1 + 2 * concurrency
        if taken == 50:
            break


def test_the_source_runs_and_ends_in_the_thread_that_iterates(api):
    threads, closed = set(), []

    def source():
        try:
            while True:
                threads.add(threading.get_ident())
                yield "/items/1"
        finally:
            closed.append(threading.get_ident())

    with api.map(source()) as outcomes:
        for _ in outcomes:
            break
    assert threads == {threading.get_ident()}
    assert closed == [threading.get_ident()]


def test_a_source_may_use_the_client_itself(api):
    source = (f"/items/{api.get(f'/items/{n}', model=Item).id}" for n in range(5))
    assert sorted(o.value.id for o in api.map(source, model=Item)) == list(range(5))


def test_an_outcome_does_not_wait_for_a_slow_source(api):
    """The first outcome is there although the source has more to give only afterwards."""
    taken = []

    def source():
        for n in range(10):
            yield f"/items/{n}"
            time.sleep(0.02)
        assert taken, "all was pulled before the first outcome was handed over"

    for outcome in api.map(source()):
        taken += [outcome]
    assert len(taken) == 10


def test_an_async_source_is_held_back_too(api):
    pulled = 0

    async def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    with api.map(source(), concurrency=2) as outcomes:
        for taken, _ in enumerate(outcomes):
            assert pulled <= taken + 1 + 2 * 4 + 4
            if taken == 30:
                break


def test_when_the_source_raises_what_was_pulled_is_handed_over_first(api):
    def source():
        yield from (f"/items/{n}" for n in range(30))
        raise KeyError("broken source")

    seen = []
    with api.map(source(), model=Item) as outcomes, pytest.raises(KeyError, match="broken source"):
        seen.extend(o.value.id for o in outcomes)
    assert sorted(seen) == list(range(30))


def test_failures_stop_it_where_asked(api):
    with pytest.raises(NotFound):
        list(api.map(["/status/404"] * 5, on_error="raise"))
    with api.map((f"/status/404?{n}" for n in range(100_000)), max_errors=3, concurrency=2) as outcomes:
        assert 3 <= len(list(outcomes)) < 20
        assert "max_errors" in outcomes.stopped


def test_stop_hands_over_what_was_pulled(api):
    pulled = 0

    def source():
        nonlocal pulled
        while True:
            pulled += 1
            yield "/items/1"

    with api.map(source(), concurrency=3) as outcomes:
        count = 0
        for _ in outcomes:
            count += 1
            outcomes.stop("enough")
        assert count == pulled
        assert outcomes.stopped == "enough"


@pytest.mark.parametrize(
    ("source", "how", "said"),
    [("/items", {}, "a source is"), (5, {}, "a source is"), ([1], {}, "yields URLs"), (["/"], {"concurrency": -1}, "at least 1"),
     (["/"], {"on_error": "ignore"}, "on_error")],
)  # fmt: skip
def test_wrong_use_of_a_map_is_told(api, source, how, said):
    with pytest.raises(ConfigError, match=said):
        raise next(iter(api.map(source, **how))).error


def test_a_map_runs_once(api):
    outcomes = api.map(["/items/1"])
    assert len(list(outcomes)) == 1
    with pytest.raises(ConfigError, match="has been run already"):
        list(outcomes)


@pytest.mark.parametrize("how", ["break", "raise", "close", "drop"])
def test_leaving_a_map_early_leaves_nothing_behind(server, how):
    with Client(server.url) as api:
        urls = ("/items/1" if n == 0 else "/delay/30" for n in range(1000))
        if how == "drop":
            iterator = iter(api.map(urls, concurrency=5))
            next(iterator)
            del iterator
        else:
            with api.map(urls, concurrency=5) as outcomes:
                try:
                    for _ in outcomes:
                        if how == "break":
                            break
                        if how == "raise":
                            raise KeyError
                        outcomes.close()
                        break
                except KeyError:
                    pass
        assert api.stats.in_flight == 0
        assert api.get("/items/2", model=Item).id == 2


# --- pages ------------------------------------------------------------------------------------------------------


def listed(api, **more):
    return api.paginate("/items", params={"per_page": 10, "total": 95}, by=PageNumber(), model=Item, **more)


def test_pages_are_iterated_plainly(api):
    assert [item.id for item in listed(api)] == list(range(1, 96))
    assert [len(page.items) for page in listed(api).pages()] == [10] * 9 + [5]
    by_cursor = api.paginate("/items?cursor=&per_page=20&total=30", by=Cursor(), model=Item)
    assert [item.id for item in by_cursor] == list(range(1, 31))


@pytest.mark.parametrize("taken", [1, 9, 10, 11, 37])
def test_a_position_goes_on_where_it_was_left(api, taken):
    pages, first = listed(api), []
    for item in pages:
        first.append(item.id)
        if len(first) == taken:
            break
    rest = [item.id for item in listed(api, start=pages.position)]
    assert first + rest == list(range(1, 96))
    assert first + [item.id for item in pages] == list(range(1, 96))
    assert pages.position == {"end": True}


def test_pages_are_fetched_as_they_are_wanted():
    asked = []

    def handler(request):
        asked.append(request)
        return reply(json={"items": [1, 2], "next_cursor": len(asked)})

    with Client("https://h", transport=MockTransport(handler)) as api:
        pages = api.paginate("/n", by=Cursor())
        assert asked == []
        with pages:
            for number, _ in enumerate(pages, 1):
                assert len(asked) <= (number + 1) // 2 + 1
                if number == 20:
                    break
        assert pages.stopped is None


def test_a_failing_page_carries_its_position(api):
    with pytest.raises(asyncapi.AsyncAPIError) as caught:
        list(api.paginate("/items", params={"per_page": "x"}, by=PageNumber(), start={"page": 3}))
    assert caught.value.position == {"page": 3}


# --- Ctrl-C and the end of a script -----------------------------------------------------------------------------


def script(server, body, **more):
    code = textwrap.dedent(f"""
        import signal, sys, threading
        from asyncapi.blocking import Client
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell may have it ignored
        from asyncapi import PageNumber
        URL = {server.url!r}
    """) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def test_a_script_that_does_not_close_ends_all_the_same(server):
    process = script(server, """
        api = Client(URL)
        print(api.get("/items/1").status)
        it = iter(api.map("/items/1" for _ in range(1000)))
        next(it)
    """)  # fmt: skip
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "200\n", "")


def until_asked(server):
    until = time.monotonic() + 30
    while not server.stats.in_flight and time.monotonic() < until:
        time.sleep(0.01)


CALLS = {
    "a call": 'api.get("/delay/30", timeout=60)',
    "a map": 'list(api.map(["/items/1", "/delay/30", "/delay/30"]))',
    "a map in a block": 'with api.map("/delay/30" for _ in range(100)) as outcomes: list(outcomes)',
    "pages": 'list(api.paginate("/delay/30", by=PageNumber()))',
    "a source": "list(api.map(asleep() for _ in range(3)))",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_ctrl_c_ends_what_is_waited_for(server, call):
    server.reset()
    process = script(server, f"""
        def asleep():
            print("asleep", flush=True)
            threading.Event().wait(30)

        with Client(URL) as api:
            try:
                {call}
            except KeyboardInterrupt:
                print("interrupted", api.stats.in_flight, flush=True)
            print(api.get("/items/1").status)
        print([t.name for t in threading.enumerate()])
    """)  # fmt: skip
    if "asleep" in call:
        assert process.stdout.readline() == "asleep\n"
    else:
        until_asked(server)
    began = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out == "interrupted 0\n200\n['MainThread']\n"
    assert time.monotonic() - began < 20, "it did not wait for the answer"


ROUNDS = {
    "a call": ('api.get("/x")', 0.002),
    "a map": ('list(api.map(f"/{n}" for n in range(20)))', 0.008),
    "a map in a block": ("with api.map(f'/{n}' for n in range(20)) as outcomes: next(iter(outcomes))", 0.006),
    "pages": ('list(api.paginate("/x", by=LinkHeader(), max_pages=20))', 0.008),
    "a client": ('with Client("https://h", transport=MockTransport(answer)) as own: own.get("/x")', 0.006),
}


@pytest.mark.parametrize(("body", "span"), ROUNDS.values(), ids=ROUNDS)
def test_ctrl_c_at_any_moment_neither_hangs_nor_leaves_a_thread_or_a_task_behind(server, body, span):
    """A hundred real signals, each at a random moment of starting, calling, cleaning up and closing."""
    process = script(server, f"""
        import asyncio, itertools, os, random, time
        from asyncapi import LinkHeader
        from asyncapi.testing import MockTransport, reply

        numbers = itertools.count()

        async def answer(request):
            await asyncio.sleep(0.0003)
            return reply(200, json=[1], headers={{"Link": f'</{{next(numbers)}}>; rel="next"'}})

        async def tasks():
            return len(asyncio.all_tasks())

        def strike():
            while True:
                go.wait()
                go.clear()
                time.sleep(random.random() * {span})
                os.kill(os.getpid(), signal.SIGINT)
                struck.set()

        def quietly(work):
            try:
                work()
            except KeyboardInterrupt:
                return True
            return False

        def one_round():
            go.set()
            {body}
            struck.wait()

        go, struck = threading.Event(), threading.Event()
        api = Client("https://h", transport=MockTransport(answer), max_queue=None)
        api.get("/x")
        threading.Thread(target=strike, daemon=True).start()
        interrupted = 0
        for _ in range(100):
            struck.clear()
            interrupted += quietly(one_round) or quietly(struck.wait)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        until = time.monotonic() + 30
        while time.monotonic() < until and (threading.active_count() > 3 or api._portal.call(tasks) > 2):
            time.sleep(0.01)
        print(interrupted > 90, [t.name for t in threading.enumerate()][3:], api._portal.call(tasks), len(api._portal.closers))
        api.close()
    """)  # fmt: skip
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err) == (0, "True [] 2 0\n", "")


def test_a_script_ends_although_its_clients_thread_hangs(server):
    process = script(server, """
        hung, free = threading.Event(), threading.Event()
        api = Client(URL, hooks=[lambda record: hung.set() or free.wait(30)])
        threading.Thread(target=lambda: api.get("/items/1"), daemon=True).start()
        hung.wait()
        print("the end", flush=True)
    """)  # fmt: skip
    out, _ = process.communicate(timeout=25)
    assert (process.returncode, out) == (0, "the end\n")


def test_what_goes_wrong_at_the_end_is_told_and_the_thread_is_gone_all_the_same():
    class Broken(MockTransport):
        async def aclose(self):
            raise OSError("the socket will not close")

    api = Client("https://h", transport=Broken(lambda _: reply()))
    api.get("/x")
    with pytest.raises(OSError, match="will not close"):
        api.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "asyncapi-blocking"]


def test_what_went_wrong_is_told_once_also_where_the_thread_has_ended_by_then():
    class Broken(MockTransport):
        async def aclose(self):
            raise OSError("the socket will not close")

    api = Client("https://h", transport=Broken(lambda _: reply()))
    api.get("/x")
    portal = api._portal
    portal._loop.call_soon_threadsafe(portal._leave.set)
    portal._thread.join(60)
    with pytest.raises(OSError, match="will not close"):
        api.close()
    api.close()


def test_an_error_shows_the_lines_of_both_sides():
    with Client("https://h", transport=MockTransport(lambda _: reply(404))) as api, pytest.raises(NotFound) as caught:
        api.get("/x")
    places = ["/".join(Path(entry.filename).parts[-2:]) for entry in traceback.extract_tb(caught.value.__traceback__)]
    assert places[0] == "blocking/test_client.py"
    assert places[-1] == "client/methods.py"
    assert "blocking/client.py" in places


def test_ctrl_c_that_nobody_catches_is_a_keyboard_interrupt(server):
    server.reset()
    process = script(server, 'with Client(URL) as api: api.get("/delay/30", timeout=60)')
    until_asked(server)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode != 0
