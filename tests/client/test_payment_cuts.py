"""A charge whose connection is cut at every byte, of the request and of the answer: settled at most once, each time.

Between the client and a real server that counts settlements stands a relay that passes so many bytes on and then cuts,
by a close or by a reset. Only the connection under test is cut; later ones pass.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager

import pytest

from asyncapi import Client, ConnectError, Fallback, Hedge, OutcomeUnknown, Response, Retry
from asyncapi.serve import FaultServer

pytestmark = pytest.mark.lanes

HOPEFUL = Retry(4, base=0, budget=None)
UP, DOWN = "request", "answer"


class Relay:
    """Passes bytes on; `cut(direction, at)` lets `at` more bytes through in that direction and then cuts, once."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = ""
        self.passed = {UP: 0, DOWN: 0}
        self.cuts = 0
        self._left: dict[str, int] = {}
        self._reset = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self, direction: str, at: int, *, reset: bool) -> None:
        self._left, self._reset = {direction: at}, reset

    async def accept(self, reader, writer) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        both = (writer, server_writer)
        self._open |= set(both)
        up = self._pump(UP, reader, server_writer, both)
        down = self._pump(DOWN, server_reader, writer, both)
        try:
            await asyncio.gather(up, down)
        finally:
            for one in both:
                one.close()
            self._open -= set(both)

    async def _pump(self, direction, reader, writer, both) -> None:
        with contextlib.suppress(ConnectionError):
            while self._left.get(direction) != 0:
                data = await reader.read(65536)
                if not data:
                    writer.close()
                    return
                left = self._left.get(direction)
                data = data if left is None else data[:left]
                self.passed[direction] += len(data)
                writer.write(data)
                await writer.drain()
                if left is not None:
                    self._left[direction] = left - len(data)
            self._left = {}
            self.cuts += 1
            for one in both:
                one.transport.abort() if self._reset else one.close()

    def close(self) -> None:
        for one in self._open:
            one.transport.abort()


@asynccontextmanager
async def bank():
    """The server that counts, and the relay before it."""
    async with FaultServer() as server:
        relay = Relay(int(server.url.rpartition(":")[2]))
        listener = await asyncio.start_server(relay.accept, "127.0.0.1", 0)
        relay.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        try:
            async with Client(server.url) as straight:
                yield relay, straight
        finally:
            listener.close()
            relay.close()


async def settled(straight) -> dict[str, int]:
    """How often each key was settled."""
    found: dict[str, int] = {}
    for payment in (await straight.get("/payments")).json()["payments"]:
        found[payment["key"]] = found.get(payment["key"], 0) + 1
    return found


async def charge(api, key, path="/payments", **settings):
    return await api.post(path, json={"amount": 1999, "for": key}, idempotency_key=key, **settings)


async def sizes(relay) -> dict[str, int]:
    """Bytes of a request and of its answer."""
    async with Client(relay.url) as api:
        await charge(api, "size")
    return {UP: relay.passed[UP], DOWN: relay.passed[DOWN]}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_charge_cut_at_any_byte_is_resolved_and_settled_once(direction, reset):
    async with bank() as (relay, straight):
        most = (await sizes(relay))[direction]
        assert most > 100
        for at in range(most + 1):
            key = f"c{at:03}"
            relay.cut(direction, at, reset=reset)
            async with Client(relay.url, retry=HOPEFUL) as api:
                response = await charge(api, key)
            assert (response.status, response.json()["key"]) == (201, key)
        counts = await settled(straight)
        assert counts == dict.fromkeys(counts, 1)
        assert len(counts) == most + 2
        assert relay.cuts == most + 1


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_charge_on_a_kept_connection_cut_at_any_byte_is_settled_once(direction):
    async with bank() as (relay, straight):
        most = (await sizes(relay))[direction]
        async with Client(relay.url, retry=HOPEFUL) as api:
            for at in range(most + 1):
                await charge(api, f"w{at:03}")
                relay.cut(direction, at, reset=at % 2 == 0)
                assert (await charge(api, f"k{at:03}")).status == 201
        counts = await settled(straight)
        assert counts == dict.fromkeys(counts, 1)
        assert len(counts) == 2 * (most + 1) + 1


REDIRECTED = "/redirect-to?url=/payments&status=307"
ALL_ON = {"hedge": Hedge(after=0.001, budget=1.0, copies=3), "redirects": 3}


