"""Claims in a SQLite file: one holder, renewed while it lives."""

from __future__ import annotations

import asyncio

from asyncapi.stores import sqlite_claims
from asyncapi.stores.sqlite_claims import Claims
from asyncapi.stores.sqlite_file import open_file
from asyncapi.stores.sqlite_writer import Writer


async def test_one_of_two_clients_gets_a_claim_and_keeps_it_until_it_gives_it_back(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_claims, "RENEW", 0.01)
    base = open_file(tmp_path / "c", busy=0)
    writers = [Writer(tmp_path / "c", 1_000_000, None, lambda _changes, _why: None) for _ in range(2)]
    one, other = map(Claims, writers)
    assert [await one.take(base, b"n"), await other.take(base, b"n")] == ["mine", "held"]
    (ends,) = base.execute("SELECT ends FROM claims").fetchone()
    while base.execute("SELECT ends FROM claims").fetchone() == (ends,):
        await asyncio.sleep(0.01)
    one.release(b"n", 0.0)
    while await other.take(base, b"n") == "held":
        await asyncio.sleep(0.01)
    other.close()
    base.close()
    for writer in writers:
        writer.stop()
        writer.join(30)


async def test_where_the_lock_can_not_be_had_everybody_goes_on(tmp_path):
    base, locked = (open_file(tmp_path / "c", busy=0) for _ in range(2))
    locked.execute("BEGIN IMMEDIATE")
    claims = Claims(Writer(tmp_path / "c", 1_000_000, None, lambda _changes, _why: None))
    assert await claims.take(base, b"n") == "free"
    locked.close()
    base.close()
