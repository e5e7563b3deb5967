"""The echo."""

from __future__ import annotations

import aiohttp
import pytest


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
async def test_any_method_is_echoed_with_path_query_and_headers(http, method):
    data = await (await http.request(method, "/echo/a?x=1&y=2&y=3", headers={"X-Mine": "yes"})).json()
    assert (data["method"], data["path"], data["query"]) == (method, "/echo/a", {"x": "1", "y": ["2", "3"]})
    assert data["headers"]["X-Mine"] == "yes"


async def test_bodies_come_back_as_text_base64_json(http):
    assert (await (await http.post("/echo", data="héllo")).json())["body"] == "héllo"
    assert (await (await http.post("/echo", data=b"\xff\x00")).json())["base64"] == "/wA="
    assert (await (await http.post("/echo", json={"a": [1]})).json())["json"] == {"a": [1]}


async def test_forms_come_back_as_fields(http):
    data = await (await http.post("/echo", data={"a": "1", "b": "ü"})).json()
    assert data["form"] == {"a": "1", "b": "ü"}


async def test_multipart_comes_back_as_fields_and_files(http):
    form = aiohttp.FormData({"a": "1"})
    form.add_field("f", b"content", filename="x.txt", content_type="text/plain")
    data = await (await http.post("/echo", data=form)).json()
    assert data["form"] == {"a": "1"}
    assert data["files"] == [
        {"name": "f", "filename": "x.txt", "content_type": "text/plain", "length": 7, "body": "content"}
    ]


async def test_a_broken_multipart_body_gets_400(http):
    answer = await http.post("/echo", data=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status == 400


async def test_a_chunked_body_is_read_whole(http):
    async def parts():
        for _ in range(100):
            yield b"x" * 1000

    assert (await (await http.post("/echo", data=parts())).json())["length"] == 100_000
