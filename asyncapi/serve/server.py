"""The fault server's life: `FaultServer` inside this process, `run` as a process of its own.

A stop lets requests in flight go on for `grace` seconds, then cuts them off.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aiohttp import web

from asyncapi.errors import ConfigError
from asyncapi.serve.app import App
from asyncapi.serve.faults import Faults

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.web_protocol import RequestHandler

    from asyncapi.serve.stats import Stats

_BACKLOG = 1024
_LARGEST_BODY = 64 << 20
_HIGHEST_PORT = 65_535
_LEAST_GRACE = 0.001  # aiohttp takes 0 for no limit


class FaultServer:
    """A local API with faults on demand; `GET /` lists its endpoints.

    Use it as `async with FaultServer() as server: ... server.url`, or with `start` and `aclose`.

    Args:
        faults: What to mix into the answers; nothing by default.
        host: The address to listen on.
        port: The port, or 0 for any free one.
        grace: Seconds that requests in flight may still take when it is closed.
        tls: Serve HTTPS with this context.
        log: Receives one line per request.

    Raises:
        ConfigError: The port is no port number.
    """

    def __init__(
        self,
        faults: Faults | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        grace: float = 1.0,
        tls: ssl.SSLContext | None = None,
        log: Callable[[str], object] | None = None,
    ) -> None:
        if not 0 <= port <= _HIGHEST_PORT:
            raise ConfigError(f"a port is a number from 0 to {_HIGHEST_PORT}, not {port}")
        self.faults: Faults = faults or Faults()
        self.host = host
        self.port: int = port
        self.grace = grace
        self._tls = tls
        self._app = App(self.faults, log)
        self._requests: web.Server | None = None
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{host}:{self.port}"

    @property
    def stats(self) -> Stats:
        """Its live counters."""
        return self._app.stats

    def reset(self) -> None:
        """Forget everything seen, as `POST /reset` does."""
        self._app.reset()

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: The port is in use, or the address is not this machine's.
        """
        loop = asyncio.get_running_loop()
        self._requests = web.Server(
            self._app.handle,
            request_factory=_request,
            handler_cancellation=True,  # a client that leaves takes its request with it
            access_log=None,
        )
        try:
            self._listener = await loop.create_server(
                self._connection, self.host, self.port, backlog=_BACKLOG, ssl=self._tls
            )
        except (OSError, UnicodeError) as error:
            raise ConfigError(
                f"cannot listen on {self.host} port {self.port}: {_reason(error)}; "
                "choose another port (0 takes any free one)"
            ) from error
        self.port = self._listener.sockets[0].getsockname()[1]

    def _connection(self) -> RequestHandler:
        assert self._requests is not None  # noqa: S101 - set by start, before the first connection
        self._app.stats.connections += 1
        return self._requests()

    async def aclose(self) -> None:
        """Stop listening, let requests in flight end within `grace`, close every connection; may be called twice."""
        listener, requests = self._listener, self._requests
        self._listener = None
        if listener is None or requests is None:
            return
        listener.close()
        await asyncio.sleep(0)  # what was accepted already becomes a connection, which is then closed with the rest
        requests.pre_shutdown()
        await self._app.leave()
        await requests.shutdown(max(self.grace, _LEAST_GRACE))
        with suppress(TimeoutError):  # a TLS handshake under way is nobody's connection yet
            async with asyncio.timeout(1.0):
                await listener.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError) or error.errno is None:
        return "no such address"
    return os.strerror(error.errno).lower()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)


def run(server: FaultServer, *, started: Callable[[], object], port_file: Path | None = None) -> None:
    """Serve until SIGINT or SIGTERM, with uvloop where it is installed.

    Args:
        server: Not started yet.
        started: Called once it listens.
        port_file: Receives the port as text, once it listens.

    Raises:
        ConfigError: It cannot listen, or the port file cannot be written.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(server, started, port_file))


async def _serve(server: FaultServer, started: Callable[[], object], port_file: Path | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with server:
        if port_file is not None:
            _write_port(port_file, server.port)
        started()
        await stop.wait()


def _write_port(path: Path, port: int) -> None:
    """Write it whole or not at all: a script may be reading the file already."""
    half = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        half.write_text(f"{port}\n")
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write the port file {path}: {(error.strerror or str(error)).lower()}") from error


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 - optional
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
