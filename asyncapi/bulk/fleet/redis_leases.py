"""Leases that Redis grants.

Rules:
1. A lease lasts `ttl` seconds and is renewed every quarter of that. Its holder counts them by its own clock, from
   before it asked, and stops a second early. A reply that takes longer than that second renews nothing.
2. The epoch is above every one that the chunk had before, those on disk included: a Redis may have forgotten them.
3. A Redis that doesn't know the job, or is another process than the one that did, has restarted, failed over or been
   emptied. It may have lost leases, so that it grants none for one ttl: by then they have all run out.
4. In that time a holder that asks to renew is believed: it asks only while its lease holds by its own clock, so that
   nobody else can have got one. The highest epoch wins.
5. All leases of a job are one hash: a Redis that evicts keys forgets all of them and the job (rule 3), or nothing.
6. Whoever asks again for the same lease gets the same epoch: the reply to a call that was cut off is not lost.
7. Where Redis has replicas, one of them has to confirm each lease (WAIT): a server that is cut off from them grants and
   renews nothing.

The clock of the Redis server must not jump ahead by more than a second within a ttl.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

from asyncapi.bulk.fleet.leases import PAUSE, TTL
from asyncapi.clock import SystemClock
from asyncapi.errors import ConfigError
from asyncapi.stores.redis import RedisConnection, Unavailable

if TYPE_CHECKING:
    from asyncapi.clock import Clock

_EARLY = 1.0  # seconds by which a holder stops before its lease ends (rule 1)
_TRIES, _BETWEEN = 5, 0.05  # of one call, and seconds between two
_WAIT_MS = 80  # for a replica, within the connection's own limit
_PATIENCE = 5.0  # seconds for the first reply
_RETRY = 0.25  # seconds between attempts to renew, once one has failed
_KEPT_MS = 30 * 86_400_000  # how long Redis remembers a job that nobody works on

_KNOW = """
local now = redis.call('TIME')
now = now[1] * 1000 + math.floor(now[2] / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'none'
local replicas = string.match(redis.call('INFO', 'replication'), 'connected_slaves:(%d+)') or '0'
local ttl, name, token = tonumber(ARGV[1]), ARGV[2], ARGV[3]
local since = tonumber(redis.call('HGET', KEYS[1], 'since'))
if redis.call('HGET', KEYS[1], 'run') ~= run or since > now then
    since = now
    redis.call('HSET', KEYS[1], 'run', run, 'since', since)
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
local quiet = since + ttl - now
local holder, ends, epoch = string.match(redis.call('HGET', KEYS[1], name) or '', '^(%S+) (%d+) (%d+)$')
ends, epoch = tonumber(ends or 0), tonumber(epoch or 0)
"""
_BEGIN = """
local now = redis.call('TIME')
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'none'
redis.call('HSET', KEYS[1], 'run', run, 'since', now[1] * 1000 + math.floor(now[2] / 1000) - ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
"""
_TAKE = f"""{_KNOW}
if holder == token and ends > now then
    redis.call('HSET', KEYS[1], name, string.format('%s %d %d', token, now + ttl, epoch))
    return {{epoch, 0, replicas}}
end
if quiet > 0 then return {{0, quiet, 'quiet'}} end
if ends > now then return {{0, ends - now, 'held'}} end
epoch = math.max(epoch, tonumber(ARGV[4])) + 1
redis.call('HSET', KEYS[1], name, string.format('%s %d %d', token, now + ttl, epoch))
return {{epoch, 0, replicas}}
"""
_KEEP = f"""{_KNOW}
local own = tonumber(ARGV[4])
if not (holder == token and epoch == own and ends > now) and not (quiet > 0 and own > epoch) then return 0 end
redis.call('HSET', KEYS[1], name, string.format('%s %d %d', token, now + ttl, own))
return 1
"""
_RELEASE = f"""{_KNOW}
if holder == token then redis.call('HSET', KEYS[1], name, string.format('- 0 %d', epoch)) end
return 1
"""
_FORGET = f"""{_KNOW}
if holder == token then redis.call('HDEL', KEYS[1], name) end
return 1
"""


class Scripts(Protocol):
    """A connection to Redis."""

    async def run(self, script: str, key: str, *arguments: str | int) -> Any:
        """Run a script within about half a second.

        Raises:
            OSError: It couldn't be run, or it is not known whether it was.
            ConfigError: The server refuses us.
        """
        ...

    async def wait(self, script: str, key: str, *arguments: str | int) -> tuple[Any, int]:
        """Run a script and count the replicas that have confirmed it."""
        ...

    async def aclose(self) -> None:
        """Close it."""
        ...


def lease_clock() -> Clock:
    """Make a clock that goes on while the machine sleeps, which the monotonic one doesn't do on Linux."""
    clock = SystemClock()
    if hasattr(time, "CLOCK_BOOTTIME"):
        clock.now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    return clock


class RedisLeases:
    """Leases that Redis grants.

    Args:
        scripts: The connection.
        key: The job's key.
        ttl: Seconds a lease lasts.
        clock: Our own clock.
    """

    def __init__(self, scripts: Scripts, key: str, *, ttl: float = TTL, clock: Clock | None = None) -> None:
        self.why: str = ""
        self.pause: float = PAUSE
        self.ttl: float = ttl
        self.clock: Clock = clock or lease_clock()
        self._scripts = scripts
        self._key = key
        self._tokens: dict[str, str] = {}  # of calls that may have been granted a lease (rule 6)
        self._heard: float | None = None  # when Redis last replied, or was first asked

    @property
    def silent(self) -> float:
        """Seconds for which Redis has not replied."""
        return 0.0 if self._heard is None else self.clock.now() - self._heard

    async def begin(self) -> None:
        """Say that the job is new.

        Raises:
            ConfigError: Redis can't be reached.
        """
        until = self.clock.now() + _PATIENCE
        while True:
            try:
                await self.call(_BEGIN, "", "", 0)
            except OSError as error:
                if self.clock.now() >= until:
                    raise ConfigError(f"no leases of chunks: Redis does not reply ({error})") from None
                await self.clock.sleep(PAUSE)
            else:
                return

    async def take(self, name: str, above: int = 0) -> RedisLease | None:
        """Take a lease, if nobody has it."""
        token = self._tokens.pop(name, None) or uuid4().hex
        asked = self.clock.now()
        try:
            epoch, left, word = await self.call(_TAKE, name, token, above)
        except OSError as error:
            self._tokens[name] = token
            self.why, self.pause = f"Redis does not reply: {error}", PAUSE
            return None
        if not epoch:
            self.why = "another worker has it" if word in {b"held", "held"} else "Redis has restarted or was emptied"
            self.pause = min(max(int(left) / 1000, 0.01), PAUSE)
            return None
        lease = RedisLease(self, name, token, int(epoch), replicas=int(word) > 0)
        lease.extend(asked)
        if lease.replicas and not await lease.confirm():
            self.why, self.pause = "no replica of Redis confirms it", PAUSE  # rule 7
        elif not lease.holds():
            self.why, self.pause = "Redis replies too slowly", PAUSE
        else:
            return lease
        await lease.release()
        return None

    async def call(self, script: str, name: str, token: str, number: int, *, confirmed: bool = False) -> Any:
        """Run a script.

        Raises:
            OSError: It couldn't be run, or no replica has confirmed it.
        """
        arguments = (self._key, round(self.ttl * 1000), name, token, number, _KEPT_MS)
        if self._heard is None:
            self._heard = self.clock.now()
        if not confirmed:
            reply = await self._scripts.run(script, *arguments)
        else:
            reply, replicas = await self._scripts.wait(script, *arguments)
            if not replicas:
                raise OSError("no replica has confirmed it")
        self._heard = self.clock.now()
        return reply

    async def aclose(self) -> None:
        """Close the connection."""
        await self._scripts.aclose()


class RedisLease:
    """A lease that Redis has granted; see `Lease`."""

    def __init__(self, leases: RedisLeases, name: str, token: str, epoch: int, *, replicas: bool) -> None:
        self.epoch: int = epoch
        self.replicas: bool = replicas
        self._leases = leases
        self._name = name
        self._token = token
        self._until = -inf

    def holds(self) -> bool:
        """Whether it can still be relied on, by our own clock (rule 1)."""
        return self._leases.clock.now() < self._until

    def extend(self, asked: float) -> None:
        """Take in that it was confirmed after `asked` (rule 1)."""
        if self._leases.clock.now() < asked + _EARLY:
            self._until = asked + self._leases.ttl - _EARLY

    async def confirm(self) -> bool:
        """Ask whether it is still ours; the first failure to reach Redis is not yet a no."""
        while self.holds():
            try:
                if not await self.renew():
                    return False
            except OSError:
                await self._leases.clock.sleep(_RETRY)
            else:
                return self.holds()
        return False

    async def renew(self) -> bool:
        """Renew it.

        Raises:
            OSError: Redis can't be reached.
        """
        asked = self._leases.clock.now()
        kept = await self._leases.call(_KEEP, self._name, self._token, self.epoch, confirmed=self.replicas)
        if not kept:
            self._until = -inf
            return False
        self.extend(asked)
        return True

    async def lost(self) -> None:
        """Keep it alive; return when it is lost."""
        clock, pause = self._leases.clock, self._leases.ttl / 4
        while self.holds():
            await clock.sleep(min(pause, max(0.0, self._until - clock.now())))
            if not self.holds():
                break
            try:
                await asyncio.wait_for(self.renew(), self._until - clock.now())
                pause = self._leases.ttl / 4
            except (OSError, TimeoutError):
                pause = _RETRY
        self._until = -inf

    async def release(self, *, done: bool = False) -> None:
        """Give it up, if Redis can be reached: else it runs out."""
        self._until = -inf
        with suppress(OSError, ConfigError):
            await self._leases.call(_FORGET if done else _RELEASE, self._name, self._token, 0)


class RedisScripts:
    """Scripts over the connection that all of Redis' users share; see `Scripts`.

    Args:
        url: `redis://host:port/0`, or `rediss://`.

    Raises:
        ConfigError: redis-py is not installed, or the URL can't be read.
    """

    def __init__(self, url: str) -> None:
        self._connection = RedisConnection(url, tells=False)

    async def run(self, script: str, key: str, *arguments: str | int) -> Any:
        """Run a script; try again for a moment, which is safe with all of ours (rule 6)."""
        tries = 0
        while True:
            try:
                return await self._connection.run(script, (key,), arguments)
            except Unavailable as error:
                tries += 1
                if tries >= _TRIES:
                    raise OSError(str(error)) from None
            await asyncio.sleep(_BETWEEN)

    async def wait(self, script: str, key: str, *arguments: str | int) -> tuple[Any, int]:
        """Run a script, and count the replicas that have confirmed it."""
        reply = await self.run(script, key, *arguments)
        try:
            return reply, int(await self._connection.command("WAIT", 1, _WAIT_MS))
        except Unavailable as error:
            raise OSError(str(error)) from None

    async def aclose(self) -> None:
        """Close it."""
        await self._connection.aclose()
