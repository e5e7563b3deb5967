"""The payments example: one settlement per name, through declines, changed minds, cut connections and SIGKILL."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import random
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web

from asyncapi import Client, ConfigError, OutcomeUnknown, PaymentRequired, Retry
from asyncapi.serve import FaultServer
from servers import application

SCRIPT = Path(__file__).parents[2] / "examples" / "payments" / "payments.py"
PATIENCE = 60


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("payments_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["payments_example"] = module
    spec.loader.exec_module(module)
    return module


class Bank:
    """Settles once per key; `script` may hold an answer back, or answer something else."""

    def __init__(self, script=None) -> None:
        self.settled: Counter[str] = Counter()
        self.keys: list[str] = []
        self.came = asyncio.Event()
        self._script = script

    async def handle(self, request):
        body, key = await request.read(), request.headers["Idempotency-Key"]
        self.keys.append(key)
        if self._script is not None and (answer := await self._script(self, key)) is not None:
            return answer
        self.settle(key)
        return web.json_response({"settlement": list(self.settled).index(key) + 1, "key": key, "body": body.decode()})

    def settle(self, key) -> None:
        self.settled[key] = 1  # a second time is a replay
        self.came.set()

    @property
    def route(self):
        return web.post("/payments", self.handle)


def run_script(*arguments, url, store):
    return asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", str(SCRIPT), *arguments, "--server", url, "--store", str(store)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
    )


async def ran(*arguments, url, store):
    process = await run_script(*arguments, url=url, store=store)
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def kept(store):
    with closing(sqlite3.connect(store)) as db:
        return db.execute("SELECT name, key, status FROM payments ORDER BY rowid").fetchall()


async def test_charge_refund_and_list_from_the_command_line(tmp_path):
    store = tmp_path / "keys.sqlite"
    async with FaultServer() as server:
        for _ in range(2):  # the second click
            code, out, err = await ran("charge", "order-17", "1999", "EUR", url=server.url, store=store)
            assert (code, err) == (0, "")
            assert "settlement=1" in out
        assert (await ran("refund", "back-17", "500", "--of", "order-17", url=server.url, store=store))[0] == 0
        code, out, _ = await ran("list", url=server.url, store=store)
        assert len(out.splitlines()) == 2
        assert "{'refund_of': 1, 'amount': 500}" in out
        code, out, err = await ran("charge", "order-17", "2999", "EUR", url=server.url, store=store)
        assert code == 1
        assert "give it a new name" in err
        code, out, err = await ran("refund", "back-18", "500", "--of", "order-18", url=server.url, store=store)
        assert (code, "nothing to give back" in err) == (1, True)


async def test_a_process_killed_while_it_waits_for_its_answer_resumes_with_the_same_key(tmp_path):
    store = tmp_path / "keys.sqlite"

    async def hang_once(bank, key):
        if len(bank.keys) == 1:
            bank.settle(key)
            await asyncio.Event().wait()

    bank = Bank(hang_once)
    async with application(bank.route) as url:
        process = await run_script("charge", "order-17", "1999", "EUR", url=url, store=store)
        async with asyncio.timeout(PATIENCE):
            await bank.came.wait()
            process.send_signal(signal.SIGKILL)
            await process.communicate()
        [(_, key, status)] = kept(store)
        assert status is None
        code, out, err = await ran("resume", url=url, store=store)
        assert (code, err) == (0, "")
        assert f"order-17: settlement=1 key='{key}'" in out
        assert bank.keys == [key, key]
        assert dict(bank.settled) == {key: 1}
        assert (await ran("resume", url=url, store=store)) == (0, "", "")
        assert len(bank.keys) == 2
    assert kept(store) == [("order-17", key, 200)]


@pytest.mark.lanes
async def test_a_payment_that_stays_unknown_keeps_its_key_for_later(tmp_path, example):
    async def cut(bank, key):
        bank.settle(key)
        if len(bank.keys) <= 3:
            return DROP
        return None

    bank = Bank(cut)
    async with application(dropping(bank)) as url, Client(url, retry=Retry(3, base=0, budget=None)) as api:
        payments = example.Payments(api, example.KeyStore(tmp_path / "keys.sqlite"))
        with pytest.raises(OutcomeUnknown) as caught:
            await payments.charge("order-17", amount=1999, currency="EUR")
        results = await payments.resume()
        assert results["order-17"].key == caught.value.idempotency_key
        assert await payments.resume() == {}
        assert await payments.charge("order-17", amount=1999, currency="EUR") == results["order-17"]
        assert len(bank.keys) == 4
        assert len(set(bank.keys)) == len(bank.settled) == 1


DROP = object()


def dropping(bank):
    """The bank's route; where it says so, the connection is cut without an answer."""

    async def handle(request):
        answer = await bank.handle(request)
        if answer is DROP:
            request.transport.abort()
            return web.Response()
        return answer

    return web.post("/payments", handle)


