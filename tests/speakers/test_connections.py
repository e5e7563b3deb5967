"""The connections of a WebSocket: each a call like any other, `on_open` before its messages, and what follows an end."""

from __future__ import annotations

import asyncio
import itertools
import random
import time

import pytest

from asyncapi import (
    Bearer,
    Breaker,
    CircuitOpen,
    Client,
    Forbidden,
    Hedge,
    Learned,
    OAuth2ClientCredentials,
    ProtocolError,
    QueueFull,
    RateLimited,
    RequestTimeout,
    Retry,
    ServerError,
    SocketClosed,
    Unauthorized,
)
from bodies import at_rest
from websocket_peers import (
    TEXT,
    Line,
    close,
    echo,
    echoing,
    peer,
    refusing,
    saying,
    text,
)  # fmt: skip

pytestmark = pytest.mark.lanes

QUICK = Retry(attempts=5, base=0.001, cap=0.002)
ENOUGH = Retry(attempts=1000, base=0.001, cap=0.002)


@pytest.mark.parametrize(("status", "error"), [(403, Forbidden), (200, ProtocolError), (401, Unauthorized)])
async def test_a_refused_handshake_is_the_error_of_its_status(status, error):
    async with peer(refusing(status)) as server, Client(server.url) as api:
        with pytest.raises(error) as raised:
            async with api.websocket("/x"):
                pass
        assert len(raised.value.attempts) == 1
        assert "/x" in str(raised.value)
        assert at_rest(api)


async def test_a_redirect_is_followed_also_to_the_scheme_of_sockets():
    async with (
        peer(echo) as server,
        peer(refusing(307, f"Location: ws{server.url[4:]}/there")) as first,
        Client(first.url) as api,
    ):
        async with api.websocket("/x") as ws:
            await ws.send("a")
            assert await ws.receive() == "a"
        assert server.lines[0].path == "/there"


async def test_a_stored_response_is_no_handshake():
    from asyncapi import Cache

    async with (
        peer(refusing(200, "Cache-Control: max-age=60"), echo) as server,
        Client(server.url, cache=Cache(), single_flight=True) as api,
    ):
        assert (await api.get("/x")).status == 200
        async with api.websocket("/x") as ws:
            await ws.send("a")
            assert await ws.receive() == "a"


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 1014])
async def test_a_close_that_may_pass_is_followed_by_another_connection(code):
    async with (
        peer(saying("a", then=close(code)), saying("b", then=close(1000))) as server,
        Client(server.url, retry=QUICK) as api,
        api.websocket("/x") as ws,
    ):
        assert [message async for message in ws] == ["a", "b"]
        assert (ws.reconnects, api.stats.calls) == (1, 2)


async def test_a_connection_that_breaks_is_followed_by_another_one():
    async with (
        peer(saying("a", hear=False), saying("b", then=close(1000))) as server,
        Client(server.url, retry=QUICK) as api,
        api.websocket("/x") as ws,
    ):
        assert [message async for message in ws] == ["a", "b"]
        assert ws.reconnects == 1


async def test_without_reconnects_every_end_but_a_normal_one_is_an_error():
    async with peer(saying("a", hear=False)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=None) as ws:
            assert await ws.receive() == "a"
            with pytest.raises(SocketClosed) as error:
                await ws.receive()
            assert error.value.code == ws.close_code == 1006
        assert len(server.lines) == 1


async def test_failures_in_a_row_are_bounded_and_the_last_one_is_raised():
    async with peer(saying("a", hear=False)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=3, base=0.001)) as ws:
            found = []
            with pytest.raises(SocketClosed, match="failure 3 in a row, of 3 that reconnect= allows"):
                found += [found.append(message) async for message in ws]
        assert (len(server.lines), found) == (3, ["a"] * 3)
    async with peer(saying("a", hear=False), refusing(503)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=4, base=0.001)) as ws:
            with pytest.raises(ServerError):
                async for _ in ws:
                    pass
        assert len(server.lines) == 4
    async with peer(saying("a", hear=False), refusing(403)) as server, Client(server.url) as api:
        async with api.websocket("/x", reconnect=Retry(attempts=4, base=0.001)) as ws:
            with pytest.raises(Forbidden):
                async for _ in ws:
                    pass
        assert len(server.lines) == 2


