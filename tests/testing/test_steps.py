"""What a route replies: bodies of every kind, functions, models, exceptions, and bodies that break off."""

import gzip
from unittest.mock import Mock

import pytest
from multidict import CIMultiDict
from pydantic import BaseModel

from asyncapi import Client, ConfigError, ConnectError, ProtocolError, RequestTimeout, TLSError, TransportError
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


async def test_a_function_may_take_nothing_or_a_part_of_the_path_alone(api_mock):
    assert (await get(api_mock, lambda: {"a": 1})).json() == {"a": 1}
    assert (await get(api_mock, lambda n: {"n": n})).json() == {"n": "7"}


async def test_a_mock_object_responds_in_turn(api_mock):
    side = Mock(side_effect=[reply(503), {"a": 1}, ConnectionResetError("gone")])
    api_mock.get("/a").reply(side)
    async with Client("https://h", retry=None, raise_for_status=False) as api:
        assert [(await api.get("/a")).status for _ in range(2)] == [503, 200]
        with pytest.raises(ProtocolError, match="mock: gone"):
            await api.get("/a")
    assert side.call_count == 3


async def test_a_function_that_wants_what_the_path_has_not_is_told_so(api_mock):
    with pytest.raises(ConfigError, match=r"wants user: .* may name n, call"):
        await get(api_mock, lambda request, user: {})


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), TimeoutError(), ConnectionRefusedError()], ids=repr)
async def test_system_errors_of_a_function_are_faults_as_those_of_fail(api_mock, error):
    def broken(request):
        raise error

    with pytest.raises(TransportError, match="mock: "):
        await get(api_mock, broken)


async def test_a_header_may_come_several_times(api_mock):
    pairs = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-A", "ä")]
    for headers in (pairs, CIMultiDict(pairs)):
        response = await get(api_mock, json={}, headers=headers)
        assert response.headers.getall("set-cookie") == ["a=1", "b=2"]


async def test_a_coded_body_is_decoded_and_one_that_is_not_stays(api_mock):
    fields = {"Content-Encoding": "gzip"}
    assert (await get(api_mock, content=gzip.compress(b'{"a": 1}'), headers=fields)).json() == {"a": 1}
    assert (await get(api_mock, json={"a": 1}, headers=fields)).json() == {"a": 1}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"json": print}, "no JSON can be made of it"), ({"cut": 3}, "the body has 0 bytes"),
        ({"delay": "2"}, "delay='2': give a number of seconds"), ({"delay": -1}, "at least 0"),
        ({"retry_after": "soon"}, "retry_after='soon'"), ({"headers": {"X-A": 5}}, "give names and values as text"),
        ({"headers": "X-A: 5"}, "give names and values as text"),
    ],
    ids=str,
)  # fmt: skip
def test_what_makes_no_sense_is_told_where_it_is_written(api_mock, settings, said):
    route = api_mock.get("/a", required=False)
    with pytest.raises(ConfigError, match=said):
        route.reply(**settings)


@pytest.mark.parametrize("name", ["Reset", "connect-timeout", "connect_timeout", "TLS"])
async def test_faults_are_known_in_any_spelling(api_mock, name):
    api_mock.get("/a").fail(name)
    async with Client("https://h", retry=None) as api:
        with pytest.raises(TransportError):
            await api.get("/a")


def test_a_status_is_no_fault(api_mock):
    with pytest.raises(ConfigError, match=r"a status goes into reply\(503\)"):
        api_mock.get("/a", required=False).fail(503)
