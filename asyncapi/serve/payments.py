"""`/payments`: a ledger that shows whether a client ever settled something twice."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from asyncapi.serve.query import seconds_in
from asyncapi.serve.replies import Refusal, Reply, json_reply

if TYPE_CHECKING:
    from aiohttp import web

_MANY = 100_000


@dataclass(slots=True)
class Payment:
    """One settlement, and how often it was asked for."""

    settlement: int
    key: str | None
    body: bytes
    requests: int = 1

    def shown(self) -> dict[str, Any]:
        """The settlement as plain data."""
        return {"settlement": self.settlement, "key": self.key, "requests": self.requests, "body": from_json(self.body)}


class Ledger:
    """POST settles, once per Idempotency-Key; GET lists.

    A repeat with the same key and body gets the first answer again, with `Idempotent-Replayed: true`; with another
    body it gets 422. Without a key, every POST is a settlement. `?delay=` waits between settling and answering.
    """

    def __init__(self) -> None:
        self.payments: list[Payment] = []
        self.by_key: dict[str, Payment] = {}

    async def __call__(self, request: web.BaseRequest, _rest: str) -> Reply:
        """The answer to a GET or a POST."""
        if request.method != "POST":
            return json_reply({"count": len(self.payments), "payments": [each.shown() for each in self.payments]})
        body = await request.read()
        delay = seconds_in(request.query, "delay", 0.0)
        reply = self.settle(request.headers.get("Idempotency-Key"), body)
        if delay:
            await asyncio.sleep(delay)
        return reply

    def settle(self, key: str | None, body: bytes) -> Reply:
        """Settle, or repeat the answer of the settlement with this key."""
        try:
            from_json(body)
        except ValueError as error:
            raise Refusal(400, f"a payment is JSON: {error}") from None
        known = self.by_key.get(key) if key else None
        if known is not None:
            if known.body != body:
                raise Refusal(422, f"the Idempotency-Key {key!r} was used with another body: use a new key")
            known.requests += 1
            return self._receipt(known, [("Idempotent-Replayed", "true")])
        if len(self.payments) >= _MANY:
            raise Refusal(507, f"the ledger holds {_MANY} settlements and no more: POST /reset")
        payment = Payment(len(self.payments) + 1, key, body)
        self.payments.append(payment)
        if key:
            self.by_key[key] = payment
        return self._receipt(payment, [])

    @staticmethod
    def _receipt(payment: Payment, headers: list[tuple[str, str]]) -> Reply:
        return json_reply({"settlement": payment.settlement, "key": payment.key}, 201, headers)
