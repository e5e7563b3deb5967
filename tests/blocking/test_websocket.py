"""WebSockets without await, against a real server: the same face, threads, Ctrl-C, and nothing that stays behind."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Literal

import pytest
from pydantic import BaseModel

from asyncapi import Retry, SchemaError, SocketClosed, StatusError, blocking
from asyncapi.blocking import Client
from asyncapi.errors import ConfigError
from asyncapi.testing import MockTransport, reply, socket

pytestmark = pytest.mark.lanes

SUBSCRIBE = {"subscribe": "ada", "after": 0}


class Trade(BaseModel):
    type: Literal["trade"]
    id: int


class Quote(BaseModel):
    type: Literal["quote"]
    id: int


def test_it_sends_and_receives_text_bytes_and_models(api):
    with api.websocket("/ws", subprotocols=("chat",)) as ws:
        ws.send("text")
        ws.send(b"bytes")
        ws.send_bytes(bytearray(b"more"))
        ws.send(Trade(type="trade", id=1))
        ws.send_json("quoted")
        assert ws.receive() == "text"
        assert [next(ws) for _ in range(4)] == [b"bytes", b"more", '{"type":"trade","id":1}', '"quoted"']
        assert (ws.subprotocol, ws.close_code, ws.reconnects) == ("chat", None, 0)
        assert repr(ws) == "<blocking.WebSocket open, 0 reconnects>"
    assert ws.close_code == 1000


def test_a_loop_ends_with_a_normal_close_and_gives_models(api):
    with api.websocket("/ws/feed?messages=3&pause=0", model=Trade | Quote) as ws:
        ws.send(SUBSCRIBE)
        messages = list(ws)
        assert [type(each) for each in messages] == [Trade, Quote, Trade]
        assert list(ws) == []
        with pytest.raises(SocketClosed) as ended:
            ws.receive()
        assert ended.value.code == 1000


def test_another_close_is_raised_and_a_message_that_does_not_fit_too(api):
    with api.websocket("/ws?messages=2&code=4000&reason=so+be+it", model=Trade) as ws:
        ws.send({"type": "trade", "id": 1})
        ws.send({"type": "other"})
        assert next(ws).id == 1
        with pytest.raises(SchemaError) as wrong:
            next(ws)
        assert wrong.value.body == b'{"type":"other"}'
        with pytest.raises(SocketClosed) as ended:
            next(ws)
        assert (ended.value.code, ended.value.reason) == (4000, "so be it")


def test_a_refused_handshake_is_raised(api):
    with pytest.raises(StatusError) as refused, api.websocket("/ws?fault=403"):
        raise AssertionError
    assert refused.value.status == 403


def test_it_reconnects_and_on_open_subscribes_again(server, no_thread_stays):
    """`on_open` is a plain function, which sends and receives, in a thread that is not the client's."""
    seen, threads = [], set()

    def subscribe(ws):
        threads.add(threading.current_thread().name)
        assert isinstance(ws, blocking.WebSocket)
        ws.send({**SUBSCRIBE, "after": seen[-1].id if seen else 0})
        seen.append(ws.receive())

    with Client(server.url, retry=Retry(attempts=5, base=0.01, cap=0.01)) as api:
        path = "/ws/feed?messages=2&then=drop&pause=0"
        with api.websocket(path, model=Trade | Quote, on_open=subscribe) as ws:
            for message in ws:
                seen.append(message)
                if len(seen) == 6:
                    break
            assert ws.reconnects == 2
    assert [each.id for each in seen] == [1, 2, 3, 4, 5, 6]
    assert threads == {"asyncapi-on-open"}


def test_what_on_open_raises_is_raised_and_nothing_stays(api):
    def wrong(ws):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), api.websocket("/ws", on_open=wrong):
        raise AssertionError
    assert api.get("/items/1").status == 200


def test_a_coroutine_function_is_no_on_open_here(api):
    async def subscribe(ws):
        await ws.send("x")

    with pytest.raises(ConfigError, match="plain function"):
        api.websocket("/ws", on_open=subscribe)


def test_an_on_open_that_keeps_its_socket_is_told_that_it_is_over(api):
    kept = []
    with api.websocket("/ws", on_open=kept.append) as ws:
        with pytest.raises(ConfigError, match="on_open is over"):
            kept[0].send("x")
        ws.send("y")
        assert ws.receive() == "y"


