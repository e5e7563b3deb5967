"""The layers alone, over the mock transport: none, one at a time, all of them; microseconds of CPU a call.

    python benchmarks/layers.py 5

Nothing has to act here: no failure, no wait, no queue. Every call gets a Request of its own, made as the client makes
it, in every variant; what a variant takes more than the one without layers is what its layers cost. Variants take
turns, and the medians of the rounds are reported. The last rows are whole calls: `client.get(url, model=Row)`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

from row import BODY, Row

from asyncapi import (
    Adaptive,
    Breaker,
    CircuitOpen,
    Client,
    ConnectError,
    Hedge,
    RateLimit,
    Retry,
    Timeout,
)  # fmt: skip
from asyncapi.testing import MockTransport
from asyncapi.types import Request, Response, stack

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CALLS = 10_000
REFUSAL = "a refusal by an open breaker"
_HEADERS = {"Content-Type": "application/json"}


def handler(request: Request) -> Response:
    """Every attempt gets an answer of its own, as over a network."""
    return Response(200, _HEADERS, BODY)


def client_on() -> Client:
    """Everything on; a limit too high to be waited for."""
    return Client(
        "http://mock.invalid",
        transport=MockTransport(handler),
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=100,
        timeout=Timeout(total=30, connect=5, attempt=10),
    )


def client_off() -> Client:
    """Everything off that can be."""
    return Client(
        "http://mock.invalid",
        transport=MockTransport(handler),
        retry=None,
        rate=None,
        concurrency=None,
        timeout=None,
        redirects=0,
    )


def client_armed() -> Client:
    """And with what is opt-in, save what would share or answer calls."""
    return Client(
        "http://mock.invalid",
        transport=MockTransport(handler),
        retry=Retry(attempts=4),
        rate=RateLimit(10_000_000, per=1.0),
        concurrency=Adaptive(initial=100),
        timeout=Timeout(total=30, connect=5, attempt=10),
        breaker=Breaker(),
        hedge=Hedge(),
        pace=True,
    )


def client_broken() -> Client:
    """One whose circuit stays open."""
    return Client("http://mock.invalid", transport=MockTransport(handler), breaker=Breaker(open_for=1e6, open_cap=1e6))


async def refuse(client: Client) -> Callable[[], Awaitable[Any]]:
    """The breaker's refusal of an attempt: its layer alone, its circuit open."""
    layer = next(step.layer for step in client._steps if step.name == "breaker")

    async def broken(_: Request) -> Response:
        raise ConnectError("refused")

    send, build = layer(broken), client._builder.build
    circuits = client._state.circuits
    assert circuits is not None
    circuit = circuits["mock.invalid"]
    for number in range(1000):
        circuit.record(circuit.permit, None, number / 100, failed=True)

    async def call() -> None:
        with contextlib.suppress(CircuitOpen):
            await send(build("GET", "/items/1"))

    return call


def variants(client: Client) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Name and call of everything measured through the layers of one client."""
    build = client._builder.build

    def through(*layers: Any) -> Callable[[], Awaitable[Any]]:
        send = stack(client._transport.send, *layers)
        return lambda: send(build("GET", "/items/1"))

    return {
        "none": through(),
        **{f"{step.name} alone": through(step.layer) for step in client._steps},
        "all": through(*(step.layer for step in client._steps)),
    }


async def us_a_call(call: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds of CPU of one call."""
    began = time.process_time()
    for _ in range(_CALLS):
        await call()
    return (time.process_time() - began) / _CALLS * 1e6


async def run(rounds: int) -> dict[str, dict[str, float]]:
    """Medians by name: the whole, and what it takes more than its yardstick."""
    async with client_on() as on, client_off() as off, client_armed() as armed, client_broken() as broken:
        calls = variants(on)
        send, build = stack(armed._transport.send, *(step.layer for step in armed._steps)), armed._builder.build
        calls["all, and breaker, hedge, pace, Adaptive"] = lambda: send(build("GET", "/items/1"))
        calls[REFUSAL] = await refuse(broken)
        whole_off, whole_on = "a whole typed call, everything off", "a whole typed call, everything on"
        calls[whole_off] = lambda: off.get("/items/1", model=Row)
        calls[whole_on] = lambda: on.get("/items/1", model=Row)
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for number in range(rounds + 1):
            for name, call in calls.items():
                taken[name].append(await us_a_call(call))
            if number == 0:  # the first round warms up
                for times in taken.values():
                    times.clear()
    yardsticks = {whole_off: whole_off, whole_on: whole_off}
    return {
        name: {
            "us": round(statistics.median(times), 2),
            "added_us": round(
                statistics.median(
                    mine - base for mine, base in zip(times, taken[yardsticks.get(name, "none")], strict=True)
                ),
                2,
            ),
        }
        for name, times in taken.items()
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(int(sys.argv[1])))))
