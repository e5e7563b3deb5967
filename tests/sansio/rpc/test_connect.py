"""Connect's requests and responses are written and read as its reference says: whole, or an error that says why."""

import base64
import json
from urllib.parse import parse_qs

import pytest
from multidict import CIMultiDict

from asyncapi import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.messages.response import Response
from asyncapi.sansio.rpc.codings import compress, decompress
from asyncapi.sansio.rpc.connect import Connect
from asyncapi.sansio.rpc.envelopes import Envelopes, envelope
from asyncapi.sansio.rpc.protocol import Method

SAY = Method("/t.S/Say", streams_in=False, streams_out=False)
LOOK = Method("/t.S/Look", streams_in=False, streams_out=False, idempotent=True, safe=True)
MANY = Method("/t.S/Many", streams_in=False, streams_out=True)
SUM = Method("/t.S/Sum", streams_in=True, streams_out=False)
PROTO, STREAM = {"content-type": "application/proto"}, {"content-type": "application/connect+proto"}


def end(**stated):
    return envelope(json.dumps(stated).encode(), 2)


def error(code, status=500, **more):
    body = json.dumps({"code": code, "message": "why", **more}).encode()
    return Response(status, {"content-type": "application/json"}, body)


def streamed(content, protocol=None, **headers):
    reader = (protocol or Connect(None)).messages(Response(200, {**STREAM, **headers}), MANY)
    return reader.feed(content), reader.end(())


def test_a_unary_call_is_a_post_of_the_bare_message():
    opening = Connect(None).open(SAY, b"hi", [("k", "v")], None)
    assert (opening.method, opening.url, opening.content) == ("POST", "/t.S/Say", b"hi")
    headers = CIMultiDict(opening.headers)
    assert headers["Content-Type"] == "application/proto"
    assert headers["Connect-Protocol-Version"] == "1"
    assert headers["k"] == "v"


def test_a_method_without_side_effects_is_a_get():
    opening = Connect(None).open(LOOK, b"\x00\xff?", [], None)
    path, _, query = opening.url.partition("?")
    said = {name: values[0] for name, values in parse_qs(query).items()}
    assert (opening.method, path, opening.content) == ("GET", "/t.S/Look", None)
    assert said == {"connect": "v1", "base64": "1", "encoding": "proto", "message": said["message"]}
    assert base64.urlsafe_b64decode(said["message"] + "=") == b"\x00\xff?"
    assert "Content-Type" not in CIMultiDict(opening.headers)


def test_a_get_in_json_has_its_message_as_text():
    opening = Connect(None, "json").open(LOOK, '{"a":"ü &"}'.encode(), [], None)
    said = parse_qs(opening.url.partition("?")[2])
    assert said == {"connect": ["v1"], "encoding": ["json"], "message": ['{"a":"ü &"}']}


def test_an_empty_message_is_a_get_with_an_empty_message():
    assert Connect(None).open(LOOK, b"", [], None).url.endswith("&message=")


def test_a_message_too_long_for_a_url_is_posted():
    assert Connect(None).open(LOOK, b"x" * 10_000, [], None).method == "POST"


def test_unary_bodies_are_compressed_as_http_bodies():
    opening = Connect(None).open(SAY, b"hi", [], "gzip")
    assert CIMultiDict(opening.headers)["Content-Encoding"] == "gzip"
    assert decompress("gzip", opening.content, None) == b"hi"


def test_messages_of_a_stream_are_compressed_one_by_one():
    opening = Connect(None).open(MANY, b"hi", [], "gzip")
    ((flags, payload),) = Envelopes().feed(opening.content)
    assert (flags, decompress("gzip", payload, None)) == (1, b"hi")
    assert CIMultiDict(opening.headers)["Connect-Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in CIMultiDict(opening.headers)


def test_a_compression_that_servers_dont_know_is_refused():
    with pytest.raises(ConfigError, match="gzip"):
        Connect(None).open(SAY, b"hi", [], "deflate")


def test_a_codec_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="'proto' or 'json'"):
        Connect(None, "xml")


@pytest.mark.parametrize(
    ("left", "said"), [(None, None), (1.5, "1500"), (0.0001, "1"), (-1, "1"), (1e12, "9999999999")]
)
def test_the_time_left_is_said_in_milliseconds_of_ten_digits_at_most(left, said):
    headers = CIMultiDict()
    Connect(None).dress(headers, left, 3)
    assert headers.get("Connect-Timeout-Ms") == said


def test_a_response_has_trailing_metadata_among_its_headers():
    headers = {**PROTO, "x-a": "1", "Trailer-X-B": "2", "trailer-c-bin": "AAE", "content-length": "2"}
    answer = Connect(None).read(Response(200, headers, b"hi"), SAY)
    assert answer.message == b"hi"
    assert answer.initial == [("x-a", "1")]
    assert answer.ending.trailing == [("x-b", "2"), ("c-bin", b"\0\1")]


def test_an_empty_body_is_a_message():
    assert Connect(None).read(Response(200, PROTO, b""), SAY).message == b""


def test_a_message_over_the_bound_is_an_error():
    with pytest.raises(RPCError, match="max_message") as caught:
        Connect(3).read(Response(200, PROTO, b"four"), SAY)
    assert caught.value.code is Code.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("kind", "code"),
    [("application/json", Code.INTERNAL), ("text/html", Code.UNKNOWN), ("", Code.UNKNOWN)],
)
def test_a_response_of_another_type_is_an_error(kind, code):
    response = Response(200, {"content-type": kind}, b"hi")
    with pytest.raises(RPCError, match="content-type") as caught:
        Connect(None).read(response, SAY)
    assert caught.value.code is code
    assert Connect(None).meaning(response, late=False).status == 500


