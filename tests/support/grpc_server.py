"""A gRPC server of grpcio with the Greeter of greeter.proto, health and reflection; it says what it has seen.

async with grpc_server() as server:
async with Client(server.url, http2="prior") as api:
stub = GreeterStub(api.grpc())
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

import greeter_pb2 as pb
from greeter_pb2_grpc import GreeterServicer, add_GreeterServicer_to_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SERVICE = "greet.v1.Greeter"
ROUNDING = 0.5  # seconds: the server reads two clocks one after the other, and a busy machine may come in between


class Greeter(GreeterServicer):
    """Does what it is asked, and says what it has seen.

    Attributes:
        seen: What has happened, in words.
        metadata: That of each call.
        left: The seconds left of each call, as the server knows it.
        answers: What the next calls end with: (code, message, trailing metadata); then as asked.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.metadata: list[dict[str, Any]] = []
        self.left: list[float | None] = []
        self.answers: list[tuple[str, str, tuple[tuple[str, Any], ...]]] = []
        self.changed = asyncio.Event()

    def note(self, what: str) -> None:
        self.seen.append(what)
        self.changed.set()

    async def until(self, what: str) -> None:
        while what not in self.seen:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), 20)

    async def _met(self, context: Any, name: str, ask: Any = None) -> None:
        self.metadata.append(dict(context.invocation_metadata()))
        self.left.append(context.time_remaining())
        self.note(name)
        if self.answers:
            code, message, trailing = self.answers.pop(0)
            if code:
                await context.abort(grpc.StatusCode[code], message, trailing)
        if ask is not None and ask.fail:
            await context.abort(grpc.StatusCode[ask.fail], f"asked for {ask.fail}")
        if ask is not None and ask.delay_ms:
            await self._sleep(ask.delay_ms, name)

    async def _sleep(self, milliseconds: int, name: str) -> None:
        try:
            await asyncio.sleep(milliseconds / 1000)
        except asyncio.CancelledError:
            self.note(f"{name} cancelled")
            raise

    async def _reply(self, ask: Any, context: Any, name: str) -> Any:
        await self._met(context, name, ask)
        await context.send_initial_metadata((("first", "1"), ("first-bin", b"\0\xff")))
        context.set_trailing_metadata((("last", "2"), ("last-bin", b"\xfe\0")))
        return pb.Reply(text=f"Hello, {ask.name}", data=ask.data, n=ask.n)

    async def Say(self, request, context):
        return await self._reply(request, context, "Say")

    async def Look(self, request, context):
        return await self._reply(request, context, "Look")

    async def Put(self, request, context):
        return await self._reply(request, context, "Put")

    async def Many(self, request, context):
        await self._met(context, "Many")
        for number in range(request.n):
            if request.delay_ms:
                await self._sleep(request.delay_ms, "Many")
            yield pb.Reply(text=request.name, data=request.data, n=number)
        if request.fail:
            await context.abort(grpc.StatusCode[request.fail], f"asked for {request.fail}")

    async def Sum(self, request_iterator, context):
        await self._met(context, "Sum")
        total = 0
        async for ask in request_iterator:
            if ask.fail:
                await context.abort(grpc.StatusCode[ask.fail], f"asked for {ask.fail}")
            total += ask.n
            self.note(f"Sum {ask.n}")
            if ask.name == "enough":
                break
        else:
            await self._sleep(20, "Sum")  # grpcio ends the iterator of a cancelled call, and cancels then
        return pb.Reply(n=total)

    async def Chat(self, request_iterator, context):
        await self._met(context, "Chat")
        async for ask in request_iterator:
            if ask.fail:
                await context.abort(grpc.StatusCode[ask.fail], f"asked for {ask.fail}")
            if ask.name == "enough":
                return
            if ask.delay_ms:
                await self._sleep(ask.delay_ms, "Chat")
            yield pb.Reply(text=f"Hello, {ask.name}", data=ask.data, n=ask.n)


class Running:
    """The server: its address, and its `greeter`."""

    def __init__(self, url: str, greeter: Greeter) -> None:
        self.url = url
        self.greeter = greeter


@asynccontextmanager
async def grpc_server(*, tls: tuple[bytes, bytes] | None = None, **options: Any) -> AsyncIterator[Running]:
    """The server on a free port; over TLS with a key and a certificate chain."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1), *options.items()])
    greeter = Greeter()
    add_GreeterServicer_to_server(greeter, server)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), server)
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tls]))
    await server.start()
    try:
        yield Running(f"{'http' if tls is None else 'https'}://127.0.0.1:{port}", greeter)
    finally:
        await server.stop(0)
