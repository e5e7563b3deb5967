"""One worker at a time has a lease that Redis grants, whatever becomes of Redis; in virtual time, and with a real one."""

import asyncio
import random

import pytest

from asyncapi.bulk.fleet import redis_leases
from asyncapi.bulk.fleet.redis_leases import RedisLeases, RedisScripts, lease_clock
from asyncapi.errors import ConfigError
from asyncapi.testing import FakeClock, run
from lease_model import Redis
from redis_server import redis, redis_server  # noqa: F401

TTL = 10.0


class Server:
    """What Redis does with the scripts, as the model has it (test_protocol.py compares them), at the loop's time."""

    def __init__(self):
        self.state = Redis(known=0)
        self.away = False
        self.slow = 0.0
        self.replicas = None  # how many confirm; None: there are none
        self.asked = 0

    @property
    def now(self):
        return round(asyncio.get_running_loop().time() * 1000) + 1_000_000

    async def run(self, script, key, ttl, name, token, number, kept):
        self.asked += 1
        if self.away:
            await asyncio.sleep(0.1)
            raise OSError("nobody is there")
        reply = self.execute(script, ttl, token, number)
        await asyncio.sleep(self.slow)
        return reply

    async def wait(self, *call):
        return await self.run(*call), self.replicas

    def execute(self, script, ttl, token, number):
        if script is redis_leases._TAKE:
            self.state, epoch = self.state.take(token, number, self.now, ttl)
            quiet = self.state.quiet(self.now, ttl)
            left = self.state.since + ttl - self.now if quiet else self.state.record.ends - self.now
            return [epoch, left, b"quiet" if quiet else b"held" if not epoch else str(int(self.replicas is not None))]
        if script is redis_leases._KEEP:
            self.state, kept = self.state.keep(token, number, self.now, ttl)
            return kept
        if script is redis_leases._BEGIN:
            self.state = Redis(known=0, since=self.now - ttl)
        elif self.state.record.holder == token:
            self.state = self.state._replace(record=self.state.record._replace(holder="-", ends=0))
        return 1

    def restart(self):
        self.state = Redis(run=self.state.run + 1)

    async def aclose(self):
        pass


def leases(server):
    return RedisLeases(server, "key", ttl=TTL, clock=FakeClock())


def now():
    return asyncio.get_running_loop().time()


def test_a_lease_is_held_by_one_and_its_epoch_is_above_those_on_disk():
    async def scenario():
        server = Server()
        one, two = leases(server), leases(server)
        lease = await one.take("000042", above=6)
        assert (lease.epoch, lease.holds()) == (7, True)
        assert await two.take("000042") is None
        assert (two.why, two.pause) == ("another worker has it", 0.25)
        await lease.release()
        assert (await two.take("000042")).epoch == 8
        assert not lease.holds()

    run(scenario())


def test_a_holder_stops_a_second_before_its_lease_runs_out():
    async def scenario():
        server = Server()
        server.slow = 0.5
        lease = await leases(server).take("a")
        assert now() == 0.5  # the lease counts from before it was asked for
        await asyncio.sleep(8.49)
        assert lease.holds()
        await asyncio.sleep(0.02)
        assert not lease.holds()
        assert await leases(server).take("a") is None  # Redis waits a second longer

    run(scenario())


def test_a_reply_that_takes_over_a_second_counts_for_nothing():
    async def scenario():
        server = Server()
        server.slow = 1.01
        slow = leases(server)
        assert await slow.take("a") is None
        assert slow.why == "Redis replies too slowly"

    run(scenario())


def test_a_lease_is_renewed_every_quarter_and_lives_as_long_as_its_holder():
    async def scenario():
        server = Server()
        lease = await leases(server).take("a")
        keeping = asyncio.create_task(lease.lost())
        await asyncio.sleep(100)
        assert lease.holds()
        assert server.asked == 1 + 40 - 1
        keeping.cancel()
        await asyncio.sleep(TTL)
        assert not lease.holds()
        assert (await leases(server).take("a")).epoch == 2

    run(scenario())


