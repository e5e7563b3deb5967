"""WebSocket messages: what each costs over bare aiohttp, one way (flood) and there and back (echo), with and without
compression.

    python benchmarks/websocket.py                        all of it, about two minutes; a table
    python benchmarks/websocket.py --quick                fewer messages, three rounds
    python benchmarks/websocket.py ours ws://127.0.0.1:8080/echo --messages 5000

The server is that of `websockets`, in a process of its own; contestants take turns, each in a new process, and the
median of five rounds counts. CPU is that of the contestant's process alone, user and system, between its first and its
last message. The bar: at most 1.25 times bare aiohttp, without a model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rounds import Settings

CONTESTANTS = {"bare": "bare aiohttp", "ours": "api.websocket", "model": "api.websocket(model=)"}
KINDS = {"flood": "one way", "echo": "there and back"}
BAR = 1.25
_WARMUP = 500
MESSAGE = (
    '{"type":"trade","id":123456,"symbol":"BTC-USD","price":"64123.5","size":"0.0123","side":"buy",'
    '"time":"2026-11-27T11:20:00Z"}'
)
MESSAGES = {"flood": 100_000, "echo": 20_000}


def run(settings: Settings, say: Callable[[str], None]) -> dict[str, Any]:
    """One table per kind of exchange, with and without compression."""
    from machine import HERE, running
    from rounds import interleave

    tables = []
    for compress in (False, True):
        command = [sys.executable, HERE / "websocket.py", "serve", *(["--compress"] if compress else [])]
        with running(command, core=None, stdout=subprocess.PIPE) as server:
            url = server.stdout.readline().strip()
            for kind, words in KINDS.items():
                messages = MESSAGES[kind] // (10 if settings.quick else 1)
                say(f"websocket: {words}, {'compressed' if compress else 'plain'}")
                contestants = {name: partial(_measure, name, f"{url}/{kind}", messages) for name in CONTESTANTS}
                results = interleave(contestants, settings.rounds, say)
                tables.append({"kind": kind, "compress": compress, "results": results})
    return {"tables": tables}


def _measure(name: str, url: str, messages: int) -> dict[str, Any]:
    from machine import HERE, output_of

    command = [sys.executable, HERE / "websocket.py", name, url, "--messages", messages]
    return json.loads(output_of(command, timeout=120))


def render(results: dict[str, Any]) -> Iterator[str]:
    """The section of the page."""
    from rounds import median_ratio

    yield "### WebSocket messages\n"
    yield f"{len(MESSAGE)} bytes of JSON each, from the server of `websockets`; CPU of the client's process.\n"
    yield "| | | us a message | of bare aiohttp |"
    yield "|---|---|---:|---:|"
    for table in results["tables"]:
        kind = f"{KINDS[table['kind']]}, {'compressed' if table['compress'] else 'plain'}"
        bare = table["results"]["bare"]
        for name, result in table["results"].items():
            if "error" in result or "error" in bare:
                yield f"| {kind} | {CONTESTANTS[name]} | not measured: {result.get('error')} | |"
                continue
            ratio = median_ratio(result["rounds"], bare["rounds"], "cpu_us")
            yield f"| {kind} | {CONTESTANTS[name]} | {result['median']['cpu_us']:.2f} | {ratio:.2f} |"


# --- one contestant, in a process of its own ----------------------------------------------------------------------


async def _bare(url: str, messages: int) -> float:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.ws_connect(url, compress=15, heartbeat=20.0) as ws:
        return await _exchange(ws, ws.send_str, ws.receive, messages, flood=url.endswith("flood"))


async def _ours(url: str, messages: int, *, model: Any = None) -> float:
    from asyncapi import Client

    async with Client() as api, api.websocket(url, model=model) as ws:
        return await _exchange(ws, ws.send, ws.receive, messages, flood=url.endswith("flood"))


async def _models(url: str, messages: int) -> float:
    from pydantic import create_model

    fields: dict[str, Any] = {name: (type(value), ...) for name, value in json.loads(MESSAGE).items()}
    return await _ours(url, messages, model=create_model("Trade", **fields))


async def _exchange(ws: Any, send: Any, receive: Any, messages: int, *, flood: bool) -> float:
    """Exchange so many messages, and return the CPU time of one, in microseconds; the first 500 are the warm-up."""
    number, begun = 0, 0.0
    if flood:
        await send(str(messages + _WARMUP))
        async for _ in ws:
            number += 1
            if number == _WARMUP:
                begun = _cpu()
        assert number == messages + _WARMUP
    else:
        for number in range(messages + _WARMUP):
            if number == _WARMUP:
                begun = _cpu()
            await send(MESSAGE)
            await receive()
    return (_cpu() - begun) / messages * 1e6


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _serve(*, compress: bool) -> None:
    import websockets

    async def handle(ws: Any) -> None:
        if ws.request.path == "/echo":
            async for message in ws:
                await ws.send(message)
        else:
            for _ in range(int(await ws.recv())):
                await ws.send(MESSAGE)

    async with websockets.serve(handle, "127.0.0.1", 0, compression="deflate" if compress else None) as server:
        print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
        await asyncio.Future()


def _compare(*, quick: bool) -> bool:
    from rounds import Settings, median_ratio

    results = run(Settings(rounds=3 if quick else 5, quick=quick), partial(print, file=sys.stderr))
    print("\n".join(render(results)))
    worst = max(
        median_ratio(table["results"]["ours"]["rounds"], table["results"]["bare"]["rounds"], "cpu_us")
        for table in results["tables"]
    )
    print(f"\nat most {worst:.2f} of bare aiohttp; the bar is {BAR}")
    return worst <= BAR


def main() -> None:
    """Measure one contestant, once, or let all of them take turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=(*CONTESTANTS, "serve"))
    parser.add_argument("url", nargs="?")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--compress", action="store_true")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.what is None:
        sys.exit(0 if _compare(quick=options.quick) else 1)
    if options.what == "serve":
        asyncio.run(_serve(compress=options.compress))
        return
    measured = {"bare": _bare, "ours": _ours, "model": _models}[options.what](options.url, options.messages)
    print(json.dumps({"cpu_us": asyncio.run(measured)}), flush=True)


if __name__ == "__main__":
    main()
