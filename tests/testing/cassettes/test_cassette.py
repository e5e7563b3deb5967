"""A cassette records what clients exchange with an API, once, and replays the same without it."""

import asyncio
import re
from contextlib import suppress

import pytest

from asyncapi import Client, ConfigError, ConnectError, ProtocolError, RequestTimeout, Retry, Timeout
from asyncapi.blocking import Client as BlockingClient
from asyncapi.testing import APIMock, Cassette, FakeClock, MockTransport, UnmatchedCall, reply, run, socket

pytestmark = pytest.mark.lanes
QUICK = Retry(3, base=0.001)


async def twice(tape, api, program, **settings):
    """Run a program against the API, then without it, and return both results."""
    with Cassette(tape.path, **settings) as recording:
        first = await program()
    sent = len(api.seen)
    with Cassette(tape.path, "none", **settings) as replay:
        second = await program()
    assert len(api.seen) == sent
    assert (replay.played, replay.recorded, replay.unused) == (recording.recorded, 0, [])
    return first, second


async def test_what_was_recorded_replays_without_the_api(tape, api):
    async def program():
        async with Client(api.url) as client:
            return [(await client.get(f"/users/{number}")).json() for number in (1, 2, 1)]

    first, second = await twice(tape, api, program)
    assert first == second == [{"id": 1, "number": 1}, {"id": 2, "number": 2}, {"id": 1, "number": 3}]


async def test_failures_and_retries_replay_as_they_were(tape, api):
    api.failures = 2

    async def program():
        async with Client(api.url, retry=QUICK) as client:
            response = await client.get("/users/7")
            return [attempt.status for attempt in response.attempts], response.json()

    first, second = await twice(tape, api, program)
    assert first == second == ([503, 503, 200], {"id": 7, "number": 3})


async def test_a_refused_connection_replays_as_one(tape, api):
    async def program():
        async with Client("http://127.0.0.1:1", retry=None) as client:
            with pytest.raises(ConnectError) as failed:
                await client.get("/")
            return failed.value.message, failed.value.phase

    first, second = await twice(tape, api, program)
    assert first == second


async def test_an_attempt_that_took_too_long_replays_as_one(tape, api):
    async def program():
        async with Client(api.url, retry=None, timeout=Timeout(30, attempt=0.2)) as client:
            with pytest.raises(RequestTimeout) as failed:
                await client.get("/slow")
            return failed.value.message, failed.value.phase

    first, second = await twice(tape, api, program)
    assert first == second


async def test_a_body_that_was_compressed_is_written_as_text(tape, api):
    async def program():
        async with Client(api.url) as client:
            response = await client.get("/text")
            return response.text

    first, second = await twice(tape, api, program)
    assert first == second
    assert "      a line\n      another line\n" in tape.text()
    assert "Content-Encoding" not in tape.text()
    assert f"Content-Length: '{len(first)}'" in tape.text()


async def test_bytes_replay_as_they_were_whether_or_not_they_are_streamed(tape, api):
    async def program():
        async with Client(api.url) as client:
            whole = (await client.get("/bytes")).content
            async with client.stream("GET", "/bytes") as stream:
                return whole, b"".join([piece async for piece in stream.bytes()])

    first, second = await twice(tape, api, program)
    assert first == second == (bytes(range(256)) * 300, bytes(range(256)) * 300)


async def test_events_replay_one_by_one(tape, api):
    async def program():
        async with Client(api.url) as client, client.stream("GET", "/events") as stream:
            return [event.data async for event in stream.events()]

    first, second = await twice(tape, api, program)
    assert first == second == ['{"n": 0}', '{"n": 1}', '{"n": 2}']


async def test_a_stream_that_broke_off_breaks_off_again(tape, api):
    async def program():
        got = b""
        async with Client(api.url, retry=None) as client:
            with pytest.raises(ProtocolError):  # noqa: PT012 - it fails at the end
                async with client.stream("GET", "/broken") as stream:
                    async for piece in stream.bytes():
                        got += piece
        return got

    first, second = await twice(tape, api, program)
    assert first == second == b"x" * 10


