"""gRPC's responses are read as its document says: whole, or an error that says what is wrong."""

import pytest
from multidict import CIMultiDict

from asyncapi import RPCError
from asyncapi.messages.code import Code
from asyncapi.messages.response import Response
from asyncapi.sansio.rpc.codings import compress
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.sansio.rpc.grpc import GRPC
from asyncapi.sansio.rpc.protocol import Method

HEAD = {"content-type": "application/grpc", "x-first": "1"}
SAY = Method("/t.S/Say", streams_in=False, streams_out=False)
MANY = Method("/t.S/Many", streams_in=False, streams_out=True)


HI = envelope(b"hi")


def whole(content=HI, trailers=(("grpc-status", "0"), ("x-last", "2")), status=200, **headers):
    return Response(status, {**HEAD, **headers}, content, trailers=list(trailers))


def read(response, most=None):
    return GRPC(most).read(response, SAY)


def test_a_whole_response_is_read():
    answer = read(whole())
    assert answer.message == b"hi"
    assert answer.initial == [("x-first", "1")]
    assert (answer.ending.code, answer.ending.trailing) == (Code.OK, [("x-last", "2")])


def test_a_compressed_message_is_decompressed():
    content = envelope(compress("gzip", b"hi"), 1)
    assert read(whole(content, **{"grpc-encoding": "gzip"})).message == b"hi"


def test_a_status_without_messages_is_in_the_head():
    head = {**HEAD, "grpc-status": "5", "grpc-message": "n%C3%B6", "k-bin": "AAE"}
    answer = read(Response(200, head))
    assert (answer.message, answer.ending.code, answer.ending.details) == (None, Code.NOT_FOUND, "nö")
    assert answer.ending.trailing["k-bin"] == b"\0\1"


def test_an_error_after_a_message_is_the_outcome():
    assert read(whole(trailers=[("grpc-status", "13")])).ending.code is Code.INTERNAL


@pytest.mark.parametrize(
    ("response", "code", "text"),
    [
        (whole(trailers=()), Code.UNKNOWN, "no status at its end"),
        (Response(200, {"content-type": "text/html"}, b"<p>"), Code.UNKNOWN, "its content-type is 'text/html'"),
        (Response(503, {"content-type": "text/plain"}, b"down"), Code.UNAVAILABLE, "HTTP status 503: down"),
        (Response(404), Code.UNIMPLEMENTED, "HTTP status 404"),
        (whole(b""), Code.INTERNAL, "0 messages"),
        (whole(envelope(b"a") * 2), Code.INTERNAL, "2 messages"),
        (whole(envelope(b"abc")[:-1]), Code.INTERNAL, "broke off in a message"),
        (whole(envelope(b"abc") + b"x"), Code.INTERNAL, "broke off in a message"),
        (whole(envelope(b"a", 1)), Code.INTERNAL, "compression is not said"),
        (whole(envelope(b"a", 0x80)), Code.INTERNAL, "flags 0x80"),
        (whole(envelope(b"x" * 11)), Code.RESOURCE_EXHAUSTED, "max_message=10"),
    ],
)
def test_a_response_that_is_not_whole_is_an_error(response, code, text):
    with pytest.raises(RPCError, match=text) as caught:
        read(response, 10)
    assert caught.value.code is code


def test_a_status_decides_over_the_http_status():
    response = whole(b"", [("grpc-status", "14")], status=500)
    assert read(response).ending.code is Code.UNAVAILABLE
    meaning = GRPC(None).meaning(response, late=False)
    assert meaning is not None
    assert meaning.status == 503


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (whole(), None), (whole(trailers=[("grpc-status", "14")]), 503), (Response(200, {"grpc-status": "8"}), 429),
        (Response(429), None), (whole(trailers=()), 500), (whole(trailers=[("grpc-status", "99")]), 500),
    ],
)  # fmt: skip
def test_the_layers_learn_what_a_response_means(response, status):
    meaning = GRPC(None).meaning(response, late=False)
    assert (None if meaning is None else meaning.status) == status


def test_the_head_of_a_stream_says_nothing_yet():
    response = Response(200, HEAD)
    response.open_body = object()  # type: ignore[assignment]
    assert GRPC(None).meaning(response, late=False) is None


def test_a_stream_is_read_piece_by_piece():
    reader = GRPC(None).messages(Response(200, HEAD), MANY)
    assert reader.initial == [("x-first", "1")]
    assert reader.feed(envelope(b"a") + envelope(b"")[:3]) == [b"a"]
    assert reader.feed(envelope(b"")[3:]) == [b""]
    assert reader.end([("grpc-status", "0")]).code is Code.OK


def test_a_stream_without_a_status_at_its_end_is_an_error():
    reader = GRPC(None).messages(Response(200, HEAD), MANY)
    reader.feed(envelope(b"a"))
    with pytest.raises(RPCError, match="no status at its end") as caught:
        reader.end([])
    assert caught.value.code is Code.UNKNOWN


def test_a_call_says_what_grpc_asks_for():
    opening = GRPC(None).open(SAY, b"hi", [("k", "v")], "gzip")
    headers = dict(opening.headers)
    assert (opening.method, opening.url) == ("POST", "/t.S/Say")
    assert headers["content-type"] == "application/grpc"
    assert headers["te"] == "trailers"
    assert headers["grpc-encoding"] == "gzip"
    assert headers["grpc-accept-encoding"] == "identity, deflate, gzip"
    assert headers["k"] == "v"
    assert opening.content is not None
    assert opening.content[0] == 1


def test_each_attempt_says_the_time_left_and_how_many_were_before_it():
    headers: CIMultiDict[str] = CIMultiDict()
    GRPC(None).dress(headers, None, 0)
    assert not headers
    GRPC(None).dress(headers, 2.0, 3)
    assert dict(headers) == {"grpc-timeout": "2000m", "grpc-previous-rpc-attempts": "3"}
