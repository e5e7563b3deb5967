"""Bodies into files: whole or not at all, and gone on with after a cut where that is sure."""

from __future__ import annotations

import asyncio
import re

import pytest

from asyncapi import Client, ConfigError, DeadlineExceeded, NotFound, ProtocolError, RequestTimeout, Retry, Timeout
from servers import always, saying, scripted

BODY = b"The quick brown fox jumps over the lazy dog."
QUICK = Retry(4, base=0.001)


class Host:
    """Serves a body with ranges, as `servers.scripted` takes it; cuts the first answers where it is told to."""

    def __init__(self, *cuts: int, tag: str = '"a"', ranges: bool = True, also: str = "") -> None:
        self.cuts = list(cuts)
        self.tag = tag
        self.ranges = ranges
        self.also = also
        self.body = BODY

    async def __call__(self, peer):
        while (seen := await peer.request()) is not None:
            at, status, more = 0, "200 OK", ""
            found = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("Range", ""))
            if found and self.ranges and seen.headers.get("If-Range") == self.tag:
                at, status = int(found[1]), "206 Partial Content"
                more = f"Content-Range: bytes {at}-{len(self.body) - 1}/{len(self.body)}\r\n"
            rest = self.body[at:]
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(rest)}\r\nETag: {self.tag}\r\n{more}{self.also}\r\n"
            if self.cuts:
                await peer.write(head.encode() + rest[: self.cuts.pop(0)])
                return
            await peer.write(head.encode() + rest)


async def saved(server, path, *, retry=QUICK, **call) -> int:
    async with Client(server.url, retry=retry) as api:
        try:
            async with api.stream("GET", "/f?x=1", **call) as response:
                return await response.save(path)
        finally:
            assert (api.stats.in_flight, api._parts.gate.free) == (0, 100)


async def test_it_is_there_at_the_end_with_the_usual_rights_and_nothing_beside_it(tmp_path):
    file, seen = tmp_path / "f", []
    file.write_bytes(b"old")
    (tmp_path / "usual").touch()
    async with (
        scripted(always(b"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n" + BODY)) as server,
        Client(server.url) as api,
    ):
        async with api.stream("GET", "/") as response:
            assert await response.save(str(file), progress=lambda done, total: seen.append((done, total))) == len(BODY)
        assert len(server.peers) == 1
    assert file.read_bytes() == BODY
    assert file.stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert seen[-1] == (44, 44)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "usual"]


async def test_a_large_one_is_whole(tmp_path):
    body = bytes(range(256)) * 20_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with scripted(always(head + body)) as server:
        assert await saved(server, tmp_path / "f") == len(body)
    assert (tmp_path / "f").read_bytes() == body


async def test_cut_at_any_byte_it_is_gone_on_with(tmp_path):
    for cut in range(len(BODY)):
        async with scripted(Host(cut)) as server:
            assert await saved(server, tmp_path / "f", headers={"X-A": "b"}) == len(BODY)
            again = server.seen[1]
            assert (again.target, again.headers["Range"]) == ("/f?x=1", f"bytes={cut}-")
            assert again.headers["X-A"] == "b"
        assert (tmp_path / "f").read_bytes() == BODY


async def test_cuts_that_bring_something_are_no_end_and_those_that_do_not_are_counted(tmp_path):
    async with scripted(Host(*[3] * 12)) as server:
        assert await saved(server, tmp_path / "f") == len(BODY)
        assert len(server.seen) == 13
    async with scripted(Host(3, 0, 0, 0, 0)) as server:
        with pytest.raises(ProtocolError, match=r"broke off|was closed"):
            await saved(server, tmp_path / "g")
        assert len(server.seen) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


async def test_one_that_has_changed_is_saved_from_its_beginning(tmp_path):
    host = Host(30)

    async def script(peer):
        await host(peer)
        host.tag, host.body = '"b"', b"Something else."

    async with scripted(script) as server:
        assert await saved(server, tmp_path / "f") == 15
    assert (tmp_path / "f").read_bytes() == b"Something else."


@pytest.mark.parametrize(
    ("host", "call"),
    [
        (Host(5, tag='W/"a"'), {}),
        (Host(5, also="Accept-Ranges: none\r\n"), {}),
        (Host(5), {"retry": None}),
        (Host(5), {"content": b"x"}),
    ],
    ids=["weak", "no ranges", "no retries", "a body"],
)
async def test_what_is_not_sure_to_be_the_same_is_not_gone_on_with(tmp_path, host, call):
    async with scripted(host) as server:
        with pytest.raises(ProtocolError):
            await saved(server, tmp_path / "f", **call)
        assert len(server.seen) == 1
    assert list(tmp_path.iterdir()) == []


async def test_an_answer_that_is_no_rest_is_an_error(tmp_path):
    first = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 44\r\n\r\nabc'
    for second, error in [
        (b"HTTP/1.1 206 OK\r\nContent-Range: bytes 9-43/44\r\nContent-Length: 0\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ProtocolError),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", NotFound),
    ]:
        answers = [first, second]

        async def script(peer, answers=answers):
            await peer.request()
            await peer.write(answers.pop(0))

        async with scripted(script) as server:
            with pytest.raises(error):
                await saved(server, tmp_path / "f")
        assert list(tmp_path.iterdir()) == []


async def hangs(peer):
    await peer.request()
    await peer.write(b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 44\r\n\r\nabc')
    await peer.gone()


async def test_the_deadline_of_the_whole_ends_it(tmp_path):
    async with scripted(hangs) as server:
        with pytest.raises(RequestTimeout) as caught:
            await saved(server, tmp_path / "f", timeout=Timeout(0.2))
        assert len(server.seen) == 1
        assert isinstance(caught.value.__cause__, DeadlineExceeded)
    assert list(tmp_path.iterdir()) == []


async def test_what_is_cancelled_leaves_nothing(tmp_path):
    async with scripted(hangs) as server, Client(server.url) as api:
        async with asyncio.timeout(20):
            task = asyncio.create_task(saved(server, tmp_path / "f"))
            while not server.seen or not list(tmp_path.iterdir()):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert api.stats.in_flight == 0
    assert list(tmp_path.iterdir()) == []


async def test_a_place_that_is_none_is_refused_before_anything_is_read(tmp_path):
    async with (
        scripted(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")) as server,
        Client(server.url) as api,
        api.stream("GET", "/") as response,
    ):
        with pytest.raises(ConfigError, match=r"save\(.*No such file"):
            await response.save(tmp_path / "no" / "f")
        assert await response.read() == b"a"
        with pytest.raises(ConfigError, match="read by read"):
            await response.save(tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


async def test_a_failing_progress_is_the_callers(tmp_path):
    async with (
        scripted(saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")) as server,
        Client(server.url) as api,
        api.stream("GET", "/") as response,
    ):
        with pytest.raises(ZeroDivisionError):
            await response.save(tmp_path / "f", progress=lambda done, _: done // 0)
    assert list(tmp_path.iterdir()) == []
