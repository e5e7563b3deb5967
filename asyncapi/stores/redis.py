"""Hold one connection to Redis or Valkey: never slow, never in the way, and there again by itself.

1. Whoever asks waits for a tenth of a second at most, and gets an `Unavailable` at once while the server is away. Only
   those who ask first wait for the connection to be opened, for a second at most.
2. A server that does not reply in that time is away. One task tries to reach it again, after pauses of a
   quarter of a second at most.
3. Nothing is read or written that the caller did not ask for: the server's data, its settings and its other users are
   left alone.
4. The URL's user and password are never in a message or a repr.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from hashlib import sha1
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.redact import one_line
from asyncapi.stores.redis_url import check_url, shown_url
from asyncapi.stores.redis_wire import Wire

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

log: logging.Logger = logging.getLogger("asyncapi")

TIMEOUT = 0.1  # seconds for a reply
_CONNECT = 1.0  # seconds for a connection: TLS takes several round trips
# Seconds between two tries to reach the server. The longest is short: while some processes have the server back and
# others have not, those take the whole limit, and these their shares of it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.25
_IDLE = 5.0  # seconds without a message, after which a subscription is checked
_OURS = frozenset({
    "protocol", "decode_responses", "socket_timeout", "socket_connect_timeout", "retry_on_timeout", "client_name",
    "health_check_interval", "max_connections",
})  # fmt: skip


class Unavailable(Exception):
    """Redis can't be asked now; `str()` says why."""


def _without_ours(url: str) -> str:
    """Return a server's URL without the options that are ours to choose: redis-py lets those in the URL win."""
    head, question, query = url.partition("?")
    kept = "&".join(pair for pair in query.split("&") if pair.partition("=")[0] not in _OURS)
    return f"{head}{question}{kept}"


