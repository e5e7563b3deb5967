"""Looking names up: shared, kept for a while, and never longer under way than somebody waits."""

from __future__ import annotations

import asyncio
import socket

import pytest

from asyncapi.testing import FakeClock, run
from asyncapi.transports.native.dialing.names import KEPT_NAMES, KEPT_SECONDS, Names
from stepping import each_cancellation


def entry(host: str, port: int = 80) -> tuple:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))


class Resolver:
    """Gives each lookup the next of its results; counts those that were asked, and those under way."""

    def __init__(self, *results, seconds: float = 1.0) -> None:
        self.results = list(results)
        self.seconds = seconds
        self.asked = []
        self.under_way = 0

    async def __call__(self, host, port):
        self.asked.append((host, port))
        self.under_way += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.under_way -= 1
        result = self.results.pop(0) if self.results else [entry("192.0.2.1", port)]
        if isinstance(result, Exception):
            raise result
        return result


def hosts(found) -> list[str]:
    return [address[4][0] for address in found]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"])
def test_an_address_is_never_looked_up(host):
    async def scenario():
        resolver = Resolver()
        [found] = await Names(FakeClock(), resolver).addresses(host, 8080)
        assert found[:3] == (
            socket.AF_INET6 if ":" in host else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
        )
        assert found[4][:2] == (host, 8080)
        assert resolver.asked == []

    run(scenario())


def test_the_zone_of_an_address_is_an_interface_of_this_machine():
    async def scenario():
        names = Names(FakeClock(), Resolver())
        number, name = socket.if_nameindex()[0]
        [found] = await names.addresses(f"fe80::1%{name}", 80)
        assert found[4][3] == number
        assert await names.addresses(f"fe80::1%{number}", 80) == [found]
        with pytest.raises(OSError, match="no interface"):
            await names.addresses("fe80::1%no-such", 80)

    run(scenario())


def test_those_who_wait_for_one_name_share_a_lookup():
    async def scenario():
        resolver = Resolver()
        names = Names(FakeClock(), resolver)
        found = await asyncio.gather(*(names.addresses("h.example", 80) for _ in range(100)))
        assert {tuple(hosts(each)) for each in found} == {("192.0.2.1",)}
        assert resolver.asked == [("h.example", 80)]
        await asyncio.gather(names.addresses("h.example", 81), names.addresses("i.example", 80))
        assert len(resolver.asked) == 3

    run(scenario())


def test_addresses_are_kept_for_ten_seconds_and_may_be_forgotten():
    async def scenario():
        resolver = Resolver(seconds=0.0)
        names = Names(FakeClock(), resolver)
        for wait, asked in ((0, 1), (KEPT_SECONDS - 0.1, 1), (0.1, 2), (1, 2)):
            await asyncio.sleep(wait)
            await names.addresses("h.example", 80)
            assert len(resolver.asked) == asked
        names.forget()
        await names.addresses("h.example", 80)
        assert len(resolver.asked) == 3

    run(scenario())


def test_a_failure_reaches_all_who_wait_and_is_not_kept():
    async def scenario():
        resolver = Resolver(socket.gaierror(-2, "no"), UnicodeError("no name"), [])
        names = Names(FakeClock(), resolver)
        failed = await asyncio.gather(*(names.addresses("h.example", 80) for _ in range(3)), return_exceptions=True)
        assert [type(each) for each in failed] == [socket.gaierror] * 3
        with pytest.raises(UnicodeError):
            await names.addresses("h.example", 80)
        assert await names.addresses("h.example", 80) == []
        assert hosts(await names.addresses("h.example", 80)) == ["192.0.2.1"]
        assert len(resolver.asked) == 4

    run(scenario())


def test_each_connection_begins_with_the_next_address():
    async def scenario():
        names = Names(FakeClock(), Resolver([entry("192.0.2.1"), entry("192.0.2.2"), entry("192.0.2.3")]))
        firsts = []
        for _ in range(6):
            found = await names.addresses("h.example", 80)
            assert len(found) == 3
            firsts.append(found[0][4][0])
            found.clear()  # it is the caller's own
        assert firsts == ["192.0.2.1", "192.0.2.2", "192.0.2.3"] * 2

    run(scenario())