async def test_which_codes_of_the_application_pass_is_the_users_word():
    async def run(code, reconnect_on):
        async with (
            peer(saying(then=close(code, "r")), saying("b", then=close(1000))) as server,
            Client(server.url, retry=QUICK) as api,
            api.websocket("/x", reconnect_on=reconnect_on) as ws,
        ):
            return [message async for message in ws]

    assert await run(4000, {4000}) == ["b"]
    assert await run(4408, lambda code, reason: reason == "r") == ["b"]
    assert await run(1011, lambda *_: None) == ["b"]
    with pytest.raises(SocketClosed):
        await run(1011, lambda *_: False)
    with pytest.raises(SocketClosed):
        await run(4001, {4000})


async def test_on_open_runs_on_every_connection_before_its_first_message_is_handed_out():
    async def subscribed(line: Line) -> None:
        await line.accept(then=text("early"))
        assert await line.hear() == (TEXT, b"sub")
        await line.say("late")
        line.kill() if len(server.lines) < 3 else await line.write(close(1000))
        await line.hear_out()

    seen = []

    async def on_open(ws) -> None:
        seen.append("open")
        await ws.send("sub")

    async with (
        peer(subscribed) as server,
        Client(server.url, retry=QUICK) as api,
        api.websocket("/x", on_open=on_open, reconnect=ENOUGH) as ws,
    ):
        seen += [message async for message in ws]
    assert seen[0] == "open"
    assert len(server.lines) == 3


async def test_on_open_may_receive_and_what_it_takes_is_not_handed_out():
    async def script(line: Line) -> None:
        await line.accept()
        await line.hear()
        await line.say("ack", "one")
        await line.write(close(1000))
        await line.hear_out()

    async def on_open(ws) -> None:
        await ws.send("init")
        assert await ws.receive() == "ack"

    async with peer(script) as server, Client(server.url) as api, api.websocket("/x", on_open=on_open) as ws:
        assert [message async for message in ws] == ["one"]


async def test_a_connection_that_ends_in_on_open_has_failed_like_any_other():
    async def on_open(ws) -> None:
        await ws.send("init")
        await ws.receive()

    async def well(line: Line) -> None:
        await line.accept()
        await line.hear()
        await line.write(text("ack") + text("a") + close(1000))
        await line.hear_out()

    async with (
        peer(saying(then=close(1012)), saying(hear=False), well) as server,
        Client(server.url, retry=QUICK) as api,
        api.websocket("/x", on_open=on_open) as ws,
    ):
        assert [message async for message in ws] == ["a"]
        assert len(server.lines) == 3
    async with peer(saying(then=close(1000))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed, match="1000"):  # it has subscribed to nothing
            async with api.websocket("/x", on_open=on_open):
                pass
    async with peer(saying(then=close(4400, "bad"))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed, match="bad"):
            async with api.websocket("/x", on_open=on_open):
                pass
        assert at_rest(api)
    async with peer(saying(then=close(1012))) as server, Client(server.url, retry=QUICK) as api:
        with pytest.raises(SocketClosed):
            async with api.websocket("/x", on_open=on_open):
                pass
        assert len(server.lines) == 5


async def test_what_on_open_raises_is_raised_and_the_connection_closed():
    def on_open(ws) -> None:
        raise KeyError("x")

    async with peer(echo) as server, Client(server.url) as api:
        with pytest.raises(KeyError):
            async with api.websocket("/x", on_open=on_open):
                pass
        await server.quiet()
        assert at_rest(api)


async def test_on_open_takes_no_longer_than_the_handshake_may():
    async with peer(echo) as server, Client(server.url, timeout=0.05) as api:
        with pytest.raises(RequestTimeout, match="on_open"):
            async with api.websocket("/x", on_open=lambda ws: ws.receive()):
                pass
        assert at_rest(api)