class RedisConnection:
    """A connection to one server, for one event loop. It is opened by the first question.

    Args:
        url: `redis://`, `rediss://` (TLS) or `unix://`; user and password are taken from it. What redis-py reads from a
            URL's query (`db`, `ssl_ca_certs` ...) holds too.
        tells: Whether the log is told that the server is away, and back.

    Attributes:
        shown: The URL without secrets.
        away: Whether the server can't be asked now, and why; "" where it can, or has not been asked yet.
        trips: Questions that were asked so far.
        on_return: Called when the server has been reached, at first and after each time that it was away.

    Raises:
        ConfigError: redis-py is not installed (extra `redis`), or the URL can't be read, or has an unknown option.
    """

    def __init__(self, url: str, *, tells: bool = True) -> None:
        self.shown: str = shown_url(check_url(url))
        self._url = url
        self.away: str = ""
        self.trips: int = 0
        self.on_return: list[Callable[[], object]] = []
        check_options(url)
        self._redis = redis_py()
        self._failures = self._redis.exceptions
        self._pool: Any = None
        self._wire: Wire | None = None
        self._tells, self._told_away = tells, False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._ready: asyncio.Future[None] | None = None
        self._known: dict[str, str] = {}
        self._refusals: dict[str, str] = {}  # scripts that it refuses, and why
        self._closed = False

    @property
    def refusal(self) -> str:
        """Why it refuses a script: no memory, no permission; "" where it refuses none."""
        return next(iter(self._refusals.values()), "")

    async def run(self, script: str, keys: Sequence[str], args: Sequence[Any] = ()) -> Any:
        """Run a script of `redis_scripts.py`, and return its result.

        Raises:
            Unavailable: The server is away, does not reply in time, or refuses.
        """
        sha = self._known.get(script)
        if sha is None:
            sha = self._known[script] = sha1(script.encode(), usedforsecurity=False).hexdigest()
        try:
            try:
                result = await self._ask("EVALSHA", sha, len(keys), *keys, *args)
            except self._failures.NoScriptError:  # the server was started, or emptied, since
                result = await self._ask("EVAL", script, len(keys), *keys, *args)
        except Unavailable as error:
            if not self.away and self._wire is not None:
                self._refused(sha, str(error))
            raise
        self._refusals.pop(sha, None)
        return result

    async def command(self, *parts: Any) -> Any:
        """Run a command, and return its result.

        Raises:
            Unavailable: The server is away, does not reply in time, or refuses.
        """
        return await self._ask(*parts)

    async def _ask(self, *parts: Any) -> Any:
        if self._wire is None:
            await self.reached()
        wire = self._wire
        if wire is None:
            raise Unavailable(self.away or "no connection yet")
        self.trips += 1
        try:
            return await wire.ask(*parts, timeout=TIMEOUT)
        except self._failures.NoScriptError:
            raise
        except (self._failures.RedisError, OSError, TimeoutError) as error:
            if self._is_gone(error) and self._wire is wire:  # a replica now, or the password has changed
                self._lose(error)
            raise Unavailable(self._why(error)) from None

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine in a task that ends with the connection."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def open(self) -> None:
        """Begin to connect, if that has not been done; nobody waits for it."""
        if self._ready is None and not self._closed:
            self._ready = asyncio.get_running_loop().create_future()
            self.start(self._reach())

    def listen(self, channel: str, heard: Callable[[bytes], object], opened: Callable[[], Awaitable[object]]) -> None:
        """Hear what is published on a channel, from now until the connection is closed.

        Args:
            channel: Its name.
            heard: Called with each message.
            opened: Called whenever the channel has been opened, to read what was missed.
        """
        self.open()
        self.start(self._listen(channel, heard, opened))

    async def aclose(self) -> None:
        """Close it, and end what it has under way. May be called twice."""
        self._closed = True
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.close()
            await wire.closed()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._pool is not None:
            await self._pool.disconnect()

    async def reached(self) -> None:
        """Wait for the first connection, or until the server is found to be away (rule 1)."""
        self.open()
        if self._ready is not None and not self._ready.done():
            await asyncio.wait((self._ready,), timeout=_CONNECT)

    async def _reach(self) -> None:
        """Try to reach the server until it replies (rule 2)."""
        pause = 0.0
        while self._wire is None:
            await asyncio.sleep(pause)
            try:
                async with asyncio.timeout(_CONNECT):
                    await self._open()
            except (self._failures.RedisError, OSError, TimeoutError, ValueError) as error:  # ValueError: of the host
                self._say(self._why(error))
                pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))
        self._say("")

    async def _open(self) -> None:
        if self._pool is None:
            self._pool = _pool_of(self._url)
        connection = self._pool.make_connection()
        try:
            await connection.connect()
            wire = Wire(connection, self._failures, self._lose)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        try:
            await wire.ask("PING", timeout=TIMEOUT)
        except BaseException:
            wire.close()
            await wire.closed()
            raise
        self._wire = wire

    def _lose(self, error: Exception) -> None:
        """Take in that the connection is lost: the server is away until another try has shown how it is."""
        wire, self._wire = self._wire, None
        if wire is None or self._closed:
            return
        wire.close()
        self.start(wire.closed())
        self.away = self._why(error)
        self.start(self._reach())

    def _say(self, away: str) -> None:
        """Take in how the server is, and tell those who want to know."""
        self.away = away
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)
        if not self._tells:
            pass
        elif away and not self._told_away:
            log.warning("Redis at %s is away (%s): each process keeps to its share of the limits", self.shown, away)
        elif self._told_away and not away:
            log.warning("Redis at %s is back: the limits are shared again", self.shown)
        self._told_away = bool(away)
        if not away:
            for tell in self.on_return:
                tell()

    def _refused(self, sha: str, why: str) -> None:
        """Take in that it refused a script, and say so once."""
        if self._tells and not self._refusals:
            log.warning("Redis at %s refuses (%s): each process keeps to its share of the limits", self.shown, why)
        self._refusals[sha] = why

    def _is_gone(self, error: Exception) -> bool:
        """Whether an error says that the server can't be asked, and not that it refuses this one question."""
        failures = self._failures
        if isinstance(error, failures.ReadOnlyError):  # a master that has become a replica
            return True
        return not isinstance(error, failures.ResponseError) or isinstance(error, failures.AuthenticationError)

    def _why(self, error: Exception) -> str:
        """Say in a few words what failed, without what the URL has of secrets (rule 4)."""
        failures = self._failures
        if isinstance(error, failures.AuthenticationError):
            return "it refuses the user or the password"
        if isinstance(error, TimeoutError | failures.TimeoutError):
            return f"no reply within {TIMEOUT:g} s"
        if isinstance(error, failures.ResponseError):
            return one_line(str(error).partition(" script:")[0], 200)
        cause = error.__cause__ or error.__context__
        detail = cause.strerror if isinstance(cause, OSError) else ""
        return detail or type(error).__name__

    async def _listen(
        self, channel: str, heard: Callable[[bytes], object], opened: Callable[[], Awaitable[object]]
    ) -> None:
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * pause))
            if self._wire is None or self._pool is None:
                continue
            subscription = self._redis.asyncio.Redis(connection_pool=self._pool).pubsub(ignore_subscribe_messages=True)
            try:
                await subscription.subscribe(channel)
                await opened()
                while True:
                    message = await subscription.get_message(timeout=_IDLE)
                    if message is not None:
                        pause = 0.0
                        heard(message["data"])
                    elif self.away:
                        break
            except (self._failures.RedisError, OSError, TimeoutError, Unavailable):
                pass
            finally:
                with contextlib.suppress(Exception):
                    await subscription.aclose()

    def __repr__(self) -> str:
        return f"<RedisConnection {self.shown}{f' (away: {self.away})' if self.away else ''}>"


def check_options(url: str) -> None:
    """Check the options in a server's URL: nothing is opened.

    Raises:
        ConfigError: redis-py is not installed, or does not know one of them.
    """
    try:
        _pool_of(url).make_connection()
    except (TypeError, ValueError, redis_py().exceptions.RedisError) as error:
        why = one_line(str(error), 200).removeprefix("AbstractConnection.__init__() got an ")
        raise ConfigError(f"Redis({shown_url(url)!r}): an option in the URL can't be used: {why}") from None


def _pool_of(url: str) -> Any:
    """Make what opens connections as the URL says; it holds none itself, but those of subscriptions."""
    redis = redis_py()
    return redis.asyncio.ConnectionPool.from_url(
        _without_ours(url),
        protocol=2,
        decode_responses=False,
        socket_timeout=None,  # a timer of ours bounds each question
        socket_connect_timeout=_CONNECT,
        retry=redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0),
        client_name="asyncapi",
    )


def redis_py() -> Any:
    """Return redis-py.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        for part in ("redis.asyncio", "redis.asyncio.retry", "redis.backoff"):
            import_module(part)
        return import_module("redis")
    except ImportError:
        raise ConfigError("Redis needs redis-py: pip install 'asyncapi-sdk[redis]'") from None
