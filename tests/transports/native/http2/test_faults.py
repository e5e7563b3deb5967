"""Posts to a server that misbehaves at random, within the rules: none is carried out twice, and none is lost."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from asyncapi import ProtocolError, Retry
from http2_engines import engine  # noqa: F401 - a fixture
from http2_server import INTERNAL_ERROR, REFUSED_STREAM, at_rest, client, http2_server

pytestmark = pytest.mark.usefixtures("engine")


class Shop:
    """A server that refuses, goes away, breaks streams and cuts connections.

    Attributes:
        done: How often each path was carried out.
    """

    def __init__(self, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._draw = random.Random(seed)
        self._last: dict[int, int] = {}  # of each connection: the last stream that it takes

    async def script(self, peer, asked):
        await asked.ended.wait()
        what = self._draw.random()
        await asyncio.sleep(self._draw.random() * 0.01)
        if asked.reset is not None or asked.stream > self._last.get(peer.number, asked.stream):
            return
        if what < 0.1:
            await peer.reset(asked.stream, REFUSED_STREAM)
            return
        if what < 0.15:
            await self._go_away(peer, asked.stream - self._draw.choice([0, 2]))
            if asked.stream > self._last[peer.number]:
                return
        self.done[asked.path] += 1
        if what < 0.2:
            await peer.reset(asked.stream, INTERNAL_ERROR)
        elif what < 0.205:
            peer.abort()
        elif what < 0.25:
            await peer.settings(max_streams=self._draw.choice([1, 5, 50]))
            await peer.respond(asked.stream, body=asked.path.encode())
        else:
            await peer.respond(asked.stream, body=asked.path.encode())

    async def _go_away(self, peer, last: int) -> None:
        last = max(0, min(last, self._last.get(peer.number, last)))
        self._last[peer.number] = last
        await peer.goaway(last)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(3, 40))])
@pytest.mark.parametrize("retry", [None, 4])
async def test_no_post_is_carried_out_twice_and_no_response_is_another_s(seed, retry):
    shop = Shop(seed)
    settings = {"retry": None if retry is None else Retry(retry, base=0.01), "timeout": 60.0, "concurrency": 40}
    async with http2_server(shop.script) as server, client(server, **settings) as api:
        paths = [f"/{number}" for number in range(300)]
        results = await asyncio.gather(*[api.post(path, json={}) for path in paths], return_exceptions=True)
        for path, result in zip(paths, results, strict=True):
            assert shop.done[path] <= 1
            if isinstance(result, Exception):
                assert isinstance(result, ProtocolError), result
                assert not (result.unprocessed and shop.done[path])
            else:
                assert (result.text, shop.done[path]) == (path, 1)
        failed = sum(isinstance(result, Exception) for result in results)
        assert 0 < failed < 300  # streams and connections that broke: nobody may send those again
        assert at_rest(api)
