"""What a GraphQL query costs over the same POST by `api.post`; microseconds of CPU of this process a call.

    python benchmarks/graphql.py [calls]

Both send the same bytes to a server of a process of its own, 100 calls at a time, and read the same value. They take
ten turns in each round, and the median of 5 rounds counts. The promise is 1.15 times.
"""

from __future__ import annotations

import asyncio
import re
import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from pydantic import BaseModel

from asyncapi import Client, GraphQL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ROUNDS, _TURNS, _AT_A_TIME = 5, 10, 100
_DOCUMENT = "query GetUser($id: ID!) { user(id: $id) { id name email } }"
_BODY = b'{"data":{"user":{"id":7,"name":"Ada Lovelace","email":"ada@example.com"}}}'
_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/graphql-response+json; charset=utf-8\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class User(BaseModel):
    id: int
    name: str
    email: str


class Data(BaseModel):
    user: User


class Whole(BaseModel):
    data: Data


class _Connection(asyncio.Protocol):
    """Gives every request the same response."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head := self._received.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._received, 0, head)
            end = head + 4 + (int(found[1]) if found else 0)
            if len(self._received) < end:
                return
            self._received = self._received[end:]
            self._transport.write(_RESPONSE)  # type: ignore[attr-defined]


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def cpu_per_call(call: Callable[[], Awaitable[object]], calls: int) -> float:
    async def some() -> None:
        for _ in range(calls // _AT_A_TIME):
            await call()

    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_A_TIME):
            group.create_task(some())
    return (time.process_time() - began) / (calls // _AT_A_TIME * _AT_A_TIME) * 1e6


async def measure(port: int, calls: int) -> None:
    async with Client(f"http://127.0.0.1:{port}") as api:
        gql = GraphQL(api)
        headers = {"Accept": "application/graphql-response+json, application/json;q=0.9"}
        body = {"query": _DOCUMENT, "operationName": "GetUser", "variables": {"id": "7"}}
        rows = {
            "api.post, to a model": lambda: api.post("/graphql", json=body, headers=headers, model=Whole),
            "gql.query, to a model": lambda: gql.query(_DOCUMENT, {"id": "7"}, model=User, field="user"),
            "api.post, plain data": lambda: _plain(api, body, headers),
            "gql.query, plain data": lambda: gql.query(_DOCUMENT, {"id": "7"}, field="user"),
        }
        taken: dict[str, list[float]] = {name: [] for name in rows}
        for each in range(_ROUNDS + 1):  # the first warms up
            spent = dict.fromkeys(rows, 0.0)
            for _ in range(_TURNS):
                for name, call in rows.items():
                    spent[name] += await cpu_per_call(call, calls // _TURNS) / _TURNS
            if each:
                for name, cpu in spent.items():
                    taken[name].append(cpu)
    medians = {name: statistics.median(spent) for name, spent in taken.items()}
    for name, median in medians.items():
        base = medians[name.replace("gql.query", "api.post")]
        print(
            f"{name:<24}{median:>8.1f} us{median / base:>7.2f} x   ({min(taken[name]):.1f} to {max(taken[name]):.1f})"
        )


async def _plain(api: Client, body: object, headers: dict[str, str]) -> object:
    return (await api.post("/graphql", json=body, headers=headers)).json()["data"]["user"]


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            asyncio.run(measure(int(server.stdout.readline()), int(sys.argv[1]) if len(sys.argv) > 1 else 3000))
        finally:
            server.kill()


if __name__ == "__main__":
    main()