async def test_the_place_in_the_queue_is_held_until_the_socket_is_closed():
    async with peer(echo) as server, Client(server.url, concurrency=1) as api:
        async with api.websocket("/x") as ws:
            with pytest.raises(QueueFull):
                await api.get("/y", wait=False)
            assert api.stats.in_flight == 1
            await ws.send("x")
        assert api.stats.in_flight == 0
        server.scripts = [refusing(200)]
        await api.get("/y", wait=False)


async def test_a_lost_connection_gives_its_place_back_before_the_next_one():
    async with (
        peer(saying("a", hear=False), saying("b", then=close(1000))) as server,
        Client(server.url, retry=QUICK, concurrency=1) as api,
        api.websocket("/x") as ws,
    ):
        assert [message async for message in ws] == ["a", "b"]


async def test_a_busy_server_is_tried_again_when_it_asks():
    async with peer(refusing(429, "Retry-After: 1"), refusing(503), echo) as server:
        records = []
        async with Client(server.url, retry=QUICK, hooks=[records.append]) as api:
            began = time.monotonic()
            async with api.websocket("/x") as ws:
                assert time.monotonic() - began >= 1
                await ws.send("x")
                assert await ws.receive() == "x"
        assert [record.status for record in records] == [429, 503, 101]
        assert "Retry-After" in records[0].then
    async with peer(refusing(429, "Retry-After: 100")) as server, Client(server.url) as api:
        with pytest.raises(RateLimited) as error:
            async with api.websocket("/x"):
                pass
        assert error.value.retry_after == 100


async def test_the_breaker_counts_handshakes():
    async with peer(refusing(503)) as server:
        async with Client(server.url, retry=None, breaker=Breaker(minimum=2, failure_rate=0.5)) as api:
            for _ in range(2):
                with pytest.raises(ServerError):
                    async with api.websocket("/x"):
                        pass
            with pytest.raises(CircuitOpen):
                async with api.websocket("/x"):
                    pass
        assert len(server.lines) == 2


async def test_a_refused_handshake_is_sent_again_with_a_fresh_token():
    tokens = iter(["old", "new", "newer"])
    async with peer(refusing(401), echo) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=None) as api, api.websocket("/x") as ws:
            assert ws.signed_headers == (("Authorization", "Bearer new"),)
        assert [line.head["authorization"] for line in server.lines] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("code", [3000, 4401])
async def test_a_close_for_the_credential_is_followed_by_one_with_a_fresh_one_once(code):
    tokens = iter(f"t{number}" for number in range(9))
    expired = saying("a", then=close(code))
    async with peer(expired, saying("b", then=close(1000))) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=QUICK) as api, api.websocket("/x") as ws:
            assert [message async for message in ws] == ["a", "b"]
        first, second = (line.head["authorization"] for line in server.lines)
        assert first != second
    async with peer(expired) as server:
        async with Client(server.url, auth=Bearer(lambda: next(tokens)), retry=QUICK) as api, api.websocket("/x") as ws:
            with pytest.raises(SocketClosed):
                async for _ in ws:
                    pass
        assert len(server.lines) == 2


async def test_a_credential_that_has_no_other_value_is_not_tried_again():
    async with peer(saying(then=close(4401))) as server, Client(server.url, auth=Bearer("fixed")) as api:
        async with api.websocket("/x") as ws:
            with pytest.raises(SocketClosed):
                await ws.receive()
        assert len(server.lines) == 1


async def test_a_server_that_is_down_for_a_while_is_come_back_to():
    async with (
        peer(saying("a", hear=False), refusing(503), refusing(502), saying("b", then=close(1000))) as server,
        Client(server.url, retry=QUICK) as api,
    ):
        async with api.websocket("/x", reconnect=Retry(attempts=9, base=0.001)) as ws:
            assert [message async for message in ws] == ["a", "b"]
        assert api.stats.calls == 2


