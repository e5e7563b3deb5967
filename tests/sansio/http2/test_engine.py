"""Both engines keep the promises of their face: the rules of RFC 9113 one by one, and ordinary traffic with `h2`."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("hpack")
pytest.importorskip("ngh2")
pytest.importorskip("h2.connection")

import h2.config
import h2.connection
import h2.events
import h2.settings

from asyncapi.errors import ConfigError
from asyncapi.sansio.http2 import engine as engine_module
from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2.engine import engine
from http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    ENGINES,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    START,
    WINDOW,
    WINDOW_UPDATE,
    asked,
    data,
    frame,
    frames_in,
    goaway,
    head,
    literal,
    made,
    number,
    settings,
)

both = pytest.mark.parametrize("name", ENGINES)


# --- which engine ----------------------------------------------------------------------------------------------


def kind_of(name: str) -> str:
    return type(engine(name, window=WINDOW)).__name__


def test_auto_takes_ngh2_where_it_is_installed_and_else_the_pure_one(monkeypatch):
    assert kind_of("auto") == kind_of("ngh2") == "Ngh2Engine"
    assert kind_of("pure") == "PureEngine"
    monkeypatch.setattr(engine_module, "find_spec", lambda name: None if name == "ngh2" else "there")
    assert kind_of("auto") == "PureEngine"


def test_without_any_engine_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(engine_module, "find_spec", lambda name: None)
    for name in ("auto", "pure"):
        with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[http2\]'"):
            engine(name, window=WINDOW)
    monkeypatch.delitem(sys.modules, "asyncapi.sansio.http2.ngh2_engine", raising=False)
    monkeypatch.setitem(sys.modules, "ngh2", None)
    with pytest.raises(ConfigError, match=r"pip install 'asyncapi-sdk\[http2\]'"):
        engine("ngh2", window=WINDOW)


# --- how it begins ---------------------------------------------------------------------------------------------


@both
def test_a_connection_begins_with_the_preface_settings_and_a_window(name):
    one = engine(name, window=1 << 20)
    one.open()
    written = one.outgoing()
    assert written.startswith(PREFACE)
    (kind, flags, stream, payload), window = frames_in(written)
    assert (kind, flags, stream) == (SETTINGS, 0, 0)
    values = {int.from_bytes(payload[at : at + 2], "big"): payload[at + 2 : at + 6] for at in range(0, len(payload), 6)}
    assert {key: int.from_bytes(value, "big") for key, value in values.items()} == {2: 0, 4: 1 << 20, 6: 262_144}
    assert window == (WINDOW_UPDATE, 0, 0, ((1 << 20) - 65_535).to_bytes(4, "big"))
    assert one.outgoing() == b""


@both
def test_until_the_server_says_how_many_a_hundred_streams_are_free(name):
    one = made(name)
    assert (one.limit, one.free, one.streams) == (100, 100, 0)
    assert [asked(one) for _ in range(100)] == list(range(1, 200, 2))
    assert (one.free, one.streams) == (0, 100)
    with pytest.raises(RuntimeError):
        asked(one)
    assert one.receive(settings()) == [ev.Settings()]
    assert min(one.limit, one.free) > 1_000_000
    assert one.receive(settings(streams=7)) == [ev.Settings()]
    assert (one.limit, one.free) == (7, 0)  # lowered below what is open: nothing breaks
    assert one.receive(settings()) == [ev.Settings()]
    assert one.limit == 7  # a later frame changes only what it names


@both
def test_a_request_whose_header_cannot_stand_opens_no_stream(name):
    one = made(name)
    for fields in ((("a b", "c"),), (("a", "b\nc"),), (("a", "\0"),)):
        with pytest.raises(ValueError):
            asked(one, fields=fields)
    with pytest.raises(ValueError):
        asked(one, path="/\r\n")
    assert (one.streams, one.outgoing()) == (0, b"")
    assert asked(one) == 1


# --- responses -------------------------------------------------------------------------------------------------


@both
def test_a_response_is_a_head_and_its_body(name):
    one = made(name)
    stream = asked(one)
    sent = START + head(stream, (b"a", b"b"), (b"a", "h\u00e9\udcff".encode("utf-8", "surrogateescape")))
    assert one.receive(sent + data(stream, b"one") + data(stream, b"two", end=True)) == [
        ev.Settings(),
        ev.Head(stream, 200, (("a", "b"), ("a", "h\u00e9\udcff")), end=False),
        ev.Data(stream, b"one", end=False),
        ev.Data(stream, b"two", end=True),
    ]
    assert one.streams == 0


@both
def test_interim_responses_trailers_and_padding(name):
    one = made(name)
    stream = asked(one)
    sent = head(stream, (b"link", b"x"), status=b"103") + head(stream) + data(stream, b"ab", pad=9) + data(stream)
    sent += frame(HEADERS, 0x5, stream, literal((b"grpc-status", b"0")))
    assert one.receive(START + sent)[1:] == [
        ev.Interim(stream, 103, (("link", "x"),)),
        ev.Head(stream, 200, (), end=False),
        ev.Data(stream, b"ab", end=False),
        ev.Trailers(stream, (("grpc-status", "0"),)),
    ]
    assert one.streams == 0


@both
@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("GET", [head(1, (b"Upper", b"x"), end=True)]),
        ("GET", [head(1, (b"a b", b"x"), end=True)]),
        ("GET", [head(1, (b"a", b"\0"), end=True)]),
        ("GET", [head(1, (b"a", b" b"), end=True)]),
        ("GET", [head(1, (b"connection", b"close"), end=True)]),
        ("GET", [head(1, (b"transfer-encoding", b"chunked"), end=True)]),
        ("GET", [head(1, (b"te", b"gzip"), end=True)]),
        ("GET", [head(1, (b":path", b"/"), end=True)]),
        ("GET", [head(1, (b":status", b"200"), end=True)]),
        ("GET", [head(1, status=b"20", end=True)]),
        ("GET", [frame(HEADERS, 5, 1, literal((b"a", b"b"), (b":status", b"200")))]),
        ("GET", [frame(HEADERS, 5, 1, literal((b"a", b"b")))]),
        ("GET", [head(1, status=b"103", end=True)]),
        ("GET", [head(1, status=b"101")]),
        ("GET", [head(1, (b"content-length", b"1"), status=b"103")]),
        ("GET", [head(1, (b"content-length", b"x"), end=True)]),
        ("GET", [head(1, (b"content-length", b"2"), (b"content-length", b"2"))]),
        ("GET", [head(1, (b"content-length", b"3")), data(1, b"ab", end=True)]),
        ("GET", [head(1, (b"content-length", b"3"), end=True)]),
        ("GET", [head(1, (b"content-length", b"1")), data(1, b"ab")]),
        ("HEAD", [head(1), data(1, b"a")]),
        ("GET", [head(1, status=b"204"), data(1, b"a")]),
        ("GET", [head(1, status=b"304"), data(1, b"a")]),
        ("GET", [head(1, (b"content-length", b"1"), status=b"204", end=True)]),
        ("GET", [head(1, status=b"103"), data(1, b"a")]),
        ("GET", [head(1), frame(HEADERS, 4, 1, literal((b"a", b"b")))]),
        ("GET", [head(1), head(1, end=True)]),
    ],
)  # fmt: skip
def test_a_malformed_response_is_refused_and_the_connection_goes_on(name, method, sent):
    one = made(name)
    asked(one, method)
    other = asked(one)
    one.receive(START)
    for part in sent[:-1]:
        assert all(type(event) is not ev.Reset for event in one.receive(part))
    (refused,) = [event for event in one.receive(sent[-1]) if type(event) is ev.Reset]
    assert (refused.stream, refused.code, refused.ours) == (1, ev.PROTOCOL_ERROR, True)
    assert refused.why
    assert number(RST_STREAM, 1, ev.PROTOCOL_ERROR) in one.outgoing()
    assert one.receive(head(other, end=True)) == [ev.Head(other, 200, (), end=True)]
    assert one.fault is None


@both
def test_the_reserved_bit_of_a_stream_is_not_looked_at(name):
    one = made(name)
    asked(one)
    reserved = (2**31 + 1).to_bytes(4, "big")
    sent = b"".join(part[:5] + reserved + part[9:] for part in (head(1), data(1, b"ab", end=True)))
    assert one.receive(START + sent)[1:] == [ev.Head(1, 200, (), end=False), ev.Data(1, b"ab", end=True)]


@both
def test_a_content_length_in_the_trailers_is_refused(name):
    one = made(name)
    asked(one)
    (*_, refused) = one.receive(START + head(1) + frame(HEADERS, 5, 1, literal((b"content-length", b"0"))))
    assert (type(refused), refused.ours) == (ev.Reset, True)


@both
@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("HEAD", head(1, (b"content-length", b"9"), end=True)),
        ("GET", head(1, (b"content-length", b"9"), status=b"304", end=True)),
        ("GET", head(1, (b"content-length", b"2")) + data(1, b"ab", end=True)),
        ("GET", head(1, (b"content-length", b"2")) + data(1, b"ab", pad=3) + data(1, end=True)),
        ("GET", head(1, (b"te", b"trailers"), end=True)),
        ("GET", head(1, status=b"999", end=True)),
        ("GET", frame(HEADERS, 0x2D, 1, b"\2\0\0\0\0\x10\x88\0\0")),
        ("GET", frame(HEADERS, 1, 1) + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, 4, 1, b"\x88")),
    ],
)
def test_an_unusual_response_that_keeps_the_rules_is_taken(name, method, sent):
    one = made(name)
    asked(one, method)
    events = one.receive(START + sent)
    assert not [event for event in events if type(event) in {ev.Reset, ev.Fault}]
    assert events[-1].end


# --- what breaks the connection --------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("code", "sent"),
    [
        (ev.PROTOCOL_ERROR, frame(DATA, 0, 0, b"a")),
        (ev.PROTOCOL_ERROR, frame(DATA, 0, 3, b"a")),
        (ev.PROTOCOL_ERROR, frame(DATA, 0, 2, b"a")),
        (ev.PROTOCOL_ERROR, frame(DATA, 0, 1, b"a")),
        (ev.PROTOCOL_ERROR, head(1) + frame(DATA, 8, 1, b"\5abc")),
        (ev.FRAME_SIZE_ERROR, frame(DATA, 0, 1, bytes(16_385))),
        (ev.PROTOCOL_ERROR, head(3)),
        (ev.PROTOCOL_ERROR, head(2)),
        (ev.COMPRESSION_ERROR, frame(HEADERS, 4, 1, b"\xff\xff\xff\xff\xff")),
        (ev.PROTOCOL_ERROR, frame(HEADERS, 0, 1, b"\x88") + frame(DATA, 0, 1)),
        (ev.PROTOCOL_ERROR, frame(HEADERS, 0, 1, b"\x88") + frame(CONTINUATION, 4, 3)),
        (ev.PROTOCOL_ERROR, frame(CONTINUATION, 4, 1, b"\x88")),
        (ev.FRAME_SIZE_ERROR, frame(PRIORITY, 0, 1, b"abc")),
        (ev.PROTOCOL_ERROR, frame(PRIORITY, 0, 0, b"abcde")),
        (ev.FRAME_SIZE_ERROR, frame(RST_STREAM, 0, 1, b"abc")),
        (ev.PROTOCOL_ERROR, number(RST_STREAM, 3, 0)),
        (ev.FRAME_SIZE_ERROR, frame(SETTINGS, 0, 0, b"abc")),
        (ev.FRAME_SIZE_ERROR, frame(SETTINGS, 1, 0, b"abcdef")),
        (ev.PROTOCOL_ERROR, frame(SETTINGS, 0, 1)),
        (ev.PROTOCOL_ERROR, ACK),
        (ev.PROTOCOL_ERROR, settings(push=1)),
        (ev.PROTOCOL_ERROR, settings(frame=1)),
        (ev.FLOW_CONTROL_ERROR, settings(window=2**31)),
        (ev.PROTOCOL_ERROR, frame(PUSH_PROMISE, 4, 1, b"\0\0\0\2\x82\x87\x84")),
        (ev.FRAME_SIZE_ERROR, frame(PING, 0, 0, b"abc")),
        (ev.PROTOCOL_ERROR, frame(PING, 0, 1, b"abcdefgh")),
        (ev.FRAME_SIZE_ERROR, frame(GOAWAY, 0, 0, b"abc")),
        (ev.PROTOCOL_ERROR, frame(GOAWAY, 0, 1, bytes(8))),
        (ev.PROTOCOL_ERROR, goaway(2)),
        (ev.PROTOCOL_ERROR, goaway(1) + goaway(3)),
        (ev.FRAME_SIZE_ERROR, frame(WINDOW_UPDATE, 0, 0, b"abc")),
        (ev.PROTOCOL_ERROR, number(WINDOW_UPDATE, 0, 0)),
        (ev.PROTOCOL_ERROR, number(WINDOW_UPDATE, 1, 0)),
        (ev.PROTOCOL_ERROR, number(WINDOW_UPDATE, 3, 1)),
        (ev.FLOW_CONTROL_ERROR, number(WINDOW_UPDATE, 0, 2**31 - 1)),
        (ev.FLOW_CONTROL_ERROR, number(WINDOW_UPDATE, 1, 2**31 - 1)),
    ],
)
def test_what_breaks_the_rules_of_a_connection_ends_it(name, code, sent):
    one = made(name)
    asked(one)
    one.receive(START)
    one.outgoing()
    fault = one.receive(sent)[-1]
    assert type(fault) is ev.Fault
    assert (fault.code, one.fault) == (code, fault)
    assert fault.why
    assert [frame[3][:8] for frame in frames_in(one.outgoing()) if frame[0] == GOAWAY] == [bytes(7) + bytes([code])]
    assert (one.going, one.free, one.streams) == (True, 0, 0)
    # nothing more comes of it, and nothing fails
    assert one.receive(head(1, end=True)) == []
    one.reset(1)
    one.acknowledge(1, 5)
    one.ping(b"12345678")
    one.close()
    assert one.send(1, b"x", end=True) == 0
    assert one.outgoing() == b""


@both
@pytest.mark.parametrize("sent", [b"HTTP/1.1 400 Bad Request\r\n\r\n", ACK, frame(PING, 0, 0, b"abcdefgh")])
def test_a_server_that_begins_without_settings_is_told_from_one_that_speaks_http2(name, sent):
    one = made(name)
    asked(one)
    (fault,) = one.receive(sent)
    assert fault == ev.Fault(ev.PROTOCOL_ERROR, "the server begins without SETTINGS: it may not speak HTTP/2")


@both
def test_what_came_before_the_fault_is_not_lost(name):
    one = made(name)
    stream, other = asked(one), asked(one)
    events = one.receive(START + head(stream, end=True) + head(other) + settings(push=1))
    assert [type(event) for event in events] == [ev.Settings, ev.Head, ev.Head, ev.Fault]


# --- frames for streams that are no more -----------------------------------------------------------------------


@both
def test_frames_for_a_stream_that_was_given_up_are_forgotten(name):
    one = made(name)
    stream, other = asked(one), asked(one)
    one.receive(START)
    one.reset(stream)
    assert frames_in(one.outgoing())[-1] == (RST_STREAM, 0, stream, b"\0\0\0\x08")
    # the table of header fields follows, though: 62 is what the forgotten head put in
    table = frame(HEADERS, 4, stream, b"\x88\x40\x01a\x01b")
    sent = table + data(stream, b"x" * 1000) + number(WINDOW_UPDATE, stream, 5) + number(RST_STREAM, stream, 0)
    assert one.receive(sent + frame(PRIORITY, 0, stream, bytes(5))) == []
    assert one.receive(frame(HEADERS, 5, other, b"\x88\xbe")) == [ev.Head(other, 200, (("a", "b"),), end=True)]
    one.reset(stream)
    assert one.outgoing() == b""


@both
def test_bodies_of_forgotten_and_refused_streams_use_up_no_window(name):
    one = made(name)
    one.receive(START)
    for at in range(40):
        stream = asked(one)
        one.outgoing()
        if at % 4 == 0:
            one.reset(stream)
            one.outgoing()
            one.receive(head(stream) + data(stream, b"x" * 5000, pad=9) + data(stream, b"x" * 5000, end=True))
        else:
            too = (b"content-length", b"9000" if at % 4 == 1 else b"10")
            pad = 20 if at % 8 == 1 else None
            one.receive(head(stream, too))
            one.receive(data(stream, b"x" * 5000, end=True, pad=pad))
        given = sum(
            int.from_bytes(p, "big") for k, _, s, p in frames_in(one.outgoing()) if (k, s) == (WINDOW_UPDATE, 0)
        )
        assert one.fault is None
    assert given <= WINDOW


@both
@pytest.mark.parametrize("sent", [data(1, b"x"), head(1)])
def test_more_of_a_response_after_its_end_breaks_the_connection_while_we_send(name, sent):
    one = made(name)
    asked(one, "POST", end=False)
    assert one.receive(START + head(1, end=True))[-1] == ev.Head(1, 200, (), end=True)
    assert one.receive(sent)[-1].code == ev.STREAM_CLOSED


# --- resets and GOAWAY -----------------------------------------------------------------------------------------


@both
def test_a_reset_by_the_server_tells_its_code(name):
    one = made(name)
    first, second = asked(one), asked(one, "POST", end=False)
    events = one.receive(START + number(RST_STREAM, first, ev.REFUSED_STREAM) + number(RST_STREAM, second, 0x99))
    assert events[1:] == [ev.Reset(first, ev.REFUSED_STREAM), ev.Reset(second, 0x99)]
    assert (one.streams, one.send(second, b"x", end=True)) == (0, 0)


@both
def test_a_server_that_wants_no_more_of_the_body_says_so_after_its_response(name):
    one = made(name)
    stream = asked(one, "POST", end=False)
    sent = head(stream) + data(stream, b"no", end=True) + number(RST_STREAM, stream, ev.NO_ERROR)
    assert one.receive(START + sent)[-2:] == [ev.Data(stream, b"no", end=True), ev.Reset(stream, ev.NO_ERROR)]


@both
def test_a_response_may_end_before_the_request(name):
    one = made(name)
    stream = asked(one, "POST", end=False)
    one.receive(START + head(stream, end=True))
    assert one.streams == 1
    assert one.send(stream, b"rest", end=True) == 4
    assert one.streams == 0


@both
def test_goaway_names_the_streams_that_were_not_looked_at(name):
    one = made(name)
    streams = [asked(one) for _ in range(4)]
    one.receive(START)
    assert one.receive(goaway(2**31 - 1, debug=b"soon")) == [ev.GoAway(2**31 - 1, 0, (), b"soon")]
    assert (one.going, one.free, one.last, one.streams) == (True, 0, 2**31 - 1, 4)
    assert one.receive(goaway(3)) == [ev.GoAway(3, 0, (streams[2], streams[3]), b"")]
    assert (one.last, one.streams) == (3, 2)
    assert one.receive(head(1, end=True) + head(3) + data(3, b"x", end=True)) == [
        ev.Head(1, 200, (), end=True),
        ev.Head(3, 200, (), end=False),
        ev.Data(3, b"x", end=True),
    ]
    # nobody waits for anything any more
    assert one.receive(b"whatever comes now") == []
    with pytest.raises(RuntimeError):
        asked(one)


@both
def test_after_goaway_and_the_last_response_the_rest_of_a_read_is_dropped(name):
    one = made(name)
    stream = asked(one)
    events = one.receive(START + goaway(stream) + head(stream, end=True) + data(99, b"x") + b"whatever")
    assert [type(event) for event in events] == [ev.Settings, ev.GoAway, ev.Head]
    assert one.receive(b"more") == []
    assert one.fault is None


@both
def test_the_debug_data_of_a_goaway_is_bounded(name):
    one = made(name)
    asked(one)
    (_, going) = one.receive(START + goaway(1, 2, b"x" * 5000))
    assert going == ev.GoAway(1, 2, (), b"x" * 256)


@both
def test_close_says_that_no_more_streams_come_and_lets_open_ones_end(name):
    one = made(name)
    stream = asked(one)
    one.receive(START)
    one.outgoing()
    one.close()
    assert frames_in(one.outgoing()) == [(GOAWAY, 0, 0, bytes(8))]
    assert (one.going, one.free, one.streams) == (True, 0, 1)
    assert one.receive(head(stream, end=True)) == [ev.Head(stream, 200, (), end=True)]


@both
def test_pings_are_answered_and_ours_come_back(name):
    one = made(name)
    one.receive(START)
    one.outgoing()
    one.ping(b"12345678")
    assert frames_in(one.outgoing()) == [(PING, 0, 0, b"12345678")]
    assert one.receive(frame(PING, 1, 0, b"12345678") + frame(PING, 0, 0, b"abcdefgh")) == [ev.Pong(b"12345678")]
    assert frames_in(one.outgoing()) == [(PING, 1, 0, b"abcdefgh")]


# --- windows ---------------------------------------------------------------------------------------------------


@both
def test_send_takes_what_both_windows_allow_and_says_when_to_go_on(name):
    one = made(name)
    first, second = asked(one, "POST", end=False), asked(one, "POST", end=False)
    body = bytes(range(256)) * 400
    assert one.send(first, body, end=True) == 65_535
    assert one.send(second, b"x", end=True) == 0  # the connection's window is used up
    assert one.receive(START + number(WINDOW_UPDATE, first, 100)) == [ev.Settings()]
    assert one.receive(number(WINDOW_UPDATE, 0, 50)) == [ev.Window(first), ev.Window(second)]
    assert one.send(first, memoryview(body)[65_535:], end=True) == 50
    assert one.send(second, b"x", end=True) == 0
    assert one.receive(number(WINDOW_UPDATE, 0, 1 << 20)) == [ev.Window(first), ev.Window(second)]
    assert one.send(first, body[65_585:], end=True) == 50
    assert one.send(second, b"x", end=True) == 1
    assert one.receive(settings(window=200_000)) == [ev.Settings(), ev.Window(first)]
    assert one.send(first, body[65_635:], end=True) == len(body) - 65_635
    assert one.receive(number(WINDOW_UPDATE, 0, 1)) == []
    written = frames_in(one.outgoing())
    assert b"".join(payload for kind, _, stream, payload in written if (kind, stream) == (DATA, first)) == body
    assert [flags for kind, flags, stream, _ in written if (kind, stream) == (DATA, first)][-1] == 1
    assert max(len(payload) for _, _, _, payload in written) <= 16_384


@both
def test_an_upload_that_ends_without_waiting_for_its_window_event_is_over(name):
    one = made(name)
    stream = asked(one, "POST", end=False)
    assert one.send(stream, b"x" * 70_000, end=True) == 65_535
    one.receive(START + head(stream, end=True))
    assert one.send(stream, b"", end=True) == 0
    assert one.receive(number(WINDOW_UPDATE, 0, 9) + number(WINDOW_UPDATE, stream, 9)) == []


@both
def test_a_window_may_become_negative(name):
    one = made(name)
    stream = asked(one, "POST", end=False)
    one.receive(START + number(WINDOW_UPDATE, 0, 1 << 20))
    assert one.send(stream, b"x" * 60_000, end=False) == 60_000
    assert one.receive(settings(window=10_000)) == [ev.Settings()]
    assert one.send(stream, b"x", end=True) == 0
    assert one.receive(number(WINDOW_UPDATE, stream, 50_000)) == []
    assert one.receive(number(WINDOW_UPDATE, stream, 1)) == [ev.Window(stream)]
    assert one.send(stream, b"xy", end=True) == 1


@both
def test_the_server_may_send_no_more_than_the_window_until_it_is_read(name):
    one = made(name)
    stream, other = asked(one), asked(one)
    one.receive(START + head(stream) + head(other))
    parts = [data(stream, b"x" * 16_000)] * 4 + [data(stream, b"x" * 1535)]
    assert len(one.receive(b"".join(parts))) == 5
    assert WINDOW_UPDATE not in {kind for kind, *_ in frames_in(one.outgoing())}  # nothing is given back by itself
    for _ in range(3):
        one.acknowledge(stream, 16_000)
    given = [frame for frame in frames_in(one.outgoing()) if frame[0] == WINDOW_UPDATE]
    assert {frame[2] for frame in given} == {0, stream}
    assert all(32_768 <= int.from_bytes(frame[3], "big") <= 48_000 for frame in given)
    assert len(one.receive(data(stream, b"x" * 16_000) * 3)) == 3
    assert one.receive(data(stream, b"x"))[-1].code == ev.FLOW_CONTROL_ERROR


@both
def test_bodies_that_nobody_reads_stop_the_connection_exactly_at_its_window(name):
    one = made(name)
    streams = [asked(one) for _ in range(5)]
    one.receive(START + b"".join(head(stream) for stream in streams))
    for stream in streams:
        one.receive(data(stream, b"x" * 13_107))
    assert one.fault is None
    assert one.receive(data(streams[0], b"x"))[-1].code == ev.FLOW_CONTROL_ERROR


@both
def test_a_body_that_nobody_reads_stops_itself_alone_below_a_larger_window(name):
    one = made(name, whole=10 * WINDOW)
    unread, other = asked(one), asked(one)
    one.receive(START + head(unread) + head(other))
    one.receive(data(unread, b"x" * 16_000) * 4)
    for _ in range(20):
        assert one.receive(data(other, b"x" * 16_000)) == [ev.Data(other, b"x" * 16_000, end=False)]
        one.acknowledge(other, 16_000)
    assert len(one.receive(data(unread, b"x" * 1_535))) == 1
    (fault,) = one.receive(data(unread, b"x"))
    assert (type(fault), fault.code) == (ev.Fault, ev.FLOW_CONTROL_ERROR)


@both
def test_padding_is_given_back_without_being_read(name):
    one = made(name)
    stream = asked(one)
    one.receive(START + head(stream))
    for _ in range(400):
        assert one.receive(data(stream, b"", pad=255)) == []
    assert one.fault is None


@both
def test_room_is_given_back_after_the_end_of_a_stream_too(name):
    one = made(name)
    one.receive(START)
    for _ in range(50):
        stream = asked(one)
        one.receive(head(stream) + data(stream, b"x" * 10_000, end=True))
        one.outgoing()
        one.acknowledge(stream, 10_000)
    assert one.fault is None


# --- ordinary traffic with another implementation --------------------------------------------------------------


class Server:
    """`h2` as a server in memory."""

    def __init__(self, name: str, window: int = WINDOW) -> None:
        configuration = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(configuration)
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1_000})
        self.engine = engine(name, window=window)
        self.engine.open()
        self.requests: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.uploads: dict[int, bytes] = {}
        self.replies: dict[int, bytes] = {}

    def ask(self, method: str, path: str, body: bytes | None = None) -> int:
        fields = (("User-Agent", "me"), ("Authorization", "secret"), ("Host", "left-out"), ("X-N", path))
        stream = self.engine.request(method, "https", "a.example", path, fields, end=body is None)
        if body is not None:
            self.uploads[stream] = body
            self.upload(stream)
        return stream

    def upload(self, stream: int) -> None:
        left = self.uploads[stream]
        self.uploads[stream] = left[self.engine.send(stream, left, end=True) :]

    def run(self) -> list[ev.Event]:
        """Carry bytes both ways until nothing more is to be said."""
        found = []
        while True:
            there = self.engine.outgoing()
            for event in self.h2.receive_data(there) if there else []:
                self.heard(event)
            for stream in list(self.replies):
                self.reply(stream)
            back = self.h2.data_to_send()
            events = self.engine.receive(back)
            for event in events:
                if type(event) is ev.Window:
                    self.upload(event.stream)
                elif type(event) is ev.Data:
                    self.engine.acknowledge(event.stream, len(event.data))
            found += events
            if not there and not back:
                return found

    def heard(self, event: object) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream = event.stream_id
            self.h2.send_headers(stream, [(":status", "103"), ("link", "x")])
            self.h2.send_headers(stream, [(":status", "200"), ("x-path", self.requests[stream][":path"])])
            self.replies[stream] = self.bodies.get(stream, b"") or self.requests[stream][":path"].encode() * 40

    def reply(self, stream: int) -> None:
        left = self.replies[stream]
        room = min(self.h2.local_flow_control_window(stream), 10_000) - 8
        if left and room > 0:
            self.h2.send_data(stream, left[:room], pad_length=7)
            self.replies[stream] = left = left[room:]
        if not left:
            self.h2.send_headers(stream, [("x-checksum", "1")], end_stream=True)
            del self.replies[stream]


@both
def test_many_requests_with_and_without_bodies_over_small_windows(name):
    server = Server(name)
    bodies = {}
    events = server.run()
    for at in range(60):
        body = bytes([at]) * (at * 700) if at % 3 else None
        bodies[server.ask("POST" if body else "GET", f"/{at}", body or None)] = body or f"/{at}".encode() * 40
        if at % 10 == 9:
            events += server.run()
    for stream, body in bodies.items():
        own = [event for event in events if getattr(event, "stream", None) == stream]
        assert [type(event) for event in own if type(event) not in {ev.Data, ev.Window}] == [
            ev.Interim,
            ev.Head,
            ev.Trailers,
        ]
        assert b"".join(event.data for event in own if type(event) is ev.Data) == body
        assert own[-1] == ev.Trailers(stream, (("x-checksum", "1"),))
        request = server.requests[stream]
        assert (request["user-agent"], request["authorization"]) == ("me", "secret")
        assert request["x-n"] == request[":path"]
        assert "host" not in request
    assert server.engine.streams == 0
    assert server.engine.fault is None
