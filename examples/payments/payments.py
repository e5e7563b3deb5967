"""Payments that survive a crash, a cut connection and a second click: each is settled at most once.

    payments.py charge order-17 1999 EUR --server http://127.0.0.1:8080 --store keys.sqlite
    payments.py refund order-17/back 500 --of order-17
    payments.py resume          sends again whatever a crash or a cut connection has left open
    payments.py list

The rules, in this order:
1. Before anything is sent, the payment's name, idempotency key and body are on the disk (`KeyStore`).
2. What is sent is what is on the disk. A name that was begun goes on with its own key, in this process or another;
   with another body it is refused, and nothing is sent.
3. An answer is on the disk before it is handed on. `OutcomeUnknown`, a server in trouble or a crash leave it open.
4. What is open is sent again with its own key: the server answers as it did, or would have, the first time. Servers
   forget keys after a while; what is older than that is left to people.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import sys
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from asyncapi import AsyncAPIError, Client, ClientError, ConfigError, OutcomeUnknown, Retry, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH = "/payments"
KEYS_LAST = 24 * 3600.0  # seconds for which the server remembers a key: see its documentation
FINAL = frozenset({400, 402, 404, 422})  # refused for good: sending it again would end the same way
SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (
    name TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, body BLOB NOT NULL, begun REAL NOT NULL,
    status INTEGER, answer BLOB
)
"""


@dataclass(frozen=True, slots=True)
class Payment:
    """One payment as it is on the disk; `status` is None while it is open."""

    name: str
    key: str
    body: bytes
    begun: float
    status: int | None
    answer: bytes | None


class Receipt(BaseModel):
    """What the server answers to a payment."""

    settlement: int
    key: str


class Settled(BaseModel):
    """One line of the server's own list."""

    settlement: int
    key: str
    body: dict[str, Any]


class Ledger(BaseModel):
    """The server's own list."""

    count: int
    payments: list[Settled]


class KeyStore:
    """Payments and their idempotency keys in a SQLite file, which outlives the process and serves several."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._run(SCHEMA)

    async def begin(self, name: str, body: bytes) -> Payment:
        """The payment of this name: begun now, or earlier.

        Raises:
            ConfigError: It was begun with another body.
        """
        row = name, str(uuid.uuid4()), body, time.time()
        await asyncio.to_thread(
            self._run, "INSERT OR IGNORE INTO payments (name, key, body, begun) VALUES (?, ?, ?, ?)", row
        )
        payment = await self.get(name)
        if payment is None or payment.body != body:
            raise ConfigError(f"payment {name!r} was begun as another one: send it as it was, or give it a new name")
        return payment

    async def get(self, name: str) -> Payment | None:
        """The payment of this name, if there is one."""
        found = await asyncio.to_thread(self._run, "SELECT * FROM payments WHERE name = ?", (name,))
        return Payment(*found[0]) if found else None

    async def settle(self, name: str, status: int, answer: bytes) -> None:
        """Keep the server's answer: the payment is open no more."""
        row = status, answer, name
        await asyncio.to_thread(self._run, "UPDATE payments SET status = ?, answer = ? WHERE name = ?", row)

    async def unsettled(self) -> list[Payment]:
        """What has been begun and has no answer yet."""
        found = await asyncio.to_thread(self._run, "SELECT * FROM payments WHERE status IS NULL ORDER BY rowid")
        return [Payment(*row) for row in found]

    def _run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=30)) as db, db:
            db.execute("PRAGMA synchronous = FULL")  # on the disk means on the disk
            return db.execute(statement, tuple(values)).fetchall()


