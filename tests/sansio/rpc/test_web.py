"""grpc-web is written and read as its document says: trailers in the body or the head, binary or base64."""

import base64

import pytest
from multidict import CIMultiDict

from asyncapi import ConfigError, RPCError
from asyncapi.messages.code import Code
from asyncapi.messages.response import Response
from asyncapi.sansio.rpc.codings import compress
from asyncapi.sansio.rpc.envelopes import envelope
from asyncapi.sansio.rpc.protocol import Method
from asyncapi.sansio.rpc.web import Base64Reader, GRPCWeb, trailers

SAY = Method("/t.S/Say", streams_in=False, streams_out=False)
MANY = Method("/t.S/Many", streams_in=False, streams_out=True)
HEAD = {"content-type": "application/grpc-web+proto", "x-first": "1"}
OK = envelope(b"grpc-status:0\r\nx-last: 2\r\n", 0x80)
BUSY = envelope(b"Grpc-Status: 14\r\ngrpc-message: n%C3%B6\r\ngrpc-retry-pushback-ms: 700\r\n", 0x80)


def read(content, status=200, **headers):
    return GRPCWeb(None).read(Response(status, {**HEAD, **headers}, content), SAY)


def test_a_call_is_a_post_of_one_envelope():
    opening = GRPCWeb(None).open(SAY, b"hi", [("k", "v")], None)
    headers = CIMultiDict(opening.headers)
    assert (opening.method, opening.url, opening.content) == ("POST", "/t.S/Say", envelope(b"hi"))
    assert (headers["content-type"], headers["x-grpc-web"], headers["k"]) == ("application/grpc-web+proto", "1", "v")


def test_a_stream_of_requests_is_refused_with_what_to_use():
    with pytest.raises(ConfigError, match="'grpc' or 'connect'"):
        GRPCWeb(None).open(SAY, None, [], None)


def test_the_deadline_and_the_attempts_are_said_as_in_grpc():
    headers = CIMultiDict()
    GRPCWeb(None).dress(headers, 0.5, 2)
    assert headers == CIMultiDict({"grpc-timeout": "500000u", "grpc-previous-rpc-attempts": "2"})


def test_trailers_are_the_last_envelope():
    answer = read(envelope(b"hi") + OK)
    assert (answer.message, answer.ending.code) == (b"hi", Code.OK)
    assert answer.initial == [("x-first", "1")]
    assert ("x-last", "2") in answer.ending.trailing.items()


def test_an_error_is_in_the_trailers_of_the_body():
    ending = read(BUSY).ending
    assert (ending.code, ending.details) == (Code.UNAVAILABLE, "nö")
    meaning = GRPCWeb(None).meaning(Response(200, HEAD, BUSY), late=False)
    assert (meaning.status, meaning.wait) == (503, 0.7)


def test_an_error_may_be_in_the_head():
    answer = read(b"", **{"grpc-status": "5", "grpc-message": "none"})
    assert (answer.ending.code, answer.ending.details) == (Code.NOT_FOUND, "none")
    response = Response(200, {**HEAD, "grpc-status": "5"})
    assert GRPCWeb(None).meaning(response, late=False).status == 404


def test_a_status_in_the_head_may_have_a_message_after_it():
    assert read(envelope(b"hi"), **{"grpc-status": "0"}).message == b"hi"
    assert read(envelope(b"hi") + BUSY, **{"grpc-status": "0"}).ending.code is Code.UNAVAILABLE
    assert read(b"<html>", **{"grpc-status": "5"}).ending.code is Code.NOT_FOUND


def test_a_good_response_means_what_its_status_says():
    assert GRPCWeb(None).meaning(Response(200, HEAD, envelope(b"") + OK), late=False) is None


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 5, 7, 1000])
@pytest.mark.parametrize("joined", [True, False])
def test_text_is_decoded_however_it_is_cut(cut, joined):
    parts = [envelope(b"hello"), envelope(b""), envelope(b"x" * 100), OK]
    text = base64.b64encode(b"".join(parts)) if joined else b"".join(base64.b64encode(part) for part in parts)
    reader = GRPCWeb(None).messages(Response(200, {"content-type": "application/grpc-web-text+proto"}), MANY)
    found = [message for at in range(0, len(text), cut) for message in reader.feed(text[at : at + cut])]
    assert found == [b"hello", b"", b"x" * 100]
    assert reader.end(()).code is Code.OK


@pytest.mark.parametrize("text", [b"====", b"a===", b"????", b"ab=c", b"\xff\xff\xff\xff", b"AA==A==="])
def test_what_is_not_base64_is_an_error(text):
    with pytest.raises(RPCError, match="base64"):
        Base64Reader().feed(text)


def test_base64_that_is_cut_off_is_an_error():
    reader = Base64Reader()
    reader.feed(b"AAAAA")
    with pytest.raises(RPCError, match="cut off"):
        reader.end()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "trailers are missing"),
        (envelope(b"hi"), "trailers are missing"),
        (envelope(b"hi")[:-1], "broke off"),
        (OK[:-1], "broke off"),
        (OK, "0 messages"),
        (envelope(b"a") + envelope(b"b") + OK, "2 messages"),
        (OK + envelope(b"a"), "after its trailers"),
        (OK + OK, "after its trailers"),
        (envelope(b"a", 2) + OK, "flags 0x02"),
        (envelope(b"a", 1) + OK, "compress"),
        (envelope(b"a") + envelope(b"no field\r\n", 0x80), "no field"),
    ],
)
def test_a_body_that_is_not_whole_is_an_error(content, why):
    with pytest.raises(RPCError, match=why):
        read(content)


def test_trailers_without_a_status_are_an_error():
    assert read(envelope(b"hi") + envelope(b"a: b\r\n", 0x80)).ending.code is Code.UNKNOWN


def test_a_compressed_message_and_compressed_trailers_are_decompressed():
    content = envelope(compress("gzip", b"hi"), 1) + envelope(compress("gzip", b"grpc-status: 0\r\n"), 0x81)
    assert read(content, **{"grpc-encoding": "gzip"}).message == b"hi"


@pytest.mark.parametrize(("status", "code"), [(503, Code.UNAVAILABLE), (404, Code.UNIMPLEMENTED), (200, Code.UNKNOWN)])
def test_a_response_of_a_proxy_has_the_code_of_its_status(status, code):
    with pytest.raises(RPCError, match=r"no grpc-web") as caught:
        read(b"<h1>", status, **{"content-type": "text/html"})
    assert caught.value.code is code


def test_lines_of_trailers_may_end_with_lf_and_be_empty():
    assert trailers(b"a: 1\nB:2\r\n\r\n") == [("a", "1"), ("b", "2")]


def test_trailers_that_were_looked_for_in_an_open_body_are_what_the_response_means():
    response = Response(200, HEAD, trailers={"grpc-status": "8"})
    assert GRPCWeb(None).meaning(response, late=False).status == 429
