"""Bodies into files: whole or not at all, and gone on with after a cut where that is sure."""

from __future__ import annotations

import asyncio
import re

import pytest

from asyncapi import Client, ConfigError, DeadlineExceeded, NotFound, ProtocolError, RequestTimeout, Retry, Timeout
from servers import always, saying, scripted

pytestmark = pytest.mark.lanes

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
            assert (api.stats.in_flight, api._state.gate.free) == (0, 100)


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
        ({"tag": 'W/"a"'}, {}),
        ({"also": "Accept-Ranges: none\r\n"}, {}),
        ({}, {"retry": None}),
        ({}, {"content": b"x"}),
    ],
    ids=["weak", "no ranges", "no retries", "a body"],
)
async def test_what_is_not_sure_to_be_the_same_is_not_gone_on_with(tmp_path, host, call):
    async with scripted(Host(5, **host)) as server:
        with pytest.raises(ProtocolError):
            await saved(server, tmp_path / "f", **call)
        assert len(server.seen) == 1
    assert list(tmp_path.iterdir()) == []


CUT = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 44\r\n\r\n' + BODY[:10]
WHOLE = b'HTTP/1.1 200 OK\r\nETag: "b"\r\nContent-Length: 9\r\n\r\nA new one'


def part(
    start: int, stop: int, *, total: object = 44, tag: str = 'ETag: "a"', body: bytes = BODY, more: str = ""
) -> bytes:
    """A 206 with these bytes of a body."""
    piece = body[start:stop]
    head = f"Content-Range: bytes {start}-{stop - 1}/{total}\r\nContent-Length: {len(piece)}\r\n"
    return f"HTTP/1.1 206 P\r\n{tag}\r\n{head}{more}\r\n".encode() + piece


def answering(first: bytes, rest, anew: bytes = WHOLE):
    """Gives `first` once; then `rest` (bytes, or a function of the asked-for start) to ranges, else `anew`."""

    async def script(peer):
        while (seen := await peer.request()) is not None:
            at = re.fullmatch(r"bytes=(\d+)-", seen.headers.get("Range", ""))
            answer = first if len(peer.server.seen) == 1 else anew
            if at:
                answer = rest(int(at[1])) if callable(rest) else rest
            await peer.write(answer)
            if answer == first or answer.startswith(b"HTTP/1.1 200") or b"Connection: close" in answer:
                return

    return script


async def test_a_server_may_give_less_than_the_rest_and_is_asked_until_all_has_come(tmp_path):
    async with scripted(answering(CUT, lambda at: part(at, min(at + 7, 44)))) as server:
        assert await saved(server, tmp_path / "f") == 44
        assert [seen.headers.get("Range") for seen in server.seen] == [
            None,
            *(f"bytes={at}-" for at in range(10, 44, 7)),
        ]
        assert {seen.headers.get("Accept-Encoding") for seen in server.seen[1:]} == {"identity"}
    assert (tmp_path / "f").read_bytes() == BODY


@pytest.mark.parametrize(
    "rest",
    [
        part(10, 44),
        part(0, 44),
        part(4, 44),
        part(10, 44, total="*"),
        part(10, 44).replace(b"206 P", b"200 OK"),
        part(10, 44, more="Content-Encoding: identity\r\n"),
    ],
    ids=["the rest", "all of it as a part", "from before the cut", "total not told", "as a 200", "no coding"],
)
async def test_what_is_sure_to_belong_to_it_is_joined(tmp_path, rest):
    async with scripted(answering(CUT, rest)) as server:
        assert await saved(server, tmp_path / "f") == 44
        assert len(server.seen) == 2
    assert (tmp_path / "f").read_bytes() == BODY


