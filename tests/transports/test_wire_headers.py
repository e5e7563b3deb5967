"""The head of a request goes out byte for byte, header bytes that are no UTF-8 too."""

from __future__ import annotations

import pytest

from asyncapi import Client
from servers import always, scripted

pytestmark = pytest.mark.lanes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def text_of(value: bytes) -> str:
    """Header bytes as aiohttp hands them to users (PEP 383)."""
    return value.decode("utf-8", "surrogateescape")


@pytest.mark.parametrize(
    "value",
    [b'"plain"', "é".encode(), b'"caf\xe9"', b"\x80\xff", "\U0010ff80 é".encode(), b"\xe9 and \xc3\xa9"],
)
@pytest.mark.parametrize("content", [None, b"body", b"x" * 100_000])
async def test_a_header_goes_out_with_the_bytes_that_it_came_with(value, content):
    async with scripted(always(OK)) as server, Client(server.url, retry=None) as api:
        response = await api.put("/", content=content, headers={"If-Match": text_of(value)})
    [seen] = server.seen
    assert response.text == "hi"
    assert b"\r\nIf-Match: " + value + b"\r\n" in seen.raw
    assert seen.body == (content or b"")


async def test_a_body_is_sent_as_it_is_beside_such_a_header():
    body = "\U0010ff80\U0010ffff".encode()  # the characters that stand in for the bytes of the head
    async with scripted(always(OK)) as server, Client(server.url, retry=None) as api:
        await api.post("/", content=body, headers={"X-A": text_of(b"\xe9")}, idempotency_key=True)
    assert server.seen[0].body == body