async def test_a_task_that_waits_to_connect_again_finds_the_socket_closed_by_another():
    async with (
        peer(saying(hear=False), refusing(503)) as server,
        Client(server.url) as api,
        api.websocket("/x", reconnect=Retry(attempts=9, base=100, cap=100)) as ws,
    ):
        task = asyncio.create_task(ws.__anext__())
        await asyncio.sleep(0.1)
        with pytest.raises(SocketClosed, match="not sent"):
            await ws.send("x")
        await ws.close()
        with pytest.raises(StopAsyncIteration):
            await task


async def test_a_wait_to_connect_again_is_not_begun_anew_by_who_cancels_it():
    async with (
        peer(saying(hear=False), saying("b")) as server,
        Client(server.url) as api,
        api.websocket("/x", reconnect=Retry(attempts=9, base=0.5, cap=0.5)) as ws,
    ):
        began = time.monotonic()
        while True:
            try:
                assert await asyncio.wait_for(ws.receive(), 0.05) == "b"
                break
            except TimeoutError:
                assert time.monotonic() - began < 20


async def test_wherever_it_is_cancelled_nothing_is_left():
    async def script(line: Line) -> None:
        await asyncio.sleep(0)
        await line.accept("Sec-WebSocket-Extensions: permessage-deflate")
        await line.hear()
        await line.say("a")
        line.kill() if random.random() < 0.5 else await echoing(line)

    async def use(api: Client) -> None:
        async with api.websocket("/x", on_open=lambda ws: ws.send("x" * 20_000), reconnect=ENOUGH) as ws:
            for _ in range(3):
                await ws.receive()
                await ws.send("y")

    async with peer(script) as server, Client(server.url) as api:
        for steps in range(80):
            task = asyncio.create_task(use(api))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.result() is None
            assert at_rest(api)
        await asyncio.wait_for(server.quiet(), 10)
        while len(asyncio.all_tasks()) > 2:  # a message that was being compressed in a thread
            await asyncio.sleep(0.01)


async def test_a_peer_that_is_killed_a_hundred_times_repeats_and_hides_nothing():
    """Messages carry their number: none comes twice, and where some are missing, `on_open` was called in between."""
    dice, number = random.Random(12), 0

    async def script(line: Line) -> None:
        nonlocal number
        await line.accept()
        await line.hear()
        for _ in range(dice.randrange(40)):
            number += 1
            await line.say(str(number))
            if dice.random() < 0.1:
                await asyncio.sleep(0)
        if len(server.lines) <= 100:
            line.kill() if dice.random() < 0.7 else await line.write(close(1012))
        else:
            await line.write(close(1000))
        await line.hear_out()

    seen: list[int | None] = []

    async def on_open(ws) -> None:
        seen.append(None)
        await ws.send("subscribe")

    async with peer(script) as server, Client(server.url) as api:
        async with api.websocket("/x", model=int, on_open=on_open, reconnect=ENOUGH) as ws:
            async for message in ws:
                seen.append(message)
            assert ws.reconnects >= 90
        await asyncio.wait_for(server.quiet(), 10)
        numbers = [one for one in seen if one is not None]
        assert numbers == sorted(set(numbers))
        for before, after in itertools.pairwise(seen):
            assert before is None or after is None or after == before + 1
        assert at_rest(api)
        assert len(asyncio.all_tasks()) <= 2


async def test_an_expired_token_is_renewed_before_the_next_handshake():
    """OAuth: the old token is still valid by its own date; the close says that it is not."""
    numbers = itertools.count(1)

    async def token(line: Line) -> None:
        await line.reader.readexactly(int(line.head["content-length"]))
        body = f'{{"access_token":"t{next(numbers)}","token_type":"Bearer","expires_in":3600}}'
        await line.refuse(200, "Content-Type: application/json", "Connection: close", body=body.encode())

    last = saying("c", then=close(1000))
    scripts = [token, saying("a", then=close(4401)), token, saying("b", then=close(3000)), token, last]
    async with peer(*scripts) as server:
        tokens = OAuth2ClientCredentials(f"{server.url}/token", "id", "secret")
        api = Client(server.url, auth=tokens, retry=QUICK)
        async with api, api.websocket("/x") as ws:
            ws._row.settled(100)
            assert await ws.receive() == "a"
            assert await ws.receive() == "b"
            ws._row.settled(100)
            assert await ws.receive() == "c"
        used = [line.head["authorization"] for line in server.lines if line.path == "/x"]
        assert used == ["Bearer t1", "Bearer t2", "Bearer t3"]


