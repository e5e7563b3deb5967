"""How far a reader has to walk: the files of asyncapi that a call enters, and the moves between them.

    python benchmarks/walks.py            # the table
    python benchmarks/walks.py get fetch  # these walks, with every file they enter

A developer's tool; it times nothing. A profile function sees every call inside asyncapi/, in every thread, resumed
coroutines and generators included. Rules:
1. A file is entered when one of its functions runs; what an import runs (class bodies, decorators) does not count.
2. A move is a call into another file than the one called into before. Returns make no moves: a reader knows the way
   back.
3. A walk over the mock runs once before it is counted, so that it does not show what is built once a client or a
   model. `asyncapi fetch` is counted from `main` to its end; a further row of it is what a second row adds, between
   the outcomes of the first and the second.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import sys
import tempfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel

import asyncapi
from asyncapi import Client
from asyncapi.testing import FakeClock, MockTransport, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

HOME = str(Path(asyncapi.__file__).parent) + os.sep


class Walk:
    """What one piece of work ran through.

    Attributes:
        files: Calls that went into each file.
        moves: How often the file that runs changed.
        pairs: The moves from one file to another.
        paused: Whether calls are not counted for now.
    """

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()
        self.moves = 0
        self.paused = False
        self.pairs: Counter[tuple[str, str]] = Counter()
        self._here = ""

    def see(self, frame: FrameType, event: str, _: Any) -> None:
        """A profile function."""
        if event != "call":
            return
        code = frame.f_code
        if not code.co_filename.startswith(HOME) or self.paused or importing(frame):  # rule 1
            return
        file = code.co_filename[len(HOME) :]
        self.files[file] += 1
        if file != self._here:
            if self._here:
                self.moves += 1
                self.pairs[self._here, file] += 1
            self._here = file

    def __enter__(self) -> Self:
        threading.setprofile(self.see)
        sys.setprofile(self.see)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


def importing(frame: FrameType | None) -> bool:
    """Whether a frame belongs to an import."""
    while frame is not None:
        if frame.f_code.co_name == "<module>" and frame.f_code.co_filename.startswith(HOME):
            return True
        frame = frame.f_back
    return False


class User(BaseModel):
    id: int


async def watched(work: Callable[[], Awaitable[Any]], *, warm: int = 1) -> Walk:
    """Run `work` a few times, then once more under a walk."""
    for _ in range(warm):
        await work()
    with Walk() as walk:
        await work()
    return walk


def ok(_: Any) -> Any:
    return reply(200, json={"id": 1})


async def get() -> Walk:
    async with Client("https://api.example.com", transport=MockTransport(ok)) as api:
        return await watched(lambda: api.get("/users/1", model=User))


async def declared() -> Walk:
    from asyncapi import API, get

    class Users(API):
        @get("/users/{number}")
        async def user(self, number: int) -> User: ...

    async with Client("https://api.example.com", transport=MockTransport(ok)) as client:
        api = Users(client)
        return await watched(lambda: api.user(1))


async def map_of_two() -> Walk:
    async with Client("https://api.example.com", transport=MockTransport(ok)) as api:

        async def work() -> None:
            async with api.map(["/users/1", "/users/2"], model=User) as outcomes:
                async for outcome in outcomes:
                    assert outcome.ok

        return await watched(work)


async def stream() -> Walk:
    async with Client("https://api.example.com", transport=MockTransport(ok)) as api:

        async def work() -> None:
            async with api.stream("GET", "/users/1") as response:
                async for _ in response.bytes():
                    pass

        return await watched(work)


async def retried() -> Walk:
    statuses = iter([503, 200] * 10)
    clock = FakeClock()

    async with Client(
        "https://api.example.com", transport=MockTransport(lambda _: reply(next(statuses), json={"id": 1})), clock=clock
    ) as api:
        return await watched(lambda: api.get("/users/1", model=User))


async def unauthorized() -> Walk:
    from asyncapi import OAuth2ClientCredentials

    tokens = iter(range(100))
    calls = iter([200, 401, 200])

    def answer(request: Any) -> Any:
        if request.url.path == "/token":
            return reply(200, json={"access_token": f"t{next(tokens)}", "token_type": "Bearer", "expires_in": 3600})
        return reply(next(calls), json={"id": 1})

    auth = OAuth2ClientCredentials("https://api.example.com/token", "id", "secret")
    async with Client("https://api.example.com", transport=MockTransport(answer), auth=auth) as api:
        return await watched(lambda: api.get("/users/1", model=User))


class Row(BaseHTTPRequestHandler):
    """A server without a line of asyncapi."""

    def do_GET(self) -> None:
        body = b'{"id":1}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The URL of one row."""
    with HTTPServer(("127.0.0.1", 0), Row) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/items/1"
        finally:
            server.shutdown()
            thread.join()


def fetch() -> Walk:
    """One row of a text file, to JSON lines, from `main` to its end."""
    walk = Walk()
    _fetch(walk, rows=1)
    return walk


def further_row() -> Walk:
    """The second of two rows, one at a time: from the first outcome that the job takes to the second."""
    from asyncapi.bulk.results import Results

    walk, take = Walk(), Results.take
    walk.paused = True

    def taken(results: Results, outcome: Any) -> None:
        take(results, outcome)
        walk.paused = outcome.index != 0

    Results.take = taken
    try:
        _fetch(walk, rows=2)
    finally:
        Results.take = take
    return walk


def _fetch(walk: Walk, rows: int) -> None:
    from asyncapi import cli

    with tempfile.TemporaryDirectory() as folder, served() as url:
        source, output = Path(folder, "urls.txt"), Path(folder, "out.jsonl")
        source.write_text(f"{url}\n" * rows)
        sys.argv = ["asyncapi", "fetch", str(source), "-o", str(output), "-c", "1"]
        with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit), walk:
            cli.main()
        assert output.read_text().count('"ok":true') == rows


WALKS: dict[str, Callable[[], Any]] = {
    "get": get,
    "declared": declared,
    "map of two": map_of_two,
    "stream": stream,
    "503 retried": retried,
    "401 with a token": unauthorized,
    "one row of fetch": fetch,
    "a further row": further_row,
}


def main(wanted: list[str]) -> None:
    """Print the table, or the walks that are named."""
    names = [name for name in WALKS if not wanted or any(word in name for word in wanted)]
    print(f"asyncapi of {HOME}\n\n{'walk':<18} {'files':>6} {'moves':>6}")
    for name in names:
        work = WALKS[name]
        walk = asyncio.run(work()) if asyncio.iscoroutinefunction(work) else work()
        print(f"{name:<18} {len(walk.files):>6} {walk.moves:>6}")
        if wanted:
            for file, calls in sorted(walk.files.items()):
                print(f"    {file:<44} {calls:>5} calls")
            for (here, there), count in walk.pairs.most_common(25):
                print(f"    {count:>5}  {here} -> {there}")


if __name__ == "__main__":
    main(sys.argv[1:])