def test_a_timeout_ends_an_on_open_that_hangs_and_its_thread_can_end(server, no_thread_stays):
    told, over = [], threading.Event()

    def hang(ws):
        try:
            ws.receive()
        except BaseException as error:
            told.append(type(error).__name__)
            raise
        finally:
            over.set()

    with Client(server.url, timeout=0.3, retry=None) as api:
        with pytest.raises(TimeoutError), api.websocket("/ws", on_open=hang):
            raise AssertionError
        assert over.wait(20)
    assert told == ["CancelledError"]


def test_threads_share_a_socket(api):
    """One receives, the others send; a close by another thread ends the loop."""
    with api.websocket("/ws") as ws:
        threads = [threading.Thread(target=lambda n=n: [ws.send(f"{n} {i}") for i in range(20)]) for n in range(3)]
        for thread in threads:
            thread.start()
        seen = [next(ws) for _ in range(60)]
        for thread in threads:
            thread.join()
        assert sorted(seen) == sorted(f"{n} {i}" for n in range(3) for i in range(20))
        closer = threading.Timer(0.1, ws.close)
        closer.start()
        assert list(ws) == []
        closer.join()
    assert ws.close_code == 1000


def test_leaving_early_leaves_nothing(server, no_thread_stays):
    with Client(server.url) as api:
        with api.websocket("/ws/feed?pause=0") as ws:
            ws.send(SUBSCRIBE)
            next(ws)
        with pytest.raises(SocketClosed):
            ws.send("too late")
        wait_for(lambda: api.stats.in_flight == 0)
    with pytest.raises(ConfigError):
        ws.send("later still")


def test_closing_the_client_ends_a_thread_that_waits(server, no_thread_stays):
    ended = []
    api = Client(server.url)

    def listen():
        try:
            with api.websocket("/ws") as ws:
                listening.set()
                ended.extend(ws)
        except Exception as error:
            ended.append(error)

    listening = threading.Event()
    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(20)
    api.close()
    thread.join(20)
    assert not thread.is_alive()
    assert [type(error) for error in ended] in ([ConfigError], [SocketClosed])


def test_ctrl_c_leaves_through_the_block_and_closes_the_socket(server, no_thread_stays):
    before = server.stats.in_flight

    def interrupt():
        waiting.wait(20)
        time.sleep(0.05)  # so that it waits for a message; the test does not depend on it
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # any other thread would not wake it

    def listen(api):
        with api.websocket("/ws") as ws:
            waiting.set()
            next(ws)

    waiting = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with Client(server.url) as api:
        with pytest.raises(KeyboardInterrupt):
            listen(api)
        thread.join()
        wait_for(lambda: server.stats.in_flight == before)
        assert api.get("/items/1").status == 200


def test_it_works_on_mock_sockets(no_thread_stays):
    made = []

    def handler(request):
        if len(made) == 1:
            made.append(None)
            return reply(503)
        made.append(socket(["a"], close=1012 if not made else 1000))
        return made[-1]

    with (
        Client("https://h", transport=MockTransport(handler), retry=Retry(attempts=4, base=0.001)) as api,
        api.websocket("/feed", on_open=lambda ws: ws.send("hello")) as ws,
    ):
        assert list(ws) == ["a", "a"]
    assert [each and each.sent for each in made] == [["hello"], None, ["hello"]]


def test_it_is_refused_inside_a_running_loop(api):
    async def inside():
        with pytest.raises(ConfigError, match="use asyncapi"), api.websocket("/ws"):
            raise AssertionError

    asyncio.run(inside())


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


def test_a_hundred_lost_connections_leave_no_thread_and_repeat_no_message(server):
    ids = []
    often = Retry(attempts=1_000, base=0.001, cap=0.001, budget=None)
    before = threading.active_count()
    with Client(server.url) as api:
        path = "/ws/feed?messages=2&then=drop&pause=0"
        resume = lambda ws: ws.send({**SUBSCRIBE, "after": ids[-1] if ids else 0})  # noqa: E731
        with api.websocket(path, model=Trade | Quote, on_open=resume, reconnect=often) as ws:
            for message in ws:
                ids.append(message.id)
                if ws.reconnects == 100:
                    break
        assert threading.active_count() <= before + 2  # the client's, and an `on_open` that is just ending
        wait_for(lambda: threading.active_count() == before + 1)
    assert ids == list(range(1, len(ids) + 1))
