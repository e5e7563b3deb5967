"""The endpoints that are faults, over real sockets."""

from __future__ import annotations

import asyncio
import io
import time
from email.utils import parsedate_to_datetime

import aiohttp
import pytest


async def raw(server, path, method="GET"):
    """Every byte that the server sends before it closes the connection."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("code", [200, 201, 204, 301, 304, 400, 401, 404, 408, 418, 425, 429, 500, 503, 599, 799])
async def test_any_status_is_answered(http, code):
    answer = await http.get(f"/status/{code}", allow_redirects=False)
    assert answer.status == code
    await answer.read()


@pytest.mark.parametrize("code", ["99", "100", "1000", "x", ""])
async def test_what_is_no_final_status_gets_400(http, code):
    assert (await http.get(f"/status/{code}")).status == 400


async def test_retry_after_comes_in_all_its_forms(http):
    assert (await http.get("/status/429?retry_after=7")).headers["Retry-After"] == "7"
    assert (await http.get("/status/429?retry_after=soon")).headers["Retry-After"] == "soon"
    assert (await http.get("/status/503?retry_after_ms=250")).headers["retry-after-ms"] == "250"
    date = parsedate_to_datetime((await http.get("/status/429?retry_after_date=30")).headers["Retry-After"])
    assert -5 < date.timestamp() - time.time() - 30 <= 1


async def test_a_header_value_cannot_smuggle_in_another_header(http):
    answer = await http.get("/status/200", params={"retry_after": "1\r\nX-Evil: 1"})
    assert answer.status == 400
    assert "X-Evil" not in answer.headers


async def test_flaky_fails_as_often_as_asked_then_succeeds_and_counts_each_key_apart(http):
    url = "/flaky/a?fail=2&status=502"
    assert [(await http.get(url)).status for _ in range(4)] == [502, 502, 200, 200]
    assert (await (await http.get(url)).json()) == {"key": "a", "visit": 5, "ok": True}
    assert (await http.get("/flaky/b?fail=1&retry_after=3")).headers["Retry-After"] == "3"


async def test_delay_keeps_silent_that_long(http):
    started = time.monotonic()
    assert (await (await http.get("/delay/0.2")).json()) == {"delay": 0.2}
    assert time.monotonic() - started >= 0.19


async def test_slow_headers_come_line_by_line(server):
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"GET /slow-headers?seconds=0.3 HTTP/1.1\r\nHost: x\r\n\r\n")
    started = time.monotonic()
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    rest = await reader.readuntil(b"\r\n\r\n")
    assert time.monotonic() - started >= 0.25
    assert b"X-Padding: 2" in rest
    assert await reader.readexactly(19) == b'{"slow": "headers"}'
    writer.close()


async def test_a_slow_body_has_its_headers_at_once_and_then_trickles(http):
    started = time.monotonic()
    answer = await http.get("/slow-body?bytes=250&chunk=100&pause=0.1")
    assert await answer.content.readexactly(100)
    assert await answer.read() == b"." * 150
    assert time.monotonic() - started >= 0.28


async def test_a_drop_closes_the_connection_where_it_is_asked_to(server):
    assert await raw(server, "/drop?at=connect") == b""
    assert await raw(server, "/drop") == b""
    head = await raw(server, "/drop?at=headers")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"Content-Length: 1000\r\n\r\n")
    assert len(await raw(server, "/drop?at=body")) == len(head) + 500
    assert await raw(server, "/drop?at=12") == b"HTTP/1.1 200"


async def test_a_drop_is_an_error_to_a_client(http):
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await http.get("/drop")
    for place in ("headers", "body"):
        answer = await http.get(f"/drop?at={place}")
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


async def test_a_drop_can_be_a_reset(server, http):
    with pytest.raises(ConnectionResetError):
        await raw(server, "/drop?reset=1")
    assert server.stats.by_status["dropped"] == 1


async def test_a_drop_after_an_upload_still_drops(http):
    with pytest.raises(aiohttp.ClientError):
        await http.post("/drop", data=io.BytesIO(b"x" * 5_000_000))


@pytest.mark.parametrize("at", ["never", "-1", "99999"])
async def test_a_drop_nowhere_gets_400(http, at):
    assert (await http.get(f"/drop?at={at}")).status == 400


async def test_redirects_lead_to_the_echo(http):
    answer = await http.get("/redirect/3?a=1")
    assert [each.status for each in answer.history] == [302, 302, 302]
    assert (await answer.json())["query"] == {"a": "1"}
    kept = await http.post("/redirect/1?status=307", data=b"kept")
    assert (await kept.json())["body"] == "kept"


async def test_redirect_to_goes_where_it_is_told(http):
    answer = await http.get("/redirect-to", params={"url": "/items/7", "status": 308}, allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (308, "/items/7")
    assert (await http.get("/redirect-to")).status == 400
    assert (await http.get("/redirect-to?url=/&status=200")).status == 400


async def test_limited_is_a_bucket_per_setting_and_key_that_says_when_to_come_back(http):
    url = "/limited?rate=2&per=60&burst=2"
    answers = [await http.get(url) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"2"}
    assert answers[-1].headers["Retry-After"] == "30"
    assert answers[-1].headers["X-RateLimit-Reset"] == "60"
    assert (await http.get(f"{url}&key=other")).status == 200
    assert (await http.get("/limited?per=0")).status == 400