async def test_what_was_not_read_cannot_be_read_in_a_replay(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client, client.stream("GET", "/bytes") as stream:
            async for piece in stream.bytes():
                assert piece
                break
    assert "cut: true" in tape.text()
    with Cassette(tape.path):
        async with Client(api.url, retry=None) as client, client.stream("GET", "/bytes") as stream:
            with pytest.raises(ProtocolError, match="the recording ends here"):
                [piece async for piece in stream.bytes()]


async def test_a_websocket_replays_its_conversation(tape, api):
    async def program():
        async with Client(api.url) as client, client.websocket("/ws") as ws:
            await ws.send("hi")
            await ws.send(b"\x00\xff")
            got = [await ws.receive(), await ws.receive()]
            await ws.send("bye")
            return [*got, *[message async for message in ws]]

    first, second = await twice(tape, api, program)
    assert first == second == ["hi", b"\x00\xff", "bye"]
    assert "code: 1000\n      reason: so long" in tape.text()


async def test_a_websocket_message_that_differs_fails(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client, client.websocket("/ws") as ws:
            await ws.send('{"ask": 1}')
            await ws.receive()
    with Cassette(tape.path, "none") as again:
        async with Client(api.url) as client:
            with pytest.raises(UnmatchedCall, match=r"message 1 of the client: in the JSON, \$\.ask is 2, not 1"):  # noqa: PT012
                async with client.websocket("/ws") as ws:
                    await ws.send('{"ask": 2}')
                    await ws.receive()
        assert len(again.problems) == 1
        again.excuse()


async def test_uploads_replay_whatever_their_boundary_is(tape, api, tmp_path):
    (tmp_path / "it.txt").write_text("the file")

    async def program():
        async with Client(api.url) as client:
            response = await client.post("/echo", data={"a": "1"}, files={"file": tmp_path / "it.txt"})
            return response.status

    first, second = await twice(tape, api, program)
    assert first == second == 200
    assert "boundary=boundary" in tape.text()


async def test_a_streamed_upload_is_matched_by_its_bytes(tape, api):
    def program(content):
        async def upload():
            async def pieces():
                for part in content:
                    yield part

            async with Client(api.url, retry=None) as client:
                return (await client.put("/echo", content=pieces())).json()["body"]

        return upload

    first, second = await twice(tape, api, program([b"one ", b"two"]))
    assert first == second == "one two"
    with pytest.raises(UnmatchedCall, match="the body is 'three', not 'one two'"), Cassette(tape.path, "none"):
        await program([b"three"])()


async def test_a_large_upload_is_written_as_its_digest(tape, api):
    async def program(fill=b"z"):
        async with Client(api.url) as client:
            return (await client.post("/early", content=fill * 3_000_000, raise_for_status=False)).status

    with Cassette(tape.path):
        status = await program()
    assert status == 413
    assert len(tape.text()) < 2000
    with Cassette(tape.path, "none"):
        assert await program() == 413


async def test_redirects_and_cookies_replay_with_masked_values(tape, api):
    async def program():
        async with Client(api.url, cookies=True) as client:
            response = await client.get("/login")
            return response.status, len(response.attempts), list(response.json())

    first, second = await twice(tape, api, program)
    assert first == second == (200, 2, ["cookie"])
    assert "cookie-7f3a9b" not in tape.text()
    assert "tok-303-abc" not in tape.text()


async def test_ranges_are_told_apart(tape, api):
    async def program():
        async with Client(api.url) as client:
            asked = (client.get("/range", headers={"Range": f"bytes={at}-"}) for at in (5, 0, 9))
            return [response.text for response in await asyncio.gather(*asked)]

    first, second = await twice(tape, api, program)
    assert first == second == ["bytes=5-", "bytes=0-", "bytes=9-"]


async def test_a_hundred_requests_at_once_each_get_their_own(tape, api):
    async def program():
        async with Client(api.url) as client:
            responses = await asyncio.gather(*(client.post("/echo", json={"n": number}) for number in range(100)))
            return [response.json()["body"] for response in responses]

    first, second = await twice(tape, api, program)
    assert first == second == [f'{{"n":{number}}}' for number in range(100)]


async def test_the_blocking_client_is_recorded_too(tape, api):
    def program():
        with BlockingClient(api.url) as client:
            return client.get("/users/3").json()

    async def elsewhere():
        return await asyncio.to_thread(program)

    first, second = await twice(tape, api, elsewhere)
    assert first == second == {"id": 3, "number": 1}


async def test_query_order_and_headers_that_always_change_make_no_difference(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.post("/echo?b=2&a=1&a=0", idempotency_key="one", headers={"Traceparent": "00-1"})
    with Cassette(tape.path, "none"):
        async with Client(api.url, headers={"User-Agent": "another/1.0"}) as client:
            await client.post("/echo?a=1&b=2&a=0", idempotency_key="two", headers={"Traceparent": "00-2"})


async def test_an_unmatched_request_names_the_nearest_exchange(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/users/1?page=1")
            await client.post("/echo", json={"name": "Ada", "age": 36})
    with pytest.raises(UnmatchedCall) as failed, Cassette(tape.path, "none"):
        async with Client(api.url) as client:
            await client.post("/echo", json={"name": "Ada", "age": 37})
    said = str(failed.value)
    assert "no exchange of" in said
    assert re.search(r"POST .*/echo -> 200  \[exchange 2\]\n +in the JSON body, \$\.age is 37, not 36", said)
    assert "mode 'none' doesn't record it" in said
    assert "sekret" not in said


async def test_a_request_more_than_recorded_fails_unless_repeats_are_wanted(tape, api):
    async def program(times):
        async with Client(api.url) as client:
            return [(await client.get("/users/1")).json()["number"] for _ in range(times)]

    with Cassette(tape.path):
        await program(2)
    with pytest.raises(UnmatchedCall, match="recorded 2 times, and has been replayed 2 times"), Cassette(tape.path):
        await program(3)
    with Cassette(tape.path, repeats=True):
        assert await program(4) == [1, 2, 2, 2]


async def test_an_unmatched_request_fails_the_run_that_swallows_it(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/users/1")
    with pytest.raises(UnmatchedCall), Cassette(tape.path):  # noqa: PT012
        async with Client(api.url) as client:
            with suppress(AssertionError):
                await client.get("/users/2")


async def test_mode_none_without_a_file_says_how_to_record(tape, api):
    with pytest.raises(UnmatchedCall, match=r"there is no .*record it with mode 'once'"), Cassette(tape.path, "none"):
        async with Client(api.url) as client:
            await client.get("/users/1")
    assert api.seen == []
    assert not tape.path.exists()


async def test_mode_new_records_what_is_missing_and_mode_all_everything(tape, api):
    async def program(*numbers):
        async with Client(api.url) as client:
            return [(await client.get(f"/users/{number}")).json()["number"] for number in numbers]

    with Cassette(tape.path):
        await program(1)
    with Cassette(tape.path, "new") as cassette:
        assert await program(1, 2) == [1, 2]
    assert (cassette.played, cassette.recorded) == (1, 1)
    with Cassette(tape.path, "none"):
        assert await program(2, 1) == [2, 1]
    with Cassette(tape.path, "all") as cassette:
        assert await program(2) == [3]
    assert [exchange.url for exchange in Cassette(tape.path).exchanges] == [f"{api.url}/users/2"]


@pytest.mark.parametrize(("name", "mode"), [("new_episodes", "new"), ("rewrite", "all"), ("once", "once")])
def test_names_of_modes_that_others_have_are_known(tape, name, mode):
    assert Cassette(tape.path, name).mode == mode


async def test_a_replay_leaves_the_file_as_it_is(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/users/1")
    before = tape.path.stat().st_mtime_ns, tape.text()
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/users/1")
    assert (tape.path.stat().st_mtime_ns, tape.text()) == before


async def test_a_run_that_fails_keeps_what_is_good_and_the_next_records_the_rest(tape, api):
    async def program(upto, then=None):
        async with Client(api.url, retry=None) as client:
            for number in range(upto):
                await client.get(f"/users/{number}")
            api.failures = 1
            if then is not None:
                await client.get("/users/99", raise_for_status=False)
                raise then

    with pytest.raises(KeyboardInterrupt), Cassette(tape.path):
        await program(2, KeyboardInterrupt())
    assert "unfinished: true" in tape.text()
    assert "503" not in tape.text()
    api.failures = 0
    with Cassette(tape.path) as cassette:
        await program(3)
    assert (cassette.played, cassette.recorded) == (2, 1)
    assert "unfinished" not in tape.text()


async def test_a_failed_run_never_replaces_a_finished_recording(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.get("/users/1")
    before = tape.text()
    with pytest.raises(ValueError, match="mine"), Cassette(tape.path, "all"):  # noqa: PT012
        async with Client(api.url) as client:
            await client.get("/users/2")
        raise ValueError("mine")
    assert tape.text() == before


async def test_one_client_may_have_a_transport_of_its_own(tape, api):
    for mode in ("once", "none"):
        cassette = Cassette(tape.path, mode)
        async with Client(api.url, transport=cassette.transport()) as client:
            assert (await client.get("/users/5")).json() == {"id": 5, "number": 1}
        async with Client(api.url, transport=cassette.transport()) as client:
            assert (await client.get("/users/6")).json() == {"id": 6, "number": 2}
    assert len(api.seen) == 2


def test_a_mock_is_recorded_and_replayed_in_virtual_time(tape):
    replies = iter([reply(503, headers={"Retry-After": "20"}), reply(json={"id": 1})])

    async def program(cassette):
        clock = FakeClock()
        transport = cassette.transport(MockTransport(lambda _: next(replies)))
        async with Client("https://h", transport=transport, clock=clock, timeout=60) as client:
            response = await client.get("/users/1")
            return response.json(), clock.now()

    assert run(program(Cassette(tape.path))) == ({"id": 1}, 20.0)
    assert run(program(Cassette(tape.path, "none"))) == ({"id": 1}, 20.0)


def test_a_mock_socket_is_recorded_in_virtual_time(tape):
    async def program(cassette):
        transport = cassette.transport(MockTransport(lambda _: socket([{"n": 1}, {"n": 2}], close=1000)))
        async with Client("https://h", transport=transport, clock=FakeClock()) as client, client.websocket("/") as ws:
            return [message async for message in ws]

    assert run(program(Cassette(tape.path))) == ['{"n":1}', '{"n":2}']
    assert run(program(Cassette(tape.path, "none"))) == ['{"n":1}', '{"n":2}']


async def test_a_mock_inside_a_cassette_goes_first(tape, api):
    with Cassette(tape.path) as cassette, APIMock() as mock:
        mock.get("/mocked").reply(json="mock")
        mock.pass_through("loopback")
        async with Client("https://h") as other, Client(api.url) as client:
            assert (await other.get("/mocked")).json() == "mock"
            assert (await client.get("/users/1")).json()["id"] == 1
    assert cassette.recorded == 1


async def test_only_some_hosts_may_be_recorded(tape, api):
    with Cassette(tape.path, only=["other.example"]) as cassette:
        async with Client(api.url) as client:
            await client.get("/users/1")
    assert cassette.recorded == 0
    assert not tape.path.exists()


@pytest.mark.parametrize("settings", [{"mode": "sometimes"}, {"match_on": ["colour"]}])
def test_wrong_settings_are_refused(tape, settings):
    with pytest.raises(ConfigError, match="give"):
        Cassette(tape.path, **settings)


async def test_names_that_are_ignored_are_not_compared(tape, api):
    async def program(stamp):
        async with Client(api.url) as client:
            await client.post(f"/echo?at={stamp}", json={"at": stamp, "inner": [{"at": stamp}]})

    with Cassette(tape.path, ignore=["at"]):
        await program("1")
    with Cassette(tape.path, "none", ignore=["at"]):
        await program("2")


async def test_match_on_chooses_what_is_compared(tape, api):
    with Cassette(tape.path):
        async with Client(api.url) as client:
            await client.post("/echo", json={"n": 1})
    with Cassette(tape.path, "none", match_on=["method", "path"]):
        async with Client("https://elsewhere.example") as client:
            await client.post("/echo?x=1", json={"n": 2})


def test_the_repr_says_what_was_done(tape):
    assert repr(Cassette(tape.path)) == f"<Cassette {str(tape.path)!r} once, 0 replayed, 0 recorded>"
