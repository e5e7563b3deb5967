"""RPCs are mocked over gRPC, grpc-web and Connect alike: messages, streams both ways, statuses and functions."""

import pytest

import greeter_pb2 as pb
from asyncapi import Client, ConfigError, Retry, RPCError
from asyncapi.grpc import EOF, Code
from asyncapi.testing import UnmatchedCall
from greeter_pb2_grpc import GreeterStub

H = "https://api.example.com"
PROTOCOLS = ["grpc", "grpc-web", "connect"]
SAY = "/greet.v1.Greeter/Say"


def client(**settings):
    return Client(H, http2=True, **{"retry": Retry(base=0.001), **settings})


@pytest.mark.parametrize("codec", ["proto", "json"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_unary_call_gets_a_message(api_mock, protocol, codec, compression):
    if codec == "json" and protocol != "connect":
        pytest.skip("protobuf alone")
    say = api_mock.grpc(SAY, message=lambda raw: b"Ada" in raw).reply(pb.Reply(text="hi"), trailing={"x-a": "1"})
    async with client() as api:
        stub = GreeterStub(api.grpc(protocol, codec=codec, compression=compression))
        call = stub.Say(pb.Ask(name="Ada"))
        assert (await call).text == "hi"
        assert (await call.trailing_metadata())["x-a"] == "1"
    if codec == "proto":
        assert say.calls.last.message(pb.Ask) == pb.Ask(name="Ada")


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_method_without_side_effects_is_mocked_as_a_get_too(api_mock, protocol):
    api_mock.grpc("/greet.v1.Greeter/Look", request=pb.Ask).reply(lambda ask: pb.Reply(text=ask.name))
    async with client() as api:
        assert (await GreeterStub(api.grpc(protocol)).Look(pb.Ask(name="Ada"))).text == "Ada"


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_status_is_an_error_and_unavailable_is_retried(api_mock, protocol):
    say = api_mock.grpc(SAY).fail("UNAVAILABLE", "later").then.reply(pb.Reply(text="hi"))
    api_mock.grpc("/greet.v1.Greeter/Put").fail(Code.NOT_FOUND, "käse, 100 %", trailing={"x-a": "1"})
    async with client() as api:
        stub = GreeterStub(api.grpc(protocol))
        assert (await stub.Say(pb.Ask(), idempotent=True)).text == "hi"
        with pytest.raises(RPCError, match="käse, 100 %") as caught:
            await stub.Put(pb.Ask())
    assert (caught.value.code, caught.value.metadata["x-a"]) == (Code.NOT_FOUND, "1")
    say.assert_called(2)


async def test_a_transport_fault_is_retried(api_mock):
    say = api_mock.grpc(SAY).fail("refused").then.reply(pb.Reply(text="hi"))
    async with client() as api:
        assert (await GreeterStub(api.grpc()).Say(pb.Ask())).text == "hi"
    say.assert_called(2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stream_of_responses(api_mock, protocol):
    api_mock.grpc("/greet.v1.Greeter/Many").reply(pb.Reply(n=1), pb.Reply(n=2))
    async with client() as api:
        stub = GreeterStub(api.grpc(protocol))
        assert [reply.n async for reply in stub.Many(pb.Ask())] == [1, 2]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_stream_that_fails_after_a_message(api_mock, protocol):
    async def many(ask):
        yield pb.Reply(n=ask.n)
        raise RPCError(Code.DATA_LOSS, "gone")

    api_mock.grpc("/greet.v1.Greeter/Many", request=pb.Ask).reply(many)
    got = []
    async with client(retry=None) as api:
        with pytest.raises(RPCError, match="gone"):  # noqa: PT012 - all of it fails
            async for reply in GreeterStub(api.grpc(protocol)).Many(pb.Ask(n=7)):
                got.append(reply.n)
    assert got == [7]


@pytest.mark.parametrize("protocol", ["grpc", "connect"])
async def test_a_stream_of_requests(api_mock, protocol):
    async def total(asks):
        return pb.Reply(n=sum([ask.n async for ask in asks]))

    api_mock.grpc("/greet.v1.Greeter/Sum", request=pb.Ask).reply(total)
    async with client() as api:
        assert (await GreeterStub(api.grpc(protocol)).Sum([pb.Ask(n=1), pb.Ask(n=2)])).n == 3


async def test_a_stream_of_requests_is_recorded_where_no_function_takes_it(api_mock):
    route = api_mock.grpc("/greet.v1.Greeter/Sum").reply(pb.Reply(n=9))
    async with client() as api:
        call = GreeterStub(api.grpc()).Sum()
        for number in (1, 2):
            await call.write(pb.Ask(n=number))
        await call.done_writing()
        assert (await call).n == 9
    assert [pb.Ask.FromString(raw).n for raw in route.calls.last.messages] == [1, 2]


@pytest.mark.parametrize("protocol", ["grpc", "connect"])
async def test_both_halves_take_turns(api_mock, protocol):
    async def chat(asks):
        async for ask in asks:
            yield pb.Reply(n=ask.n * 2)

    api_mock.grpc("/greet.v1.Greeter/Chat", request=pb.Ask).reply(chat)
    async with client() as api:
        call = GreeterStub(api.grpc(protocol)).Chat()
        for number in (1, 2, 3):
            await call.write(pb.Ask(n=number))
            assert (await call.read()).n == number * 2
        await call.done_writing()
        assert await call.read() == EOF


async def test_without_a_script_it_is_an_empty_message(api_mock):
    api_mock.grpc(SAY)
    async with client() as api:
        assert await GreeterStub(api.grpc()).Say(pb.Ask()) == pb.Reply()


async def test_an_unmatched_rpc_names_what_differs(api_mock):
    api_mock.grpc("/greet.v1.Greeter/Put", required=False)
    api_mock.grpc(SAY, message=pb.Ask(name="Bob"), required=False)
    async with client() as api:
        with pytest.raises(UnmatchedCall, match=r'the message is .*name: "Ada".*, not .*name: "Bob"'):
            await GreeterStub(api.grpc()).Say(pb.Ask(name="Ada"))
    api_mock.excuse()


def test_what_makes_no_sense_is_refused_at_once(api_mock):
    for mistake in (
        lambda: api_mock.grpc("Say"),
        lambda: api_mock.grpc(SAY, required=False).reply("text"),
        lambda: api_mock.grpc(SAY, required=False).fail("NOPE"),
        lambda: api_mock.grpc(SAY, required=False).fail("nope"),
        lambda: api_mock.grpc(SAY, required=False).fail("OK"),
    ):
        with pytest.raises(ConfigError):
            mistake()
