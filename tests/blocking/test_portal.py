"""The thread behind the blocking client: Ctrl-C, the end of a script, and what goes wrong there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from pathlib import Path

import pytest

from asyncapi import NotFound
from asyncapi.blocking import Client
from asyncapi.testing import MockTransport, reply
from programs import on_lane

pytestmark = [pytest.mark.lanes, pytest.mark.usefixtures("no_thread_stays")]


def script(server, lane, body, **more):
    begin = f"""
        import signal, sys, threading
        from asyncapi.blocking import Client
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's shell may have it ignored
        from asyncapi import PageNumber
        URL = {server.url!r}
    """
    code = on_lane(lane, begin) + textwrap.dedent(body)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def test_a_script_that_does_not_close_ends_all_the_same(server, lane):
    process = script(server, lane, """
        import warnings
        warnings.simplefilter("ignore", ResourceWarning)  # which the log has as well
        api = Client(URL)
        print(api.get("/items/1").status)
        it = iter(api.map("/items/1" for _ in range(1000)))
        next(it)
    """)  # fmt: skip
    out, err = process.communicate(timeout=60)
    [told] = err.splitlines()
    assert (process.returncode, out, told.partition(":")[0]) == (0, "200\n", "unclosed asyncapi.blocking.Client")


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
def test_ctrl_c_ends_what_is_waited_for(server, lane, call):
    server.reset()
    process = script(server, lane, f"""
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
def test_ctrl_c_at_any_moment_neither_hangs_nor_leaves_a_thread_or_a_task_behind(server, lane, body, span):
    """A hundred real signals, each at a random moment of starting, calling, cleaning up and closing."""
    process = script(server, lane, f"""
        import asyncio, itertools, os, random, time
        import logging
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
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # any other thread would not wake it
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

        def ignored(told):  # a signal inside a WeakSet's own callback goes nowhere, whoever's fault: Python says so there
            if (told.exc_type, getattr(told.object, "__module__", "")) != (KeyboardInterrupt, "_weakrefset"):
                sys.__unraisablehook__(told)

        sys.unraisablehook = ignored
        go, struck = threading.Event(), threading.Event()
        api = Client("https://h", transport=MockTransport(answer), max_queue=None)
        logging.disable()
        list(api.paginate("/x", by=LinkHeader(), max_pages=1))  # here, as an interrupted import leaves its file open
        logging.disable(logging.NOTSET)
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


def test_a_script_ends_although_its_clients_thread_hangs(server, lane):
    process = script(server, lane, """
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
    assert places[0] == "blocking/test_portal.py"
    assert places[-1] == "client/methods.py"
    assert "blocking/client.py" in places


def test_ctrl_c_that_nobody_catches_is_a_keyboard_interrupt(server, lane):
    server.reset()
    process = script(server, lane, 'with Client(URL) as api: api.get("/delay/30", timeout=60)')
    until_asked(server)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert process.returncode != 0