@pytest.mark.parametrize("code", [code for code in Code if code])
def test_each_code_has_the_treatment_of_its_row_in_the_table(code):
    name = "canceled" if code is Code.CANCELLED else code.name.lower()
    answer = Connect(None).read(error(name), SAY)
    assert (answer.message, answer.ending.code, answer.ending.details) == (None, code, "why")
    meaning = Connect(None).meaning(error(name), late=False)
    assert meaning.text == f"RPCError: {code.name}: why"


def test_a_server_may_ask_for_a_wait_in_the_details():
    asked = {"type": "google.rpc.RetryInfo", "value": base64.b64encode(b"\n\x02\x08\x02").decode()}
    meaning = Connect(None).meaning(error("unavailable", 503, details=[asked]), late=False)
    assert (meaning.status, meaning.wait) == (503, 2.0)
    ended = end(error={"code": "resource_exhausted", "details": [asked]})
    assert Connect(None).meaning(Response(200, STREAM, ended), late=False).wait == 2.0


def test_what_a_proxy_says_means_what_its_status_says():
    response = Response(503, {"content-type": "text/html", "Retry-After": "3"}, b"<h1>busy</h1>")
    assert Connect(None).meaning(response, late=False) is None
    answer = Connect(None).read(response, SAY)
    assert answer.ending.code is Code.UNAVAILABLE
    assert "HTTP status 503: <h1>busy</h1>" in answer.ending.details


def test_a_response_means_nothing_more_than_200_where_it_is_good():
    assert Connect(None).meaning(Response(200, PROTO, b"hi"), late=False) is None
    assert Connect(None).meaning(Response(200, STREAM, envelope(b"hi") + end()), late=False) is None
    assert Connect(None).meaning(Response(307, {"location": "/"}), late=False) is None


def test_a_stream_ends_with_its_last_envelope():
    messages, ending = streamed(envelope(b"a") + envelope(b"") + end(metadata={"X-End": ["1", "2"], "k": "v"}))
    assert messages == [b"a", b""]
    assert ending.code is Code.OK
    assert ending.trailing == [("x-end", "1"), ("x-end", "2"), ("k", "v")]


def test_a_stream_may_come_a_byte_at_a_time():
    reader, found = Connect(None).messages(Response(200, STREAM), MANY), []
    for octet in envelope(b"abc") + envelope(b"x" * 300) + end(error={"code": "aborted"}):
        found += reader.feed(bytes([octet]))
    assert found == [b"abc", b"x" * 300]
    assert reader.end(()).code is Code.ABORTED


def test_compressed_messages_and_ends_are_decompressed():
    content = envelope(compress("gzip", b"hi"), 1) + envelope(compress("gzip", b'{"error":{"code":"internal"}}'), 3)
    messages, ending = streamed(content, **{"connect-content-encoding": "gzip"})
    assert (messages, ending.code) == ([b"hi"], Code.INTERNAL)


def test_a_bomb_is_an_error_and_not_unpacked():
    content = envelope(compress("gzip", b"\0" * 10_000_000), 1)
    with pytest.raises(RPCError, match="max_message"):
        streamed(content, Connect(100_000), **{"connect-content-encoding": "gzip"})


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "end of its stream is missing"),
        (envelope(b"a"), "end of its stream is missing"),
        (envelope(b"a")[:4], "broke off"),
        (envelope(b"a") + end()[:-1], "broke off"),
        (end() + envelope(b"a"), "goes on after the end"),
        (end() + end(), "goes on after the end"),
        (end() + b"\0", "broke off"),
        (envelope(b"a", 0x80) + end(), "flags 0x80"),
        (envelope(b"a", 1) + end(), "compress"),
    ],
)
def test_a_body_that_is_no_whole_stream_is_an_error(content, why):
    with pytest.raises(RPCError, match=why) as caught:
        streamed(content)
    assert caught.value.code is Code.INTERNAL
    assert Connect(None).meaning(Response(200, STREAM, content), late=False).status == 500


@pytest.mark.parametrize("payload", [b"", b"no", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"error": 3}'])
def test_garbage_at_the_end_of_a_stream_is_an_error(payload):
    assert streamed(envelope(payload, 2))[1].code is Code.INTERNAL


def test_a_stream_that_is_no_200_is_the_error_of_its_body_or_status():
    reader = Connect(None).messages(error("not_found", 404), MANY)
    assert reader.end(()).code is Code.NOT_FOUND
    reader = Connect(None).messages(Response(502, {"content-type": "text/plain"}, b"bad"), MANY)
    assert reader.end(()).code is Code.UNAVAILABLE


def test_the_response_to_a_stream_of_requests_has_one_message():
    protocol = Connect(None)
    answer = protocol.read(Response(200, STREAM, envelope(b"hi") + end(metadata={"a": ["b"]})), SUM)
    assert (answer.message, answer.ending.trailing) == (b"hi", [("a", "b")])
    failed = Response(200, STREAM, end(error={"code": "unavailable"}))
    assert protocol.read(failed, SUM).ending.code is Code.UNAVAILABLE
    assert protocol.meaning(failed, late=False).status == 503
    for content in (end(), envelope(b"a") + envelope(b"b") + end()):
        with pytest.raises(RPCError, match="returns one"):
            protocol.read(Response(200, STREAM, content), SUM)


def test_an_end_that_was_looked_for_in_an_open_body_is_what_the_response_means():
    response = Response(200, STREAM, trailers={"grpc-status": "14", "grpc-message": "gone"})
    assert Connect(None).meaning(response, late=False).status == 503