def test_no_more_names_are_kept_than_the_bound():
    async def scenario():
        resolver = Resolver(seconds=0.0)
        names = Names(FakeClock(), resolver)
        for number in range(KEPT_NAMES + 1):
            await names.addresses(f"h{number}.example", 80)
        assert len(names._kept) == KEPT_NAMES
        resolver.asked.clear()
        await names.addresses("h1.example", 80)
        await names.addresses("h0.example", 80)  # the oldest went
        assert resolver.asked == [("h0.example", 80)]

    run(scenario())


def test_a_waiter_that_is_cancelled_takes_nothing_from_the_others():
    async def scenario():
        resolver = Resolver()
        names = Names(FakeClock(), resolver)
        waiters = [asyncio.ensure_future(names.addresses("h.example", 80)) for _ in range(3)]
        await asyncio.sleep(0.5)
        waiters[0].cancel()
        waiters[2].cancel()
        assert hosts(await waiters[1]) == ["192.0.2.1"]
        assert waiters[0].cancelled()
        assert resolver.asked == [("h.example", 80)]

    run(scenario())


def test_a_lookup_ends_with_the_last_who_waits_for_it():
    async def scenario():
        resolver = Resolver()
        names = Names(FakeClock(), resolver)
        waiters = [asyncio.ensure_future(names.addresses("h.example", 80)) for _ in range(2)]
        await asyncio.sleep(0.5)
        for left, waiter in ((1, waiters[0]), (0, waiters[1])):
            waiter.cancel()
            await asyncio.sleep(0.01)
            assert resolver.under_way == left
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert hosts(await names.addresses("h.example", 80)) == ["192.0.2.1"]
        assert len(resolver.asked) == 2

    run(scenario())


def test_a_failure_that_nobody_waits_for_is_nobody_s():
    async def scenario():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        async def stubborn(host, port):
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                raise OSError("late") from None

        waiter = asyncio.ensure_future(Names(FakeClock(), stubborn).addresses("h.example", 80))
        await asyncio.sleep(0.5)
        waiter.cancel()
        await asyncio.sleep(1)
        assert complaints == []

    run(scenario())


def test_a_cancellation_at_any_moment_leaves_no_lookup():
    async def scenario(loop):
        resolver = Resolver(seconds=0.0)
        names = Names(FakeClock(), resolver)
        other = asyncio.ensure_future(names.addresses("h.example", 80))
        loop.victim = asyncio.ensure_future(names.addresses("h.example", 80))
        alone = asyncio.ensure_future(names.addresses("i.example", 80))
        await asyncio.wait([loop.victim])
        alone.cancel()
        assert hosts(await other) == ["192.0.2.1"]
        await asyncio.sleep(0.1)
        assert resolver.under_way == 0
        assert not names._under_way

    assert each_cancellation(scenario) > 5


async def test_by_default_the_running_loop_looks_names_up(monkeypatch):
    asked = []

    async def getaddrinfo(host, port, **settings):
        asked.append((host, port, settings))
        if len(asked) == 1:
            raise socket.gaierror(-2, "not known")
        return [entry("127.0.0.1", port)]

    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop):
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    else:
        monkeypatch.setattr(type(loop), "getaddrinfo", lambda _, *args, **settings: getaddrinfo(*args, **settings))
    names = Names(FakeClock())
    assert hosts(await names.addresses("localhost", 80)) == ["127.0.0.1"]
    flags = {"type": socket.SOCK_STREAM, "flags": socket.AI_ADDRCONFIG}
    assert asked == [("localhost", 80, flags), ("localhost", 80, {"type": socket.SOCK_STREAM})]
    asked.clear()
    with pytest.raises(OSError, match="not known"):
        await names.addresses("h.example", 80)
    assert len(asked) == 1
