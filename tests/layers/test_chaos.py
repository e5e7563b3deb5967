"""Chaos: what goes wrong on purpose goes wrong the same way in every run."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

from asyncapi import Client, GraphQL, RPCError
from asyncapi.errors import AsyncAPIError, ConfigError, ConnectError, ProtocolError, RequestTimeout
from asyncapi.layers import telemetry
from asyncapi.layers.chaos import chaos, planned_fault
from asyncapi.layers.retry import retry
from asyncapi.messages.call import CallSettings
from asyncapi.sansio.limits.keyed import Keyed
from asyncapi.scheduling.watchdog import Watchdog
from asyncapi.settings import Retry
from asyncapi.settings.chaos import Chaos
from asyncapi.testing import APIMock, FakeClock, MockTransport, reply, run
from asyncapi.types import Call, Request, stack
from stepping import each_cancellation


class Host:
    """A host that is well, behind chaos, in virtual time."""

    def __init__(self, settings: Chaos, *, takes=0.0, retries=None) -> None:
        self.clock = FakeClock()
        self.takes, self.sent = takes, 0
        self.watchdog = Watchdog(self.clock)
        self.policy = None if retries is None else retries
        self.transport = MockTransport(self.handle, clock=self.clock)
        self.send = stack(
            self.transport.send,
            retry(Keyed(Retry().budget.start), self.clock),
            telemetry.attempts(telemetry.Meter(), self.clock),
            chaos(settings, self.watchdog, self.clock),
        )

    async def handle(self, request):
        self.sent += 1
        await self.clock.sleep(self.takes)
        return reply(200, content=b"0123456789" * 10, headers={"X-From": "host"})

    def request(self, path="/", limit=None) -> Request:
        request = Request("GET", f"https://h{path}")
        request.call = Call(self.clock.now(), "h", CallSettings(attempt=limit, retry=self.policy))
        return request

    async def ask(self, path="/", limit=None):
        return await self.send(self.request(path, limit))

    async def fate(self, path="/"):
        """What becomes of one call, as text."""
        try:
            response = await self.ask(path)
        except Exception as error:
            return f"{type(error).__name__}: {error.message}"
        return f"{response.status} {len(response.content)}"


def played(scenario_of, settings, **given):
    async def scenario():
        host = Host(settings, **given)
        result = await scenario_of(host)
        assert len(host.watchdog) == 0
        return result

    return run(scenario())


EVERYTHING = {"latency": (0.1, 0.5), "drops": 0.2, "throttle": 0.1, "errors": {500: 0.1, 404: 0.1}, "truncate": 0.3}


def test_the_same_seed_does_the_same_whatever_the_timing_and_the_order():
    paths = [f"/{number}" for number in range(50)] * 4

    async def one_by_one(host):
        fates = {}
        for path in paths:
            fates.setdefault(path, []).append(await host.fate(path))
        return fates

    async def all_at_once_in_another_order(host):
        shuffled = random.Random(1).sample(paths, len(paths))
        fates = {}

        async def one(path):
            mine = fates.setdefault(path, [])
            mine.append(None)
            place = len(mine) - 1
            mine[place] = await host.fate(path)

        await asyncio.gather(*(one(path) for path in shuffled))
        return fates

    settings = Chaos(**EVERYTHING, seed=7)
    first = played(one_by_one, settings)
    assert first == played(one_by_one, settings, takes=3.0)
    assert first == played(all_at_once_in_another_order, settings)
    assert first != played(one_by_one, Chaos(**EVERYTHING, seed=8))
    assert len({tuple(fates) for fates in first.values()}) > 20  # and visits of one URL differ


def test_the_shares_are_kept():
    async def scenario(host):
        return Counter([(await host.fate(f"/{number}")).split()[0] for number in range(5000)]), host.sent

    counted, sent = played(scenario, Chaos(drops=0.2, throttle=0.1, errors={500: 0.1, 404: 0.05}))
    share = {name: count / 5000 for name, count in counted.items()}
    expected = {"ConnectError:": 0.1, "ProtocolError:": 0.1, "429": 0.1, "500": 0.1, "404": 0.05, "200": 0.55}
    assert share == pytest.approx(expected, abs=0.02)
    assert sent / 5000 == pytest.approx(0.55 + 0.1, abs=0.02)  # lost answers were sent, all other faults were not


def test_another_setting_does_not_change_who_is_hit():
    async def scenario(host):
        return {number for number in range(300) if (await host.fate(f"/{number}")).startswith("200 100")}

    alone = played(scenario, Chaos(drops=0.3))
    assert played(scenario, Chaos(drops=0.3, latency=0.5)) == alone
    assert played(scenario, Chaos(drops=0.4)) < alone  # more are hit, and they are the same and some


def test_nothing_on_does_nothing():
    async def scenario(host):
        assert {await host.fate(f"/{number}") for number in range(100)} == {"200 100"}
        assert host.clock.now() == 0.0

    played(scenario, Chaos())


def test_latency_is_between_its_bounds_and_hits_its_share():
    async def scenario(host):
        taken = []
        for number in range(1000):
            began = host.clock.now()
            await host.ask(f"/{number}")
            taken.append(host.clock.now() - began)
        return taken

    taken = played(scenario, Chaos(latency=(1.0, 2.0), slow=0.3))
    slow = [one for one in taken if one > 0]
    assert len(slow) == pytest.approx(300, abs=50)
    assert min(slow) >= 0.999
    assert max(slow) <= 2.001
    assert sum(slow) / len(slow) == pytest.approx(1.5, abs=0.1)
    assert set(played(scenario, Chaos(latency=0.25))) == {0.25}


def test_added_latency_counts_against_the_attempts_limit():
    async def scenario(host):
        with pytest.raises(RequestTimeout, match="longer than 1 s"):
            await host.ask(limit=1.0)
        assert (host.clock.now(), host.sent) == (1.0, 0)
        with pytest.raises(RequestTimeout):
            await host.ask(limit=3.5)
        assert (host.clock.now(), host.sent) == (4.5, 1)
        assert (await host.ask(limit=5.0)).status == 200

    played(scenario, Chaos(latency=3.0), takes=1.0)


def test_a_throttled_attempt_is_told_when_to_come_back():
    async def scenario(host):
        response = await host.ask()
        assert (response.status, response.headers["Retry-After"]) == (429, "2.5")
        assert response.headers["X-Chaos"] == "answered"
        assert response.request is not None

    played(scenario, Chaos(throttle=1.0, retry_after=2.5))


def test_a_share_alone_is_of_503s():
    async def scenario(host):
        assert await host.fate() == "503 5"
        assert host.sent == 0

    played(scenario, Chaos(errors=1.0))


def test_a_dropped_connection_is_an_error_that_retries_know():
    async def scenario(host):
        kinds = Counter()
        for number in range(100):
            with pytest.raises((ConnectError, ProtocolError), match="chaos") as caught:
                await host.ask(f"/{number}")
            kinds[type(caught.value)] += 1
            assert not caught.value.final
        assert host.sent == kinds[ProtocolError]

    played(scenario, Chaos(drops=1.0))


def test_a_cut_body_is_a_broken_connection_and_never_half_a_response():
    async def scenario(host):
        told = set()
        for number in range(50):
            request = host.request(f"/{number}")
            with pytest.raises(ProtocolError, match="of 100 bytes of the response body") as caught:
                await host.send(request)
            told.add(caught.value.message)
            assert request.call.attempts[0].error.startswith("ProtocolError")
            assert request.call.phase == "body"
        assert len(told) > 20
        assert host.sent == 50

    played(scenario, Chaos(truncate=1.0))


def test_a_cut_body_is_retried_as_a_real_one_would_be():
    async def scenario(host):
        for number in range(50):
            assert (await host.ask(f"/{number}")).content == b"0123456789" * 10
        assert host.sent > 60

    played(scenario, Chaos(truncate=0.3), retries=Retry(10, base=0.01, budget=None))


def test_what_happens_is_the_same_in_every_process():
    code = (
        "from asyncapi.testing import Chaos\n"
        "from asyncapi.layers.chaos import planned_fault\n"
        f"settings = Chaos(**{EVERYTHING!r}, seed=7)\n"
        "print([planned_fault(settings, f'GET https://h/{n % 10}', n // 10 + 1) for n in range(50)])"
    )
    told = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        told.add(done.stdout)
    settings = Chaos(**EVERYTHING, seed=7)
    assert told == {f"{[planned_fault(settings, f'GET https://h/{n % 10}', n // 10 + 1) for n in range(50)]}\n"}


def test_retries_get_through_it_and_the_records_show_it():
    async def scenario(host):
        statuses = []
        for number in range(50):
            request = host.request(f"/{number}")
            statuses.append((await host.send(request)).status)
            if len(request.call.attempts) > 1:
                assert request.call.attempts[0].status == 503
        assert statuses == [200] * 50
        assert host.sent == 50

    played(scenario, Chaos(errors=0.3), retries=Retry(10, base=0.01, budget=None))


def test_no_cancellation_at_any_point_leaves_anything_behind():
    async def scenario(loop):
        host = Host(Chaos(latency=0.5), takes=0.5)
        loop.victim = asyncio.create_task(host.ask(limit=2.0))
        await asyncio.wait([loop.victim])
        assert len(host.watchdog) == 0
        host.watchdog.close()
        host.transport._watchdog.close()

    assert each_cancellation(scenario) >= 21


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"latency": (2.0, 1.0)}, "pair"),
        ({"latency": -1.0}, "seconds"),
        ({"errors": 2.0}, "at most 1"),
        ({"errors": {99: 0.1}}, "status"),
        ({"errors": {500: -0.1}}, "status"),
        ({"drops": 0.6, "errors": 0.6}, "at most 1"),
        ({"drops": 0.6, "throttle": 0.6}, "at most 1"),
        ({"truncate": 1.5}, "truncate=1.5"),
        ({"retry_after": 0}, "retry_after=0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Chaos(**settings)


# --- outages and sockets --------------------------------------------------------------------------------------


def test_an_outage_goes_over_several_attempts_in_a_row():
    settings = Chaos(outages=0.2, outage_length=4)
    runs, unsent = [], 0
    for number in range(200):
        faults = [planned_fault(settings, f"GET https://h/{number}", visit).unsent for visit in range(1, 41)]
        unsent += sum(faults)
        text = "".join("x" if fault else "." for fault in faults[4:-4])
        runs += [len(run) for run in text.strip("x").split(".") if run]
    assert 0.15 < unsent / 8000 < 0.25
    assert runs
    assert all(length % 4 == 0 for length in runs)


@pytest.mark.parametrize("lane", ["aiohttp", "native"])
async def test_a_websocket_loses_its_connection_after_some_messages(lane):
    with APIMock() as mock:
        feed = mock.websocket("/feed").accept(range(100))
        settings = {"chaos": Chaos(truncate=1.0), "retry": Retry(base=0.001), "transport": lane}
        async with Client("https://h", **settings) as api, api.websocket("/feed") as ws:
            got = [await ws.receive() for _ in range(15)]
    assert got[0] == "0"
    assert feed.call_count > 1


async def test_handshakes_rpcs_and_graphql_meet_the_faults():
    with APIMock(required=False) as mock:
        mock.websocket("/feed")
        mock.grpc("/p.S/M")
        mock.graphql("A").reply(json={"data": {}})
        async with Client("https://h", http2=True, chaos=Chaos(errors=1.0), retry=None) as api:
            with pytest.raises(AsyncAPIError, match="503"):
                await api.websocket("/feed").__aenter__()
            with pytest.raises(RPCError, match="UNAVAILABLE"):
                await api.grpc().unary_unary("/p.S/M")(b"")
            with pytest.raises(AsyncAPIError, match="503"):
                await GraphQL(api, "/graphql").query("query A { a }")
        assert not mock.calls
