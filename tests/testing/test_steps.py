"""What a route replies: bodies of every kind, functions, models, exceptions, and bodies that break off."""

import pytest
from pydantic import BaseModel

from asyncapi import Client, ConfigError, ConnectError, ProtocolError, RequestTimeout, TLSError
from asyncapi.testing import reply


class Person(BaseModel):
    name: str


async def get(api_mock, *args, **settings):
    api_mock.get("/a/{n}", required=False).reply(*args, **settings)
    async with Client("https://h", retry=None) as api:
        return await api.get("/a/7")


async def test_bodies_of_every_kind(api_mock):
    assert (await get(api_mock, json=[Person(name="Ada")])).json() == [{"name": "Ada"}]
    assert (await get(api_mock, text="ä")).text == "ä"
    assert (await get(api_mock, content=b"raw")).content == b"raw"
    assert (await get(api_mock, content=[b"a", b"b"])).content == b"ab"
    assert (await get(api_mock, ndjson=[1, Person(name="A")])).content == b'1\n{"name":"A"}\n'
    assert (await get(api_mock, sse=["a\nb"])).content == b"data: a\ndata: b\n\n"
    assert (await get(api_mock, 201, headers={"X-A": "1"}, trailers={"x-b": "2"})).trailers["x-b"] == "2"
    assert (await get(api_mock, reply(202, json=1))).status == 202


async def test_a_stream_may_be_made_anew_for_each_call(api_mock):
    async def pieces():
        yield b"x"

    api_mock.get("/a").reply(content=pieces)
    async with Client("https://h") as api:
        assert [(await api.get("/a")).content for _ in range(2)] == [b"x", b"x"]


async def test_a_function_responds_with_parts_of_the_path_and_the_call(api_mock):
    async def later(request, n, call):
        return reply(json=[request.method, n, call.path_params])

    assert (await get(api_mock, later)).json() == ["GET", "7", {"n": "7"}]
    assert (await get(api_mock, lambda request: {"a": 1})).json() == {"a": 1}
    assert (await get(api_mock, lambda request: Person(name="Ada"))).json() == {"name": "Ada"}
    with pytest.raises(ConfigError, match="returned 5"):
        await get(api_mock, lambda request: 5)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("refused", ConnectError), ("dns", ConnectError), ("tls", TLSError), ("timeout", RequestTimeout), ("dropped", ProtocolError),
        ("truncated", ProtocolError), (TimeoutError, RequestTimeout), (ConnectionRefusedError(), ConnectError),
        (ConnectionResetError("gone"), ProtocolError), (KeyError("mine"), KeyError), (ConnectError("own"), ConnectError),
    ],
    ids=str,
)  # fmt: skip
async def test_faults_are_the_errors_that_a_transport_raises(api_mock, fault, error):
    api_mock.get("/a").fail(fault)
    async with Client("https://h", retry=None) as api:
        with pytest.raises(error):
            await api.get("/a")


async def test_a_body_may_break_off_whole_or_streamed(api_mock):
    api_mock.get("/a").reply(json={"name": "Ada"}, cut=4)
    async with Client("https://h", retry=None) as api:
        with pytest.raises(ProtocolError, match="closed after 4 of 14 bytes"):
            await api.get("/a")
        got = b""
        with pytest.raises(ProtocolError):  # noqa: PT012 - all of it fails
            async with api.stream("GET", "/a") as response:
                async for piece in response.bytes():
                    got += piece
    assert got == b'{"na'
