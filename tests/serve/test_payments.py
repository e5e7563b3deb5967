"""The ledger."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest


async def pay(http, key, amount=5, query=""):
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(f"/payments{query}", json={"amount": amount}, headers=headers)


async def test_the_same_key_and_body_settle_once_and_get_the_same_answer(http):
    first, second = await pay(http, "k"), await pay(http, "k")
    assert (first.status, second.status) == (201, 201)
    assert await first.read() == await second.read()
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    listed = await (await http.get("/payments")).json()
    assert listed == {"count": 1, "payments": [{"settlement": 1, "key": "k", "requests": 2, "body": {"amount": 5}}]}


async def test_the_same_key_with_another_body_gets_422(http):
    await pay(http, "k")
    assert (await pay(http, "k", amount=6)).status == 422
    assert (await (await http.get("/payments")).json())["count"] == 1


async def test_without_a_key_every_post_settles(http):
    await pay(http, None)
    await pay(http, None)
    assert (await (await http.get("/payments")).json())["count"] == 2


async def test_what_is_not_json_is_not_settled(http):
    assert (await http.post("/payments", data=b"{")).status == 400
    assert (await (await http.get("/payments")).json())["count"] == 0


async def test_a_payment_is_settled_though_the_client_left_before_the_answer(server, http):
    async with aiohttp.ClientSession(server.url, timeout=aiohttp.ClientTimeout(total=0.2)) as hasty:
        with pytest.raises(asyncio.TimeoutError):
            await pay(hasty, "k", query="?delay=30")
    assert (await pay(http, "k")).headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("fault", "settled"), [("drop", 0), ("503", 0), ("drop-headers", 1), ("drop-body", 1)])
async def test_a_drop_before_the_answer_settles_nothing_and_one_after_it_does(http, fault, settled):
    try:
        answer = await pay(http, None, query=f"?fault={fault}")
        await answer.read()
    except aiohttp.ClientError:
        pass
    assert (await (await http.get("/payments")).json())["count"] == settled