def test_a_lease_that_cannot_be_confirmed_in_time_is_lost():
    async def scenario():
        server = Server()
        lease = await leases(server).take("a")
        server.away = True
        await lease.lost()
        assert (now(), lease.holds(), await lease.confirm()) == (pytest.approx(9, abs=0.11), False, False)

    run(scenario())


def test_a_redis_that_is_away_for_less_than_the_lease_costs_nothing():
    async def scenario():
        server = Server()
        lease = await leases(server).take("a")
        keeping = asyncio.create_task(lease.lost())
        server.away = True
        await asyncio.sleep(6)
        server.away = False
        await asyncio.sleep(60)
        assert lease.holds()
        keeping.cancel()

    run(scenario())


def test_a_redis_that_comes_back_empty_grants_no_lease_for_one_ttl():
    async def scenario():
        server = Server()
        server.restart()
        waiting = leases(server)
        while (lease := await waiting.take("a", above=3)) is None:
            assert waiting.why == "Redis has restarted or was emptied"
            await asyncio.sleep(waiting.pause)
        assert (now(), lease.epoch) == (pytest.approx(TTL, abs=0.01), 4)

    run(scenario())


def test_a_holder_goes_on_over_a_redis_that_comes_back_empty():
    async def scenario():
        server = Server()
        lease = await leases(server).take("a", above=3)
        keeping = asyncio.create_task(lease.lost())
        server.restart()
        await asyncio.sleep(60)
        assert lease.holds()
        assert server.state.record.epoch == 4
        assert await leases(server).take("a") is None
        keeping.cancel()

    run(scenario())


def test_a_new_job_waits_for_nothing():
    async def scenario():
        server = Server()
        server.state = Redis(run=0)
        new = leases(server)
        await new.begin()
        assert (await new.take("a")).epoch == 1

    run(scenario())


def test_a_lease_whose_reply_was_lost_is_found_again():
    async def scenario():
        server = Server()
        cut = leases(server)
        inner, server.run = server.run, None

        async def lost(*call):
            await inner(*call)
            raise OSError("cut off")

        server.run = lost
        assert await cut.take("a") is None
        assert cut.why == "Redis does not reply: cut off"
        server.run = inner
        assert (await cut.take("a")).epoch == 1

    run(scenario())


def test_two_chunks_of_one_worker_never_share_a_lease():
    async def scenario():
        one = leases(Server())
        got = await asyncio.gather(one.take("a"), one.take("a"))
        assert sum(lease is not None for lease in got) == 1

    run(scenario())


def test_a_lease_that_no_replica_confirms_is_none():
    async def scenario():
        server = Server()
        server.replicas = 0
        alone = leases(server)
        assert await alone.take("a") is None
        assert alone.why == "no replica of Redis confirms it"
        server.replicas = 1
        assert (await alone.take("a")).holds()

    run(scenario())


def test_nobody_waits_for_a_redis_that_is_away_at_the_start():
    async def scenario():
        server = Server()
        server.away = True
        waiting = leases(server)
        with pytest.raises(ConfigError, match="no leases of chunks: Redis does not reply"):
            await waiting.begin()
        assert waiting.silent == pytest.approx(now(), abs=0.2)

    run(scenario())


def test_the_clock_of_a_lease_goes_on_while_the_machine_sleeps():
    clock = lease_clock()
    assert clock.now() <= clock.now()


# --- a real server ----------------------------------------------------------------------------------------------------


class Scripted:
    """The scripts on a real server, at a time and in a process of the test's own."""

    def __init__(self, server):
        self.server = server
        self.run_id = 0

    def now(self, script, at):
        for old, new in {
            "redis.call('TIME')": f"{{{at // 1000}, {at % 1000 * 1000}}}",
            "/ 1000)": "/ 1000)",
            "redis.call('INFO', 'server')": f"'run_id:r{self.run_id}'",
        }.items():
            assert old in script
            script = script.replace(old, new)
        return script

    def call(self, script, at, token, number, ttl=10_000):
        text = self.now(script, at)
        reply = self.server.tell("EVAL", text, "1", "key", str(ttl), "name", token, str(number), "100000000")
        return [int(word[1:]) for word in reply.split("\r\n") if word.startswith(":")]


