"""Measure what a unary gRPC call costs: grpc.aio, and the client with everything it does for a call.

    python benchmarks/rpc.py                     # five interleaved rounds, concurrency 100
    python benchmarks/rpc.py --rounds 3 --calls 4000

Both call a server of grpcio in a process of its own, over HTTP/2 without TLS, with protobuf's messages of about 200
bytes. CPU is that of the client's process, of all its threads, for each call. Without the `rpc` protos of the tests:
the messages are google.protobuf.StringValue.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

METHOD = "/bench.Echo/Say"


def serve(pipe: Any) -> None:
    """Run the server of grpcio, until the process is ended."""
    import grpc

    async def say(message: bytes, _: Any) -> bytes:
        return message

    async def main() -> None:
        server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(say)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", {"Say": handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        pipe.send(port)
        await server.wait_for_termination()

    asyncio.run(main())


def cpu() -> float:
    """Seconds of CPU of this process so far, of all its threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def timed(say: Callable[[Any], Awaitable[Any]], calls: int, concurrency: int) -> float:
    """Make the calls; returns microseconds of CPU for each."""
    from google.protobuf.wrappers_pb2 import StringValue

    message, left = StringValue(value="x" * 200), iter(range(calls))

    async def work() -> None:
        for _ in left:
            reply = await say(message)
            assert len(reply.value) == 200

    await asyncio.gather(*(work() for _ in range(concurrency)))  # warm
    left = iter(range(calls))
    began = cpu()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return (cpu() - began) / calls * 1e6


async def of_grpc(port: int, calls: int, concurrency: int) -> float:
    """Measure grpc.aio."""
    import grpc
    from google.protobuf.wrappers_pb2 import StringValue

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        say = channel.unary_unary(METHOD, StringValue.SerializeToString, StringValue.FromString)
        return await timed(lambda message: say(message, timeout=30), calls, concurrency)


async def of_ours(port: int, calls: int, concurrency: int) -> float:
    """Measure the client as it is by default: deadlines, retries, pace, a bound of 100 attempts at a time."""
    from google.protobuf.wrappers_pb2 import StringValue

    from asyncapi import Client

    async with Client(f"http://127.0.0.1:{port}", http2="prior") as api:
        say = api.grpc().unary_unary(METHOD, StringValue.SerializeToString, StringValue.FromString)
        return await timed(say, calls, concurrency)


CONTESTANTS = {"grpc.aio": of_grpc, "asyncapi": of_ours}


def measured(name: str, port: int, calls: int, concurrency: int, pipe: Any) -> None:
    """Measure one contestant, in a process of its own."""
    pipe.send(asyncio.run(CONTESTANTS[name](port, calls, concurrency)))


def main() -> int:
    """Measure both in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, default=100)
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    port, figures = mine.recv(), {name: [] for name in CONTESTANTS}
    for _ in range(given.rounds):
        for name, found in figures.items():
            process = spawn.Process(target=measured, args=(name, port, given.calls, given.concurrency, theirs))
            process.start()
            found.append(mine.recv())
            process.join()
    server.terminate()
    medians = {name: statistics.median(found) for name, found in figures.items()}
    for name, found in figures.items():
        spread = f"{min(found):.0f} to {max(found):.0f}"
        print(f"{name:<10} {medians[name]:6.1f} us ({spread})  x {medians[name] / medians['grpc.aio']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
