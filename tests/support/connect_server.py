"""A server of Connect and grpc-web for tests: connectrpc's ASGI application, with the methods of `greeter.proto`.

What a message asks for: `fail`, the name of the error that it gets ("unavailable"), or that the first calls of this
`name` get ("unavailable:2"); `n`, the length of a stream; `delay_ms`, a wait before each response. The initial metadata
is `x-begin`, the trailing metadata `x-end`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from connectrpc.code import Code
from connectrpc.compat import google_protobuf_codecs
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.server import ConnectASGIApplication, Endpoint
from hypercorn.asyncio import serve
from hypercorn.config import Config
from protobuf.wkt import Duration

from daemons import free_port
from greeter_pb2 import Ask, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "greet.v1.Greeter"


class Greeter:
    """What the server does.

    Attributes:
        calls: How often each method was called: "Say" -> 2.
        seen: The context of every call.
        cancelled: The names of the messages whose handling was cancelled.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seen: list[Any] = []
        self.cancelled: list[str] = []

    async def say(self, ask: Ask, ctx: Any) -> Reply:
        await self._begin(ask, ctx)
        return Reply(text=f"hello {ask.name}", data=ask.data, n=ask.n)

    async def many(self, ask: Ask, ctx: Any) -> AsyncIterator[Reply]:
        await self._begin(ask, ctx, fails=ask.n == 0)
        for number in range(ask.n):
            yield Reply(text=ask.name, n=number, data=ask.data)
            await self._wait(ask)
        if ask.fail:
            self._fail(ask)

    async def sum(self, asks: AsyncIterator[Ask], ctx: Any) -> Reply:
        total = 0
        async for ask in asks:
            await self._begin(ask, ctx)
            total += ask.n
        return Reply(text="sum", n=total)

    async def chat(self, asks: AsyncIterator[Ask], ctx: Any) -> AsyncIterator[Reply]:
        async for ask in asks:
            await self._begin(ask, ctx)
            yield Reply(text=f"hello {ask.name}", n=ask.n)

    async def _begin(self, ask: Ask, ctx: Any, *, fails: bool = True) -> None:
        self.calls[ctx.method.name] += 1
        self.calls[ask.name] += 1
        self.seen.append(ctx)
        ctx.response_headers["x-begin"] = "1"
        ctx.response_trailers["x-end"] = "2"
        await self._wait(ask)
        if fails and ask.fail:
            self._fail(ask)

    async def _wait(self, ask: Ask) -> None:
        try:
            await asyncio.sleep(ask.delay_ms / 1000)
        except asyncio.CancelledError:
            self.cancelled.append(ask.name)
            raise

    def _fail(self, ask: Ask) -> None:
        name, _, times = ask.fail.partition(":")
        if not times or self.calls[ask.name] <= int(times):
            raise ConnectError(Code(name), f"{ask.name} fails", details=[Duration(seconds=3)])


def app(greeter: Greeter) -> ConnectASGIApplication[Greeter]:
    """Make the application."""

    class Application(ConnectASGIApplication[Greeter]):
        path = f"/{SERVICE}"

    levels = {"Look": IdempotencyLevel.NO_SIDE_EFFECTS, "Put": IdempotencyLevel.IDEMPOTENT}
    kinds = {
        "Say": (Endpoint.unary, greeter.say), "Look": (Endpoint.unary, greeter.say), "Put": (Endpoint.unary, greeter.say),
        "Many": (Endpoint.server_stream, greeter.many), "Sum": (Endpoint.client_stream, greeter.sum),
        "Chat": (Endpoint.bidi_stream, greeter.chat),
    }  # fmt: skip
    streams = {"Many": StreamType.SERVER_STREAM, "Sum": StreamType.CLIENT_STREAM, "Chat": StreamType.BIDI_STREAM}

    def endpoints(_: Greeter) -> dict[str, Any]:
        return {
            f"/{SERVICE}/{name}": kind(
                method=MethodInfo(
                    name=name, service_name=SERVICE, input=Ask, output=Reply,
                    idempotency_level=levels.get(name, IdempotencyLevel.UNKNOWN),
                    stream_type=streams.get(name, StreamType.UNARY),
                ),
                function=function,
            )
            for name, (kind, function) in kinds.items()
        }  # fmt: skip

    return Application(service=greeter, endpoints=endpoints, codecs=google_protobuf_codecs())


@asynccontextmanager
async def connect_server() -> AsyncIterator[tuple[str, Greeter]]:
    """Serve over HTTP/1.1, and over HTTP/2 for who begins with it; gives the base URL and what the server has seen."""
    greeter, config, stop = Greeter(), Config(), asyncio.Event()
    config.bind, config.loglevel, config.accesslog = [f"127.0.0.1:{free_port()}"], "CRITICAL", None
    config.graceful_timeout = 0.1
    task = asyncio.create_task(serve(app(greeter), config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
    host, _, port = config.bind[0].partition(":")
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            break
    try:
        yield f"http://{config.bind[0]}", greeter
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=5)