class Payments:
    """Charges and refunds by name: the same name is the same payment, however often it is asked for."""

    def __init__(self, api: Client, store: KeyStore) -> None:
        self._api = api
        self._store = store

    async def charge(self, name: str, *, amount: int, currency: str) -> Receipt:
        """Charge `amount` (in cents) once.

        Raises:
            PaymentRequired: Declined. Another try is another payment: give it a new name.
            OutcomeUnknown: It may have been settled; `resume()`, or the same call again, finds out.
            ConfigError: The name stands for another payment. Nothing was sent.
        """
        return await self._pay(name, {"amount": amount, "currency": currency})

    async def refund(self, name: str, *, of: str, amount: int) -> Receipt:
        """Give `amount` of a charge back once.

        Raises:
            ConfigError: There is no such settled charge.
            AsyncAPIError: As in `charge`.
        """
        charge = await self._store.get(of)
        if charge is None or charge.answer is None or charge.status in FINAL:
            raise ConfigError(f"payment {of!r} is not settled: there is nothing to give back")
        return await self._pay(name, {"refund_of": from_json(charge.answer)["settlement"], "amount": amount})

    async def list(self) -> Ledger:
        """What the server has settled."""
        return await self._api.get(PATH, model=Ledger, route=PATH)

    async def resume(self) -> dict[str, Receipt | AsyncAPIError]:
        """Send again what is open, with the keys it has; what became of each, by name."""
        results: dict[str, Receipt | AsyncAPIError] = {}
        for payment in await self._store.unsettled():
            try:
                results[payment.name] = await self._send(payment)
            except AsyncAPIError as error:
                results[payment.name] = error
        return results

    async def _pay(self, name: str, body: dict[str, Any]) -> Receipt:
        payment = await self._store.begin(name, to_json(body))
        if payment.answer is not None and payment.status not in FINAL:
            return Receipt.model_validate_json(payment.answer)
        return await self._send(payment)

    async def _send(self, payment: Payment) -> Receipt:
        if time.time() - payment.begun > KEYS_LAST:
            raise OutcomeUnknown(
                f"payment {payment.name!r} was begun over {KEYS_LAST:g} s ago: the server may have forgotten its key; "
                "look it up in its list",
                idempotency_key=payment.key,
            )
        headers = {"Content-Type": "application/json"}
        try:
            response = await self._api.post(
                PATH, content=payment.body, headers=headers, idempotency_key=payment.key, route=PATH
            )
        except ClientError as error:
            if error.status in FINAL:
                await self._store.settle(payment.name, error.status, error.body)
            raise
        receipt = response.parse(Receipt)
        await self._store.settle(payment.name, response.status, response.content)
        return receipt


async def main(arguments: argparse.Namespace) -> int:
    """Run one command; the exit status is 0, 1 (refused or failed) or 3 (unknown: resume)."""
    timeout = Timeout(total=30, connect=5, attempt=5)
    async with Client(arguments.server, retry=Retry(5, base=0.2), timeout=timeout) as api:
        payments = Payments(api, KeyStore(arguments.store))
        try:
            return await run(payments, arguments)
        except OutcomeUnknown as error:
            print(f"unknown: {error}; key {error.idempotency_key} is kept: payments.py resume", file=sys.stderr)
            return 3
        except AsyncAPIError as error:
            print(error, file=sys.stderr)
            return 1


async def run(payments: Payments, asked: argparse.Namespace) -> int:
    """One command."""
    match asked.command:
        case "charge":
            print(await payments.charge(asked.name, amount=asked.amount, currency=asked.currency))
        case "refund":
            print(await payments.refund(asked.name, of=asked.of, amount=asked.amount))
        case "list":
            for line in (await payments.list()).payments:
                print(line.settlement, line.key, line.body)
        case "resume":
            results = await payments.resume()
            for name, result in results.items():
                print(f"{name}: {result}")
            if any(isinstance(result, AsyncAPIError) for result in results.values()):
                return 1
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--server", default="http://127.0.0.1:8080", help="base URL")
    shared.add_argument("--store", type=Path, default=Path("payments.sqlite"), help="where the keys are kept")
    parser = argparse.ArgumentParser(description="Payments, each settled at most once.")
    commands = parser.add_subparsers(dest="command", required=True)
    charge = commands.add_parser("charge", parents=[shared])
    refund = commands.add_parser("refund", parents=[shared])
    for command in (charge, refund):
        command.add_argument("name")
        command.add_argument("amount", type=int, help="in cents")
    charge.add_argument("currency")
    refund.add_argument("--of", required=True, help="the charge's name")
    for name in ("list", "resume"):
        commands.add_parser(name, parents=[shared])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parsed())))
