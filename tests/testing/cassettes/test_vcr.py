"""Cassettes of vcrpy replay: those that its stubs write now, and the shapes that its older releases wrote."""

import asyncio
import gzip
import json
from base64 import b64encode
from contextlib import suppress

import aiohttp
import pytest

from asyncapi import Bearer, Client, ConfigError
from asyncapi.testing import Cassette, UnmatchedCall
from asyncapi.testing.cassettes.vcr import is_vcr, vcr_exchanges

vcr = pytest.importorskip("vcr")
yaml = pytest.importorskip("yaml")
httpx = pytest.importorskip("httpx")
pytestmark = pytest.mark.lanes


async def by_aiohttp(url):
    async with aiohttp.ClientSession() as session:
        for path in ("/text", "/users/1?b=2&a=1", "/bytes"):
            async with session.get(url + path) as response:
                await response.read()
        async with session.post(f"{url}/echo", json={"n": 1}) as response:
            await response.read()


async def by_httpx(url):
    async with httpx.AsyncClient() as client:
        for path in ("/text", "/users/1?b=2&a=1", "/bytes"):
            await client.get(url + path)
        await client.post(f"{url}/echo", json={"n": 1})


async def by_requests(url):
    requests = pytest.importorskip("requests")

    def work():
        with requests.Session() as session:
            for path in ("/text", "/users/1?b=2&a=1", "/bytes"):
                session.get(url + path, timeout=10)
            session.post(f"{url}/echo", json={"n": 1}, timeout=10)

    await asyncio.to_thread(work)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("serializer", ["yaml", "json"])
@pytest.mark.parametrize("stub", [by_aiohttp, by_httpx, by_requests])
async def test_what_vcrpy_has_recorded_replays_through_our_client(tmp_path, api, stub, serializer):
    path = tmp_path / f"vcr.{serializer}"
    paths = ("/text", "/users/1?b=2&a=1") if serializer == "json" else ("/text", "/users/1?b=2&a=1", "/bytes")
    recorder = vcr.VCR(serializer=serializer, decode_compressed_response=serializer == "json")
    if serializer == "json":  # its JSON serializer refuses bytes
        recorder.before_record_request = lambda request: None if request.path == "/bytes" else request
    with recorder.use_cassette(str(path)):
        await stub(api.url)
    sent = len(api.seen)
    with Cassette(path, "none") as replay:
        async with Client(api.url) as client:
            got = [await client.get(path) for path in paths]
            assert got[0].text == "a line\nanother line\n" * 100
            assert got[1].json()["id"] == 1
            if serializer == "yaml":
                assert got[2].content == bytes(range(256)) * 300
            assert json.loads((await client.post("/echo", json={"n": 1})).json()["body"]) == {"n": 1}
    assert replay.unused == []
    assert len(api.seen) == sent


def one(**response):
    return vcr_exchanges({"version": 1, "interactions": [row_of(response=response)]})[0]


def row_of(body=None, response=None):
    row = {"request": {"method": "GET", "uri": "https://h/", "body": body, "headers": {}}}
    row["response"] = response or {"status": {"code": 200}, "headers": {}, "body": {"string": "hi"}}
    return row


@pytest.mark.parametrize(
    "response",
    [
        {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"string": "hi"}},
        {"status": {"code": 200, "message": None}, "headers": {"A": "1"}, "body": {"string": b"hi"}},
        {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"base64_string": b64encode(b"hi").decode()}},
        {"status": {"code": 200, "message": "OK"}, "headers": {"A": ["1"]}, "body": {"string": b64encode(b"hi").decode(), "encoding": "base64"}},
        {"status_code": 200, "http_version": "HTTP/1.1", "headers": {"A": "1"}, "content": "hi"},
        {"status": {"code": 200}, "headers": [["A", "1"]], "body": "hi", "url": "https://h/", "protocol_version": 11},
        {"status": {"code": 200}, "headers": {"A": ["1"], "Content-Encoding": ["gzip"]}, "body": {"string": gzip.compress(b"hi")}},
        {"status": {"code": 200}, "headers": {"A": ["1"], "Content-Encoding": ["gzip"]}, "body": {"string": b"hi"}},
        {"status": {"code": 200}, "headers": {"A": [b"1"], "Content-Encoding": ["gzip"]}, "body": {"string": [b"h", b"i"]}},
    ],
)  # fmt: skip
def test_the_shapes_of_all_stubs_are_read(response):
    exchange = one(**response)
    assert (exchange.status, exchange.content, exchange.first("a")) == (200, b"hi", "1")
    assert exchange.first("content-encoding") == ""


async def test_python_2_text_is_read(tmp_path):
    path = tmp_path / "old.yaml"
    path.write_text(
        "interactions:\n- request: {method: !!python/unicode 'GET', uri: !!python/unicode 'https://h/a', body: null,"
        " headers: {}}\n  response: {status: {code: 200, message: OK}, headers: {}, body: {string: !!python/unicode 'hi'}}\n"
        "version: 1\n"
    )
    with Cassette(path, "none"):
        async with Client("https://h") as client:
            assert (await client.get("/a")).text == "hi"


