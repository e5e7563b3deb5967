"""What a declared method costs over the plain call that it makes; microseconds of wall time, the mock transport below.

    python benchmarks/declared.py [rounds]

Both make the same request, with the same model. They take turns, and the best round of each counts: what is above it
is the machine's noise. The promise is 5 us.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel

from asyncapi import API, Client, Header, get, post
from asyncapi.testing import MockTransport
from asyncapi.types import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_CALLS = 400


class User(BaseModel):
    id: int


class Shop(API):
    @get("/users/{number}")
    async def user(self, number: int) -> User: ...

    @get("/users")
    async def find(
        self, team: str | None = None, *, limit: int = 10, trace: Annotated[str | None, Header("X-Trace")] = None
    ) -> User: ...

    @post("/users/{number}")
    async def change(self, number: int, user: User) -> User: ...


async def per_call(call: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    for _ in range(_CALLS):
        await call()
    return (time.perf_counter() - began) / _CALLS * 1e6


async def main(rounds: int) -> None:
    transport = MockTransport(lambda _: Response(200, None, b'{"id":1}'))
    async with Shop(Client("http://mock.invalid", transport=transport)) as shop:
        api, user, query = shop.client, User(id=1), {"team": "red", "limit": 10}
        pairs = {
            "a path": (
                lambda: api.get("/users/7", model=User, route="/users/{number}"),
                lambda: shop.user(7),
            ),
            "a query": (
                lambda: api.get("/users", model=User, params=query, route="/users"),
                lambda: shop.find("red"),
            ),
            "a query and a header": (
                lambda: api.get("/users", model=User, params=query, headers={"X-Trace": "t"}, route="/users"),
                lambda: shop.find("red", trace="t"),
            ),
            "a path and a body": (
                lambda: api.post("/users/7", model=User, json=user, route="/users/{number}"),
                lambda: shop.change(7, user),
            ),
        }
        print(f"{'a method with':<22}{'plain call':>12}{'method':>10}{'more':>8}   us")
        for name, (plain, method) in pairs.items():
            taken = [(await per_call(plain), await per_call(method)) for _ in range(rounds)]
            one, two = (min(column) for column in zip(*taken, strict=True))
            print(f"{name:<22}{one:>12.1f}{two:>10.1f}{two - one:>8.1f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 30))