def test_the_scripts_do_what_the_model_says(redis):  # noqa: F811
    random_ = random.Random(7)
    scripts, model, at = Scripted(redis), Redis(since=-(10**6)), 1_000_000
    redis.tell("FLUSHALL")
    for _ in range(3000):
        at += random_.choice([0, 10, 2500, 9000, 10_000])
        token, number = random_.choice("abc"), random_.randrange(4)
        what = random_.choice(["take", "take", "keep", "keep", "keep", "empty", "restart"])
        if what == "take":
            model, epoch = model.take(token, number, at, 10_000)
            assert scripts.call(redis_leases._TAKE, at, token, number)[0] == epoch
        elif what == "keep":
            number = random_.choice([number, model.record.epoch])
            token = random_.choice([token, model.record.holder])
            model, kept = model.keep(token, number, at, 10_000)
            assert scripts.call(redis_leases._KEEP, at, token, number) == [kept]
        elif random_.random() < 0.2:
            if what == "empty":
                redis.tell("FLUSHALL")
                model = Redis(run=model.run)
            else:
                scripts.run_id += 1
                model = model._replace(run=model.run + 1)


async def taken(leases_, name="a", above=0, seconds=20.0):
    async with asyncio.timeout(seconds):
        while (lease := await leases_.take(name, above)) is None:
            await asyncio.sleep(leases_.pause)
    return lease


async def test_with_a_real_server_a_lease_is_taken_kept_and_released(redis):  # noqa: F811
    one, two = (RedisLeases(RedisScripts(redis.url), "key", ttl=2.0) for _ in range(2))
    await one.begin()
    lease = await taken(one)
    keeping = asyncio.create_task(lease.lost())
    await asyncio.sleep(2.5)
    assert lease.holds()
    assert await two.take("a") is None
    assert await lease.confirm()
    keeping.cancel()
    await lease.release()
    assert (await taken(two)).epoch == 2
    await one.aclose()
    await two.aclose()


@pytest.mark.parametrize("how", ["killed", "emptied"])
async def test_a_real_server_that_forgets_grants_nothing_for_one_ttl(redis, how):  # noqa: F811
    one, two = (RedisLeases(RedisScripts(redis.url), "key", ttl=3.0) for _ in range(2))
    await one.begin()
    lease = await taken(one)
    if how == "killed":
        redis.kill()
        redis.start()
    else:
        redis.tell("FLUSHALL")
    back = asyncio.get_running_loop().time()
    later = await taken(two, above=1)
    assert asyncio.get_running_loop().time() - back >= 2.0
    assert (later.epoch, lease.holds()) == (2, False)
    await one.aclose()
    await two.aclose()


async def test_a_lease_of_a_frozen_server_is_lost_in_time(redis):  # noqa: F811
    leases_ = RedisLeases(RedisScripts(redis.url), "key", ttl=3.0)
    await leases_.begin()
    lease = await taken(leases_)
    redis.freeze()
    try:
        async with asyncio.timeout(10):
            await lease.lost()
        assert not await lease.confirm()
        assert await leases_.take("a") is None
    finally:
        redis.thaw()
    await leases_.aclose()


async def test_a_replica_that_takes_over_grants_nothing_for_one_ttl(redis):  # noqa: F811
    with redis_server("--replicaof", "127.0.0.1", str(redis.port)) as replica:
        while "connected_slaves:1" not in redis.tell("INFO", "replication"):
            await asyncio.sleep(0.05)
        one, two = (
            RedisLeases(RedisScripts(redis.url), "key", ttl=3.0),
            RedisLeases(RedisScripts(replica.url), "key", ttl=3.0),
        )
        await one.begin()
        lease = await taken(one)
        assert lease.replicas
        redis.kill()
        replica.tell("REPLICAOF", "NO", "ONE")
        assert await two.take("a") is None
        later = await taken(two)
        assert (later.epoch, lease.holds()) == (2, False)  # the replica knows the epoch
        await one.aclose()
        await two.aclose()