def test_what_runs_code_is_refused(tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text("interactions: !!python/object/apply:os.system ['true']\nversion: 1\n")
    with pytest.raises(ConfigError, match="no cassette"):
        Cassette(path).start()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"version": 2, "interactions": []}, "version 2"),
        ({"version": 1, "interactions": [{"request": {}}]}, "interaction 1: KeyError"),
        ({"version": 1, "interactions": [7]}, "interaction 1"),
    ],
)
def test_what_is_not_as_vcrpy_writes_it_is_an_error(data, said):
    assert is_vcr(data)
    with pytest.raises(ValueError, match=said):
        vcr_exchanges(data)


async def test_a_cassette_of_vcrpy_that_is_added_to_becomes_ours(tmp_path, api):
    path = tmp_path / "it.yaml"
    with vcr.use_cassette(str(path)):
        await by_aiohttp(api.url)
    with Cassette(path, "new") as cassette:
        async with Client(api.url) as client:
            await client.get("/text")
            await client.get("/users/9")
    assert (cassette.played, cassette.recorded) == (1, 1)
    text = path.read_text()
    assert text.startswith("cassette: 1\n")
    assert len(Cassette(path).exchanges) == 5


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"a": 1}, {"json": {"a": 1}}),
        ({"a": 1, "b": "x"}, {"data": {"b": "x", "a": "1"}}),
        ([["a", "1"], ["a", "2"]], {"data": [("a", "1"), ("a", "2")]}),
        ([1, 2], {"json": [1, 2]}),
        ("text", {"content": "text"}),
        (b"text", {"content": "text"}),
        ({"string": "text"}, {"content": "text"}),
        ({"base64_string": "dGV4dA=="}, {"content": "text"}),
        (None, {}),
    ],
)
async def test_bodies_of_requests_match_as_stubs_note_them(tmp_path, body, sent):
    path = tmp_path / "it.yaml"
    row = row_of(body) | {"request": {**row_of(body)["request"], "method": "POST"}}
    path.write_text(yaml.dump({"version": 1, "interactions": [row]}))
    with Cassette(path, "none"):
        async with Client("https://h") as client:
            assert (await client.post("/", **sent)).text == "hi"


FILTERS = {
    "removed": {"filter_query_parameters": ["api_key"], "filter_post_data_parameters": ["password"], "filter_headers": ["authorization"]},
    "replaced": {
        "filter_query_parameters": [("api_key", "REDACTED")], "filter_post_data_parameters": [("password", "REDACTED")],
        "filter_headers": [("authorization", "REDACTED")],
    },
}  # fmt: skip


@pytest.mark.parametrize("filters", FILTERS)
@pytest.mark.parametrize("serializer", ["yaml", "json"])
async def test_what_vcrpys_filters_took_out_is_not_compared(tmp_path, api, serializer, filters):
    path = tmp_path / f"it.{serializer}"
    with vcr.use_cassette(str(path), serializer=serializer, **FILTERS[filters]):
        async with httpx.AsyncClient(headers={"Authorization": "Bearer real-1"}) as web:
            await web.get(f"{api.url}/users/1?api_key=real-2&page=1")
            await web.post(f"{api.url}/echo", data={"user": "ada", "password": "real-3"})
    sent = len(api.seen)
    with Cassette(path, "none") as replay:
        async with Client(api.url, auth=Bearer("other-1")) as client:
            assert (await client.get("/users/1?api_key=other-2&page=1")).json()["id"] == 1
            assert (await client.post("/echo", data={"user": "ada", "password": "other-3"})).status == 200
    assert replay.unused == []
    assert len(api.seen) == sent


async def test_what_vcrpys_filters_took_out_stays_so_when_it_is_added_to(tmp_path, api):
    path = tmp_path / "it.yaml"
    with vcr.use_cassette(str(path), **FILTERS["removed"]):
        async with httpx.AsyncClient() as web:
            await web.get(f"{api.url}/users/1?api_key=real-2")
    for mode, number in (("new", 2), ("none", 2)):
        with Cassette(path, mode):
            async with Client(api.url) as client:
                await client.get("/users/1?api_key=other")
                await client.get(f"/users/{number}?api_key=other")
    assert "filtered: true" in path.read_text()


async def test_equal_requests_of_vcrpy_replay_in_their_order_and_once(tmp_path, api):
    path = tmp_path / "it.yaml"
    with vcr.use_cassette(str(path)):
        async with httpx.AsyncClient() as web:
            for _ in range(3):
                await web.get(f"{api.url}/users/1")
    with Cassette(path, "none") as replay:
        async with Client(api.url) as client:
            assert [(await client.get("/users/1")).json()["number"] for _ in range(3)] == [1, 2, 3]
            with suppress(UnmatchedCall):
                await client.get("/users/1")
        assert "it was recorded 3 times, and has been replayed 3 times" in replay.problems[0]
        replay.excuse()
    with Cassette(path, "none", repeats=True):
        async with Client(api.url) as client:
            assert [(await client.get("/users/1")).json()["number"] for _ in range(5)] == [1, 2, 3, 3, 3]