@pytest.mark.lanes
async def test_a_declined_payment_is_final_and_another_name_is_another_try(tmp_path, example):
    async def decline_first(bank, key):
        if key == bank.keys[0]:
            return web.json_response({"error": "declined"}, status=402)
        return None

    bank = Bank(decline_first)
    async with application(bank.route) as url, Client(url) as api:
        store = tmp_path / "keys.sqlite"
        payments = example.Payments(api, example.KeyStore(store))
        with pytest.raises(PaymentRequired):
            await payments.charge("order-17", amount=1999, currency="EUR")
        assert len(bank.keys) == 1  # never retried
        assert await payments.resume() == {}
        with pytest.raises(ConfigError, match="nothing to give back"):
            await payments.refund("back-17", of="order-17", amount=1)
        await payments.charge("order-17/other-card", amount=1999, currency="EUR")
        assert [status for _, _, status in kept(store)] == [402, 200]


async def test_an_old_open_payment_is_left_to_people(tmp_path, example, monkeypatch):
    bank = Bank()
    async with application(bank.route) as url, Client(url) as api:
        store = example.KeyStore(tmp_path / "keys.sqlite")
        payment = await store.begin("order-17", b"{}")
        now = example.time.time
        monkeypatch.setattr(example.time, "time", lambda: now() + example.KEYS_LAST + 1)
        results = await example.Payments(api, store).resume()
        assert type(results["order-17"]) is OutcomeUnknown
        assert results["order-17"].idempotency_key == payment.key
        assert bank.keys == []


@pytest.mark.lanes
async def test_many_at_once_under_one_name_are_one_payment(tmp_path, example):
    bank = Bank()
    async with application(bank.route) as url, Client(url) as api:
        payments = example.Payments(api, example.KeyStore(tmp_path / "keys.sqlite"))
        charges = [payments.charge("order-17", amount=1999, currency="EUR") for _ in range(20)]
        receipts = await asyncio.gather(*charges)
        assert len({receipt.settlement for receipt in receipts}) == 1
        assert len(bank.settled) == 1


def loop_script(url, store, names):
    """A process that charges one name after another, for as long as it lives."""
    code = f"""
import asyncio, importlib.util, sys
spec = importlib.util.spec_from_file_location("payments_example", {str(SCRIPT)!r})
example = importlib.util.module_from_spec(spec)
sys.modules["payments_example"] = example
spec.loader.exec_module(example)

async def main():
    async with example.Client({url!r}) as api:
        payments = example.Payments(api, example.KeyStore({str(store)!r}))
        await payments.resume()
        print("ready", flush=True)
        for name in {names!r}:
            await payments.charge(name, amount=1999, currency="EUR")

asyncio.run(main())
"""
    return asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", code),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2])},
    )


async def test_killed_at_any_moment_and_started_again_every_payment_is_settled_once(tmp_path):
    """SIGKILL while keys are written, requests are sent, settled, answered and kept; eight times in one run of names."""
    store, names, draw = tmp_path / "keys.sqlite", [f"order-{n}" for n in range(2_000)], random.Random(7)

    async def dawdle(bank, key):
        await asyncio.sleep(draw.random() * 0.004)
        bank.settle(key)
        await asyncio.sleep(draw.random() * 0.004)

    bank = Bank(dawdle)
    async with application(bank.route) as url, asyncio.timeout(PATIENCE):
        left_open = 0
        for _ in range(8):
            process = await loop_script(url, store, names)
            assert await process.stdout.readline() == b"ready\n"
            await asyncio.sleep(draw.random() * 0.08)  # the moment
            process.kill()
            _, err = await process.communicate()
            assert err == b""
            left_open += sum(status is None for _, _, status in kept(store))
        code, _, err = await ran("resume", url=url, store=store)
        assert (code, err) == (0, "")
    rows = kept(store)
    assert left_open > 0, "no kill came at a moment that matters"
    assert {status for _, _, status in rows} == {200}
    assert sorted(bank.settled) == sorted(
        key for _, key, _ in rows
    )  # one settlement for each name, under its first key
    assert len({name for name, _, _ in rows}) == len(rows)


async def test_two_processes_over_one_file_pay_each_name_once(tmp_path):
    store, names = tmp_path / "keys.sqlite", [f"order-{n}" for n in range(40)]
    bank = Bank()
    async with application(bank.route) as url, asyncio.timeout(PATIENCE):
        processes = await asyncio.gather(*(loop_script(url, store, order) for order in (names, names[::-1], names)))
        ended = await asyncio.gather(*(process.communicate() for process in processes))
        assert [(process.returncode, err) for process, (_, err) in zip(processes, ended, strict=True)] == [(0, b"")] * 3
    rows = kept(store)
    assert sorted(name for name, _, _ in rows) == sorted(names)
    assert sorted(bank.settled) == sorted(key for _, key, _ in rows)
    assert {status for _, _, status in rows} == {200}