@pytest.mark.parametrize("direction", [UP, DOWN])
@pytest.mark.parametrize("settings", [{"retry": HOPEFUL}, {"retry": None}], ids=["retried", "not retried"])
async def test_hedged_redirected_and_sent_elsewhere_it_is_settled_at_most_once_too(direction, settings):
    """The bytes of both hops, with a second place to ask; a copy may be under way while another one is cut."""
    async with bank() as (relay, straight):
        async with Client(relay.url) as api:
            await charge(api, "size", REDIRECTED)
        most = relay.passed[direction]
        assert most > 150
        for at in range(most + 1):
            key = f"h{at:03}"
            relay.cut(direction, at, reset=at % 2 == 0)
            spare = Fallback(to=straight.base_url)
            async with Client(relay.url, fallback=spare, **ALL_ON, **settings) as api:
                assert (await charge(api, key, REDIRECTED)).status == 201
        counts = await settled(straight)
        assert counts == dict.fromkeys(counts, 1)
        assert len(counts) == most + 2
        assert relay.cuts >= most


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_cut_behind_a_redirect_is_unknown_where_nothing_is_sent_again(direction):
    async with bank() as (relay, straight):
        async with Client(relay.url) as api:
            await charge(api, "size", REDIRECTED)
        most, ends = relay.passed[direction], []
        for at in range(1, most):
            key = f"r{at:03}"
            relay.cut(direction, at, reset=at % 2 == 0)
            async with Client(relay.url, retry=None) as api:
                [end] = await asyncio.gather(charge(api, key, REDIRECTED), return_exceptions=True)
                ends.append(type(end))
                assert type(end) in {OutcomeUnknown, Response if key in await settled(straight) else ConnectError}
                assert (await charge(api, key)).status == 201
        counts = await settled(straight)
        assert counts == dict.fromkeys(counts, 1)
        assert ends.count(OutcomeUnknown) > 90  # a kept connection that proves closed is replayed once


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_charge_from_a_file_that_changes_meanwhile_is_settled_as_it_was(direction, tmp_path):
    """Cut at every byte, with a file that somebody rewrites as soon as it has been read once."""
    async with bank() as (relay, straight):
        most, file = (await sizes(relay))[direction], tmp_path / "order.json"
        async with Client(relay.url, retry=HOPEFUL, hooks=[lambda _: file.write_text('{"amount": 99999}')]) as api:
            for at in range(0, most + 1, 3):
                file.write_text('{"amount": 1}')
                relay.cut(direction, at, reset=at % 2 == 0)
                await api.post("/payments", content=file, idempotency_key=f"f{at:03}")
        payments = (await straight.get("/payments")).json()["payments"]
        assert {one["body"]["amount"] for one in payments if one["key"].startswith("f")} == {1}
        counts = await settled(straight)
        assert counts == dict.fromkeys(counts, 1)


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_without_a_retry_the_outcome_of_a_cut_charge_is_unknown(direction):
    """It is never guessed, and the idempotency key finds it out."""
    async with bank() as (relay, straight):
        most = (await sizes(relay))[direction]
        unknown, in_truth = [], set()
        for at in range(1, most):
            key = f"o{at:03}"
            relay.cut(direction, at, reset=at % 2 == 0)
            async with Client(relay.url, retry=None) as api:
                with pytest.raises((OutcomeUnknown, ConnectError)) as caught:
                    await charge(api, key)
                counts = await settled(straight)
                if isinstance(caught.value, ConnectError):
                    assert key not in counts  # that nothing was sent is no guess
                    continue
                unknown.append(key)
                in_truth.add(counts.get(key, 0))
                assert caught.value.idempotency_key == key
                assert (await charge(api, key)).status == 201
        counts = await settled(straight)
        assert {counts[key] for key in unknown} == {1}
        assert in_truth == ({0} if direction == UP else {1})
        assert len(unknown) > most - 5


async def test_this_could_fail_without_a_key_a_cut_answer_leaves_a_second_settlement():
    async with bank() as (relay, straight):
        relay.cut(DOWN, 10, reset=False)
        async with Client(relay.url, retry=None) as api:
            for _ in range(2):
                with contextlib.suppress(Exception):
                    await api.post("/payments", json={"amount": 1999})
        assert (await straight.get("/payments")).json()["count"] == 2
