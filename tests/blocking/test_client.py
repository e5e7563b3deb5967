"""The client without await: the async one behind one thread, lazily, and gone when it is closed."""

from __future__ import annotations

import gc
import inspect
import json
import multiprocessing
import sys
import threading
import time
import types
import weakref

import anyio.from_thread
import pytest

import asyncapi
from asyncapi import ConfigError, Cursor, NotFound, PageNumber, RequestTimeout, Response, ServerError, deadline
from asyncapi.blocking import Client
from asyncapi.serve import FaultServer
from asyncapi.testing import MockTransport, reply
from blocking_client import Item, ours

pytestmark = [pytest.mark.lanes, pytest.mark.usefixtures("no_thread_stays")]


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


ASYNC_ALONE = {"aclose", "grpc"}  # generated stubs await
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
    with pytest.warns(ResourceWarning, match=r"unclosed asyncapi\.blocking\.Client: use `with Client"):
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


def test_a_list_by_post_has_its_cursor_in_the_body():
    bodies = []

    def handler(request):
        bodies.append(json.loads(request.content))
        return reply(json={"items": [len(bodies)], "next_cursor": "n" if len(bodies) == 1 else None})

    with Client("https://h", transport=MockTransport(handler)) as api:
        assert list(api.paginate("/n", by=Cursor(), json={"q": 1})) == [1, 2]
    assert bodies == [{"q": 1}, {"q": 1, "cursor": "n"}]


def test_a_failing_page_carries_its_position(api):
    with pytest.raises(asyncapi.AsyncAPIError) as caught:
        list(api.paginate("/items", params={"per_page": "x"}, by=PageNumber(), start={"page": 3}))
    assert caught.value.position == {"page": 3}
