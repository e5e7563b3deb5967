"""For the tests of code that uses this SDK: a transport without a network, replies, a virtual clock, aioresponses.

    def test_retries():
        replies = iter([reply(503), reply(200, json={"id": 1})])
        clock = FakeClock()

        async def scenario():
            async with Client("https://h", transport=MockTransport(lambda _: next(replies)), clock=clock) as api:
                return await api.get("/users/1")

        assert run(scenario()).status == 200        # a minute of backoff takes no time

`run` drives a coroutine on an event loop whose time jumps to the next timer whenever nothing else is to do: every
sleep, timeout and deadline in it (asyncio's own too) passes at once and in order. It is for code without real I/O.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import selectors
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic_core import to_json

from asyncapi.config import Chaos
from asyncapi.errors import ConfigError
from asyncapi.transports.mock import MockTransport
from asyncapi.types import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_HANG_AFTER = 5.0  # real seconds in which a thread may still wake the loop

__all__ = ["Chaos", "FakeClock", "MockTransport", "VirtualTimeLoop", "mocked_aiohttp", "reply", "run"]


def reply(
    status: int = 200, *, json: Any = None, content: bytes = b"", headers: Mapping[str, str] | None = None
) -> Response:
    """An answer for a `MockTransport` handler to return.

    Args:
        status: HTTP status code.
        json: Plain data or a pydantic model; sets the body and its Content-Type.
        content: The raw body, where `json` is None.
        headers: Response headers.
    """
    given = dict(headers or {})
    if json is not None:
        content = to_json(json)
        if not any(name.lower() == "content-type" for name in given):
            given["Content-Type"] = "application/json"
    return Response(status, given, content)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: with nothing ready, its time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__(selectors.SelectSelector())
        self._offset = 0.0
        self._select = self._selector.select  # type: ignore[attr-defined]  # BaseSelectorEventLoop's
        self._selector.select = self._skip  # type: ignore[attr-defined]

    def time(self) -> float:
        """Virtual seconds since the loop was made; it stands still while code runs."""
        return self._offset

    def _skip(self, timeout: float | None = None) -> Any:
        ready = self._select(0)
        if not ready and timeout is None:
            ready = self._select(_HANG_AFTER)
            if not ready:
                raise RuntimeError("nothing left to do: the code under test waits for what never comes")
        if not ready and timeout:
            self._offset += timeout
        return ready


class FakeClock:
    """The clock to give to a Client under `run`: virtual time, repeatable chance.

    Args:
        seed: Of the jitter.
        epoch: What `wall()` shows at virtual second 0, seconds since the Unix epoch.
    """

    def __init__(self, seed: int = 0, epoch: float = 1_700_000_000.0) -> None:
        self.random = random.Random(seed).random
        self._epoch = epoch

    def now(self) -> float:
        """The running loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> float:
        """The virtual date, seconds since the Unix epoch."""
        return self._epoch + self.now()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await asyncio.sleep(seconds)

    def call_at(self, when: float, callback: Callable[[], object]) -> asyncio.TimerHandle:
        """Run `callback` at this virtual time."""
        return asyncio.get_running_loop().call_at(when, callback)


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time and return its result."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(scenario)


@contextmanager
def mocked_aiohttp(**settings: Any) -> Iterator[Any]:
    """`aioresponses`, working with every aiohttp this SDK supports.

        @pytest.fixture
        def web():
            with mocked_aiohttp() as web:
                yield web

        async def test_it(web):
            web.get("https://api.example.com/users/1", payload={"id": 1})
            async with Client("https://api.example.com") as api: ...

    aioresponses patches `ClientSession._request`, which the default transport goes through. Up to its 0.7.9 it builds
    responses without the `stream_writer` that aiohttp >= 3.14 asks for; it is given one here. It can't show time-outs,
    pools or real bytes: test those against a real local server.

    Args:
        settings: Passed on to `aioresponses`.

    Raises:
        ConfigError: aioresponses is not installed.
    """
    try:
        core: Any = import_module("aioresponses.core")
    except ImportError as error:
        raise ConfigError("mocked_aiohttp needs aioresponses: pip install aioresponses") from error
    original = core.ClientResponse
    if "stream_writer" in inspect.signature(original.__init__).parameters:
        core.ClientResponse = partial(original, stream_writer=_NoStream())
    try:
        with core.aioresponses(**settings) as mocked:
            yield mocked
    finally:
        core.ClientResponse = original


class _NoStream:
    """The writer of a request that was never sent."""

    output_size = 0