OTHER = BODY.upper()
UNSURE = {
    "another ETag": part(10, 44, tag='ETag: "b"', body=OTHER),
    "a weak ETag": part(10, 44, tag='ETag: W/"a"', body=OTHER),
    "no ETag": part(10, 44, tag="X-A: b", body=OTHER),
    "two ETags": part(10, 44, tag='ETag: "a"\r\nETag: "b"', body=OTHER),
    "another total": part(10, 44, total=45, body=OTHER),
    "more than its total": part(10, 44, total=40, body=OTHER),
    "more than the total that was told": part(10, 50, total="*", body=OTHER + b"123456"),
    "from behind the cut": part(11, 44, body=OTHER),
    "from before the cut, and not up to it": part(0, 10, body=OTHER),
    "no Content-Range": b'HTTP/1.1 206 P\r\nETag: "a"\r\nContent-Length: 34\r\n\r\n' + OTHER[10:],
    "two Content-Ranges": part(10, 44, more="Content-Range: bytes 9-43/44\r\n", body=OTHER),
    "nonsense in Content-Range": part(10, 44, total="many", body=OTHER),
    "several ranges": b'HTTP/1.1 206 P\r\nETag: "a"\r\nContent-Type: multipart/byteranges; boundary=x\r\n'
    b"Content-Length: 2\r\n\r\n--",
    "coded": part(10, 44, more="Content-Encoding: br\r\n", body=OTHER),
    "the tail as a 200": part(20, 44, body=OTHER).replace(b"206 P", b"200 OK"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "416": b"HTTP/1.1 416 R\r\nContent-Range: bytes */9\r\nContent-Length: 0\r\n\r\n",
    "412": b"HTTP/1.1 412 P\r\nContent-Length: 0\r\n\r\n",
    "longer than it says": part(10, 20, body=OTHER).replace(b"Content-Length: 10", b"Content-Length: 34") + OTHER[20:],
}


@pytest.mark.parametrize("rest", UNSURE.values(), ids=UNSURE)
async def test_a_part_not_sure_to_belong_is_never_joined(tmp_path, rest):
    """The whole body is requested anew."""
    async with scripted(answering(CUT, rest)) as server:
        assert await saved(server, tmp_path / "f") == 9
        assert [seen.headers.get("Range") for seen in server.seen] == [None, "bytes=10-", None]
    assert (tmp_path / "f").read_bytes() == b"A new one"


async def test_a_part_that_is_shorter_than_it_says_is_gone_on_with_from_its_last_byte(tmp_path):
    short = part(10, 44).replace(b"Content-Length: 34", b"Content-Length: 5")[:-29]
    async with scripted(answering(CUT, lambda at: short if at == 10 else part(at, 44))) as server:
        assert await saved(server, tmp_path / "f") == 44
        assert [seen.headers.get("Range") for seen in server.seen] == [None, "bytes=10-", "bytes=15-"]
    assert (tmp_path / "f").read_bytes() == BODY


OLD, NOW = "Sun, 06 Nov 1994 08:48:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(("again", "size"), [(OLD, 44), (NOW, 9), (None, 9)])
async def test_a_date_must_be_the_same_too(tmp_path, again, size):
    first = CUT.replace(b'ETag: "a"', f"Last-Modified: {OLD}\r\nDate: {NOW}".encode())
    rest = part(10, 44, tag="X-A: b" if again is None else f"Last-Modified: {again}")
    async with scripted(answering(first, rest)) as server:
        assert await saved(server, tmp_path / "f") == size
        assert server.seen[1].headers["If-Range"] == OLD


@pytest.mark.parametrize(
    "rest",
    [
        WHOLE[:-3],
        part(0, 11),
        part(9, 43, total=43),
        b"HTTP/1.1 416 R\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["anew, and cut again", "from the beginning, each time", "another total", "no such range"],
)
async def test_a_server_that_never_comes_to_the_end_is_given_up(tmp_path, rest):
    async with scripted(answering(CUT, rest, CUT)) as server:
        with pytest.raises(ProtocolError):
            await saved(server, tmp_path / "f")
        assert len(server.seen) <= 3 * 4
    assert list(tmp_path.iterdir()) == []


async def test_a_body_without_a_length_is_whole_only_when_it_comes_whole(tmp_path):
    """Its parts name no total."""
    first = CUT.replace(b"Content-Length: 44", b"Transfer-Encoding: chunked").replace(BODY[:10], b"a\r\n" + BODY[:10])
    gone = b"HTTP/1.1 416 R\r\nContent-Length: 0\r\n\r\n"
    async with scripted(answering(first, lambda at: part(at, 44, total="*") if at < 44 else gone)) as server:
        assert await saved(server, tmp_path / "f") == 9
        assert [seen.headers.get("Range") for seen in server.seen] == [None, "bytes=10-", "bytes=44-", None]


async def test_a_part_that_nobody_asked_for_is_resumed_if_it_is_the_first(tmp_path):
    """Any other is an error."""
    async with scripted(answering(part(0, 10), part(10, 44))) as server:
        assert await saved(server, tmp_path / "f") == 44
    assert (tmp_path / "f").read_bytes() == BODY
    for first in (part(10, 44), part(0, 10).replace(b"bytes 0-9/44", b"bytes"), part(0, 10, tag="X-A: b")):
        async with scripted(answering(first, part(10, 44))) as server:
            with pytest.raises(ProtocolError, match=r"a part that was not requested|only 10 of 44 bytes arrived"):
                await saved(server, tmp_path / "g")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("status", [b"206 P", b"200 OK"])
async def test_a_range_of_the_callers_own_is_saved_as_it_comes(tmp_path, status):
    async with scripted(always(part(10, 20).replace(b"206 P", status))) as server:
        assert await saved(server, tmp_path / "f", headers={"range": "bytes=10-19"}) == 10
    assert (tmp_path / "f").read_bytes() == BODY[10:20]
    async with scripted(always(part(10, 20).replace(b"Content-Length: 10", b"Content-Length: 9")[:-1])) as server:
        with pytest.raises(ProtocolError, match="broke off after 9 of 10 bytes"):
            await saved(server, tmp_path / "f", headers={"range": "bytes=10-19"})


async def test_an_error_instead_of_the_rest_is_raised(tmp_path):
    async with scripted(answering(CUT, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) as server:
        with pytest.raises(NotFound):
            await saved(server, tmp_path / "f")
        assert len(server.seen) == 2
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