async def test_a_handshake_that_is_late_is_hedged_and_the_loser_closed():
    late = asyncio.Event()

    async def slow(line: Line) -> None:
        await late.wait()
        await line.accept()
        await line.hear_out()

    async with (
        peer(slow, echo) as server,
        Client(server.url, hedge=Hedge(after=0.05, budget=1.0), retry=None) as api,
    ):
        async with api.websocket("/x") as ws:
            await ws.send("a")
            assert await ws.receive() == "a"
            late.set()
        assert len(server.lines) == 2
        await asyncio.wait_for(server.quiet(), 5)
        assert at_rest(api)


async def test_a_lost_socket_is_logged_with_the_time_of_the_next_try(caplog):
    caplog.set_level("INFO", "asyncapi")
    async with (
        peer(saying("a", then=close(1012)), refusing(503), saying(then=close(1000))) as server,
        Client(server.url, auth=Bearer("secret"), retry=None) as api,
        api.websocket("/x?token=hidden", reconnect=QUICK) as ws,
    ):
        assert [message async for message in ws] == ["a"]
    said = [record.message for record in caplog.records if "connecting again in" in record.message]
    assert len(said) == 1
    assert "1012 (service restart)" in said[0]
    assert "hidden" not in caplog.text
    assert "secret" not in caplog.text


async def test_on_open_can_tell_a_first_connection_from_a_later_one():
    seen = []
    async with (
        peer(saying(then=close(1012)), saying(then=close(1000))) as server,
        Client(server.url, retry=QUICK) as api,
        api.websocket("/x", on_open=lambda ws: seen.append(ws.reconnects)) as ws,
    ):
        assert [message async for message in ws] == []
    assert seen == [0, 1]


async def test_a_sender_learns_that_its_connection_is_another_ones_now():
    """Nothing is queued: what can't be sent while there is no connection raises, and later messages are sent."""
    again = asyncio.Event()

    async def second(line: Line) -> None:
        await again.wait()
        await echo(line)

    async with (
        peer(saying(hear=False), second) as server,
        Client(server.url) as api,
        api.websocket("/x", reconnect=Retry(attempts=3, base=0.001)) as ws,
    ):
        task = asyncio.create_task(ws.receive())
        while True:
            try:
                await ws.send("lost")
                await asyncio.sleep(0.005)
            except SocketClosed as error:
                refused = error
                break
        assert refused.request.url.path == "/x"
        again.set()
        while ws._socket is None or len(server.lines) < 2:
            await asyncio.sleep(0.005)
        await ws.send("kept")
        assert await task == "kept"


async def test_attempts_at_a_handshake_that_succeeds_at_last_count_as_failures():
    scripts = [saying("a", hear=False), refusing(503), saying("b", hear=False)]
    async with (
        peer(*scripts) as server,
        Client(server.url) as api,
        api.websocket("/x", reconnect=Retry(attempts=4, base=0.001)) as ws,
    ):
        found: list[str] = []
        with pytest.raises(SocketClosed, match="failure 4 in a row"):
            found += [found.append(message) async for message in ws]
        assert found == ["a", "b", "b"]
        assert len(server.lines) == 4


async def test_a_policy_learns_from_handshakes_and_the_row_of_failures_stays_bounded():
    async with peer(saying("a", hear=False), refusing(503)) as server, Client(server.url) as api:
        reconnect = Retry(attempts=4, base=0.001, cap=0.01, policy=Learned())
        async with api.websocket("/x", reconnect=reconnect) as ws:
            with pytest.raises(ServerError):
                async for _ in ws:
                    pass
        assert len(server.lines) == 4
        [(name, learned)] = api.stats.learned[server.url.removeprefix("http://")].items()
        assert (name, learned.good) == ("503 on GET /x", 0.0)
