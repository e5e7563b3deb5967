"""Unusual bodies, over real sockets."""

from __future__ import annotations

import json
import zlib

import aiohttp
import pytest


async def test_gzip_is_compressed_json(server):
    async with aiohttp.ClientSession(server.url, auto_decompress=False) as raw:
        answer = await raw.get("/gzip")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert json.loads(zlib.decompress(await answer.read(), wbits=31))["id"] == 7


@pytest.mark.parametrize("mebibytes", [1, 2, 5])
async def test_a_bomb_is_small_on_the_wire_and_expands_to_json_of_so_many_mebibytes(server, mebibytes):
    async with aiohttp.ClientSession(server.url, auto_decompress=False) as raw:
        packed = await (await raw.get(f"/bomb?mb={mebibytes}")).read()
    body = zlib.decompress(packed, wbits=31)
    assert len(body) == mebibytes << 20
    assert len(packed) < len(body) / 500
    assert set(json.loads(body)) == {"0"}


@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 65_537, 3_000_000])
async def test_bytes_come_in_the_number_asked_for(http, size):
    answer = await http.get(f"/bytes/{size}")
    body = await answer.read()
    assert len(body) == size == int(answer.headers["Content-Length"])
    assert body[:300] == (bytes(range(256)) * 2)[: min(size, 300)]


async def test_a_stream_is_json_lines_in_chunks(http):
    answer = await http.get("/stream/50")
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert [json.loads(line)["id"] async for line in answer.content] == list(range(1, 51))


async def test_an_empty_stream_ends(http):
    assert await (await http.get("/stream/0")).read() == b""


@pytest.mark.parametrize("name", ["utf-8", "latin-1", "utf-16", "cp1252"])
async def test_a_charset_is_named_and_used(http, name):
    answer = await http.get(f"/charset/{name}")
    assert answer.charset == name
    assert json.loads(await answer.text()) == {"charset": name, "text": "crème brûlée"}


async def test_a_charset_can_lie_or_be_unknown(http):
    lying = await http.get("/charset/utf-8?as=latin-1")
    with pytest.raises(UnicodeDecodeError):
        (await lying.read()).decode(lying.charset)
    unknown = await http.get("/charset/klingon")
    assert unknown.headers["Content-Type"].endswith("charset=klingon")
    assert (await http.get("/charset/utf-8?as=klingon")).status == 400


async def test_not_json_empty_and_nothing_are_what_they_say(http):
    wrong = await http.get("/not-json")
    assert (wrong.status, wrong.content_type) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        await wrong.json()
    empty = await http.get("/empty")
    assert (empty.status, await empty.read(), empty.content_type) == (200, b"", "application/json")
    nothing = await http.get("/nothing")
    assert (nothing.status, await nothing.read()) == (204, b"")
    assert "Content-Length" not in nothing.headers


@pytest.mark.parametrize(
    "path", ["/items/7", "/bytes/100000", "/stream/5", "/slow-body?pause=0", "/gzip", "/status/404"]
)
async def test_head_has_the_headers_and_no_body_and_the_connection_goes_on(server, http, path):
    answer = await http.head(path)
    assert await answer.read() == b""
    assert (await (await http.get("/items/7")).json())["id"] == 7
    assert server.stats.connections == 1


@pytest.mark.parametrize(
    "path", ["/bytes/x", "/bytes/-1", "/bytes/99999999999", "/stream/x", "/bomb?mb=0", "/stream/1?pause=x"]
)
async def test_bad_sizes_get_400(http, path):
    assert (await http.get(path)).status == 400
