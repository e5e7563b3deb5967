"""HTTP/3 without a socket: what qh3 lacks, and what a broken server may do."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qh3.quic.configuration import QuicConfiguration

from asyncapi.transports.native.http3.engine import Engine
from asyncapi.transports.native.http3.quic import CANCELLED
from http3_server import GET, Pair, server_configuration

CONTROL = 3  # the server's control stream


@pytest.fixture(scope="session")
def served(ours):
    return server_configuration(ours)


@pytest.fixture
def pair(ours, served):
    return paired(ours, served)


def paired(ours, served, *, begin=True, name="localhost", **settings):
    def make(heard):
        configuration = QuicConfiguration(
            alpn_protocols=["h3"], server_name=name, cadata=ours.made.cert_pem.bytes(), probe_datagram_size=False,
            **{"max_stream_data": 1 << 20, "max_data": 1 << 24, **settings},
        )  # fmt: skip
        return Engine(configuration, heard, 16_384)

    return Pair(make, served, begin=begin)


def test_a_response_is_heard_piece_by_piece(pair):
    stream = pair.get()
    pair.head(stream, (b"link", b"x"), status=b"103")
    pair.head(stream, (b"a", b"b"))
    pair.h3.send_data(stream, b"hello", False)
    pair.h3.send_headers(stream, [(b"t", b"1")], True)
    pair.advance()
    assert pair.heard.log == [
        ("connected",),
        ("interim", stream, [(b":status", b"103"), (b"link", b"x")]),
        ("section", stream, [(b":status", b"200"), (b"a", b"b")], False),
        ("data", stream, b"hello", False),
        ("section", stream, [(b"t", b"1")], True),
    ]


def test_nothing_of_http3_is_sent_before_begin(ours, served):
    pair = paired(ours, served, begin=False)
    assert pair.names() == ["connected"]
    assert pair.engine.room == 0
    assert pair.seen == []
    assert pair.h3.received_settings is None
    pair.engine.begin()
    pair.advance()
    assert pair.h3.received_settings is not None


def test_what_the_server_sends_with_its_handshake_is_not_lost(pair):
    # the dynamic table of QPACK is of use only with the settings and the instructions that came early
    for _ in range(3):
        stream = pair.get()
        pair.head(stream, (b"etag", b"a-value-that-is-worth-a-place-in-the-table"), end=True)
        assert pair.heard.log[-1][0] == "section"


def test_pushes_are_not_allowed(pair):
    assert pair.h3._max_push_id is None


@pytest.mark.parametrize(
    "frames", [b"\x00\x0aabc", b"\x00\x03abc\x00", b"\x00\x03abc\x21\x05x"], ids=["data", "type", "unknown frame"]
)
def test_a_stream_that_ends_within_a_frame_is_cut(pair, frames):
    stream = pair.get()
    pair.head(stream)
    pair.raw(stream, frames, end=True)
    assert pair.heard.log[-1] == ("cut", stream)
    assert not any(each[0] == "data" and each[-1] for each in pair.heard.log)


@pytest.mark.parametrize("interim", [False, True])
def test_a_stream_that_ends_without_a_response_is_cut(pair, interim):
    stream = pair.get()
    if interim:
        pair.head(stream, status=b"100")
    pair.raw(stream, b"", end=True)
    assert pair.heard.log[-1] == ("cut", stream)


def test_frames_of_unknown_types_are_passed_over(pair):
    stream = pair.get()
    pair.head(stream)
    pair.raw(stream, b"\x21\x01x\x00\x03abc\x21\x01x", end=True)
    assert pair.heard.log[-2:] == [("data", stream, b"abc", False), ("data", stream, b"", True)]


@pytest.mark.parametrize("on_control", [True, False])
def test_an_unknown_frame_without_end_is_not_collected_for_ever(pair, on_control):
    stream = pair.get()
    at = CONTROL if on_control else stream
    pair.raw(at, b"\x21\xbf\xff\xff\xff" + bytes(200_000))
    assert pair.heard.log[-1][0] == "ended"
    assert pair.engine.why.code == 0x107  # H3_EXCESSIVE_LOAD
    assert not pair.engine.why.remote


@pytest.mark.parametrize(
    "frame",
    [b"\x07\x00", b"\x04\x00", b"\x0d\x01\x01", b"\x00\x00", b"\x01\x00", b"\x05\x00"],
    ids=["GOAWAY cut short", "second SETTINGS", "MAX_PUSH_ID", "DATA", "HEADERS", "PUSH_PROMISE"],
)
def test_a_broken_control_stream_ends_the_connection_with_a_reason(pair, frame):
    pair.get()
    pair.raw(CONTROL, frame)
    assert pair.heard.log[-1] == ("ended", pair.engine.why)
    assert pair.engine.why.code >= 0x100
    assert pair.engine.room == 0


def test_a_push_promise_ends_the_connection(pair):
    stream = pair.get()
    section = pair.h3._encode_headers(stream, GET)
    pair.raw(stream, b"\x05" + bytes([len(section) + 1]) + b"\x00" + section)
    assert pair.engine.why.code == 0x108  # H3_ID_ERROR


def test_a_stream_that_the_server_opens_ends_the_connection(pair):
    pair.raw(1, b"\x00\x00")
    assert pair.engine.why.code == 0x103  # H3_STREAM_CREATION_ERROR


def test_a_cancelled_stream_is_stopped_in_both_directions_and_never_heard_again(pair):
    stream = pair.get(last=False)
    pair.engine.send(stream, b"abc", last=False)
    pair.head(stream)
    heard = len(pair.heard.log)
    pair.engine.cancel(stream)
    pair.h3.send_data(stream, b"late" * 1000, False)
    pair.advance()
    assert sorted(pair.codes) == [
        ("StopSendingReceived", stream, CANCELLED), ("StreamReset", stream, CANCELLED),
    ]  # fmt: skip
    assert len(pair.heard.log) == heard
    other = pair.get()
    pair.head(other, end=True)
    assert pair.heard.log[-1][:2] == ("section", other)
    assert set(pair.engine._h3._stream) <= {3, 7, 11}


def test_what_waits_of_a_cancelled_request_is_sent_before_its_end_is(pair):
    stream = pair.get(last=False)
    pair.engine.send(stream, bytes(60_000), last=False)
    pair.engine.cancel(stream)
    pair._exchange()
    assert pair.codes == [("StopSendingReceived", stream, CANCELLED)]
    assert pair.engine.unsent(stream) > 0
    assert not pair.engine.send(stream, b"more", last=True)
    pair.advance(2.0)
    assert pair.codes == [("StopSendingReceived", stream, CANCELLED), ("StreamReset", stream, CANCELLED)]
    assert sum(len(each.data) for each in pair.seen if hasattr(each, "data")) == 60_000


def test_a_cancelled_request_that_can_not_be_sent_is_reset_after_a_while(ours):
    pair = paired(ours, server_configuration(ours, max_stream_data=10_000))
    stream = pair.get(last=False)
    pair.quic._drain_core = lambda: None  # a server that takes nothing
    pair.engine.send(stream, bytes(60_000), last=False)
    pair.advance(1.0)
    pair.engine.cancel(stream)
    pair.advance(4.0)
    assert pair.engine._ending
    pair.engine.send(pair.engine.request(GET, last=False), b"", last=True)
    pair.advance(4.0)
    pair.engine.ping()
    pair.advance(4.0)
    assert not pair.engine._ending


def test_a_cancelled_request_that_the_server_stops_is_forgotten(pair):
    stream = pair.get(last=False)
    pair.engine.send(stream, bytes(60_000), last=False)
    pair.engine.cancel(stream)
    pair.quic.stop_stream(stream, 0x100)
    pair.advance()
    assert not pair.engine._ending
    assert "unwanted" not in pair.names()


def test_a_cancelled_stream_that_waited_for_its_fields_does_no_harm(pair):
    # its fields refer to an entry of the dynamic table that comes later
    first = pair.get()
    pair.head(first, (b"x-first", b"a-value-that-is-worth-a-place"), end=True)
    stream, other = pair.get(), pair.get()
    pair.engine.cancel(stream)
    pair.head(stream, (b"x-second", b"another-value-worth-a-place"), end=True)
    pair.head(other, (b"x-second", b"another-value-worth-a-place"), end=True)
    assert pair.heard.log[-1][:2] == ("section", other)
    assert pair.engine.why is None


def test_a_cancelled_request_that_is_over_says_nothing(pair):
    stream = pair.get()
    pair.head(stream, end=True)
    pair.engine.cancel(stream)
    pair.advance()
    assert pair.codes == []


def test_a_reset_is_heard_with_its_code(pair):
    stream = pair.get()
    pair.quic.reset_stream(stream, 0x10B)
    pair.advance()
    assert pair.heard.log[-1] == ("reset", stream, 0x10B)


def test_a_server_that_wants_no_more_is_heard(pair):
    stream = pair.get(last=False)
    pair.quic.stop_stream(stream, 0x100)
    pair.advance()
    assert pair.heard.log[-1] == ("unwanted", stream)
    assert pair.engine.send(stream, b"more", last=True) is False


def test_while_it_is_paused_the_server_can_send_no_more_than_the_window(ours, served):
    pair = paired(ours, served, max_stream_data=100_000)
    stream = pair.get()
    pair.engine.pause()
    pair.h3.send_headers(stream, [(b":status", b"200")], False)
    pair.h3.send_data(stream, bytes(1_000_000), True)
    pair.advance(20.0)
    assert pair.names() == ["connected"]
    assert 890_000 < pair.quic.get_send_buffer_size(stream) <= 900_100
    pair.engine.resume()
    pair.advance(20.0)
    assert sum(len(each[2]) for each in pair.heard.log if each[0] == "data") == 1_000_000
    assert pair.heard.log[-1][-1] is True


def test_a_body_waits_in_the_engine_until_the_server_takes_it(pair):
    stream = pair.get(last=False)
    assert pair.engine.send(stream, bytes(3_000_000), last=False)
    assert pair.engine.unsent(stream) > 2_900_000
    pair.advance(10.0)
    assert pair.engine.unsent(stream) == 0
    assert pair.engine.send(stream, b"", last=True)
    pair.advance()
    assert sum(len(each.data) for each in pair.seen if hasattr(each, "data")) == 3_000_000
    assert pair.seen[-1].stream_ended


def test_room_is_what_the_server_allows(pair):
    allowed = pair.engine.room
    assert allowed == 100
    streams = [pair.engine.request(GET, last=True) for _ in range(allowed)]
    assert pair.engine.room == 0
    pair.advance()
    for stream in streams:
        pair.h3.send_headers(stream, [(b":status", b"200")], True)
    pair.advance(1.0)
    assert pair.engine.room > 50


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_a_certificate_for_another_host_is_refused(ours, served, name):
    pair = paired(ours, served, name=name)
    assert pair.names() == ["ended"]
    assert "certificate" in pair.engine.why.reason


def test_a_certificate_of_an_unknown_authority_is_refused(theirs, served):
    pair = paired(theirs, served)
    assert pair.names() == ["ended"]
    assert "issuer" in pair.engine.why.reason


def test_the_servers_goodbye_is_heard_at_once(pair):
    pair.get()
    pair.quic.close(0x100, reason_phrase="bye")
    pair._exchange()
    assert pair.heard.log[-1][0] == "ended"
    assert (pair.engine.why.code, pair.engine.why.remote) == (0x100, True)


def test_a_response_that_comes_together_with_the_goodbye_is_heard(pair):
    stream = pair.get()
    pair.h3.send_headers(stream, [(b":status", b"200"), (b"etag", b"a-value-that-is-worth-a-place")], False)
    pair.h3.send_data(stream, b"whole", True)
    sent = [data for data, _ in pair.quic.datagrams_to_send(pair.now)]
    pair.quic.close(0x100)
    sent += [data for data, _ in pair.quic.datagrams_to_send(pair.now)]
    pair.engine.receive(sent, pair.now)
    assert [each[0] for each in pair.heard.log] == ["connected", "section", "data", "ended"]
    assert pair.engine.why.remote


def test_the_clients_goodbye_is_sent(pair):
    pair.engine.close()
    pair.advance(10.0)
    assert pair.quic._close_event.error_code == 0x100
    assert pair.heard.log[-1] == ("ended", pair.engine.why)
    pair.engine.close()
    assert pair.names().count("ended") == 1


def test_the_library_does_not_log_what_a_server_says_as_it_hangs_up(pair, caplog):
    pair.quic.close(0x100, reason_phrase="these bytes are the server's")
    pair.advance()
    assert pair.engine.why is not None
    assert not caplog.records


def test_what_goes_wrong_in_the_library_ends_the_connection(pair, monkeypatch):
    def broken(*_):
        raise KeyError("its own")

    monkeypatch.setattr(pair.engine._h3, "handle_event", broken)
    stream = pair.get()
    pair.head(stream)
    assert pair.heard.log[-1][0] == "ended"
    assert pair.engine.why.reason == "KeyError: 'its own'"


@pytest.mark.parametrize("times", [1, 100])
def test_the_library_is_asked_again_where_it_trips_over_a_stream(pair, monkeypatch, times):
    send, left = pair.engine._quic.datagrams_to_send, [ValueError("reserved stream is missing")] * times

    def tripping(now):
        if left:
            raise left.pop()
        return send(now)

    monkeypatch.setattr(pair.engine._quic, "datagrams_to_send", tripping)
    pair.engine.request(GET, last=True)
    pair.advance()
    assert (pair.engine.why is None) == (times == 1)
    assert (len(pair.seen) == 1) == (times == 1)


def test_a_connection_on_which_the_library_tripped_takes_no_more_requests(pair, monkeypatch):
    stuck = pair.engine.request(GET, last=True)
    waits = [True, False]
    monkeypatch.setattr(pair.engine._quic, "should_wait_for_ack", lambda _now: waits.pop(0))
    monkeypatch.setattr(pair.engine._quic, "get_send_buffer_size", lambda stream: 15 if stream == stuck else 0)
    send, left = pair.engine._quic.datagrams_to_send, [ValueError("reserved stream is missing")]

    def tripping(now):
        if left:
            raise left.pop()
        return []

    monkeypatch.setattr(pair.engine._quic, "datagrams_to_send", tripping)
    pair.engine.outgoing(pair.now)
    assert pair.heard.log[-1] == ("retire",)
    assert pair.engine.wake_at <= pair.now + 1.0
    pair.engine.tick(pair.now + 1.0)  # something is still under way
    assert pair.heard.log[-1] == ("retire",)
    pair.engine.tick(pair.now + 2.0)
    assert pair.heard.log[-1] == ("stuck", stuck, 15)
    monkeypatch.setattr(pair.engine._quic, "datagrams_to_send", send)
    pair.advance()


def test_a_crash_of_rust_ends_the_connection_and_an_interrupt_goes_on(pair, monkeypatch):
    class PanicException(BaseException):
        pass

    def interrupted(*_):
        raise KeyboardInterrupt

    def crashed(*_):
        raise PanicException

    monkeypatch.setattr(pair.engine._quic, "handle_timer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pair.engine.tick(1.0)
    assert pair.engine.why is None
    monkeypatch.setattr(pair.engine._quic, "handle_timer", crashed)
    pair.engine.tick(1.0)
    assert pair.engine.why.reason.startswith("PanicException")


# --- whatever a server writes ---------------------------------------------------------------------------------------

FRAMES = [
    b"\x00\x03abc", b"\x00\x00", b"\x01\x03\x00\x00\xd9", b"\x01\x02\x00\x00", b"\x01\x05\x02\x00\x80\x10\x11",
    b"\x21\x02xy", b"\x04\x00", b"\x07\x01\x00", b"\x05\x03\x00\x00\x00", b"\x0d\x01\x08", b"\x00\x40", b"\xff", b"\x02\x00",
]  # fmt: skip
WRITES = st.lists(
    st.tuples(
        st.sampled_from(["stream", "control", "encoder", "decoder", "unknown"]),
        st.one_of(st.sampled_from(FRAMES), st.binary(max_size=12)),
        st.booleans(),
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITES)
def test_whatever_a_server_writes_every_request_comes_to_an_end(ours, served, writes):
    pair = paired(ours, served)
    streams = [pair.get(), pair.get()]
    unknown = pair.h3._create_uni_stream(0x21)
    ids = {"stream": streams[0], "control": 3, "encoder": 7, "decoder": 11, "unknown": unknown}
    over = set()
    for name, data, end in writes:
        if pair.engine.why is None and name not in over:
            pair.raw(ids[name], data, end=end)
            if end:
                over.add(name)
    ends = {"cut", "reset"}
    ended = {each[1] for each in pair.heard.log if each[0] in ends or (each[0] in {"section", "data"} and each[-1])}
    if pair.engine.why is None:
        # the stream is over, or something of it is still to come; the other one is as good as ever
        assert (streams[0] in ended) == ("stream" in over) or streams[0] in waiting(pair)
        pair.raw(streams[1], b"\x01\x03\x00\x00\xd9", end=True)  # `:status: 200`, of the static table
        assert ("section", streams[1], [(b":status", b"200")], True) in pair.heard.log
    else:
        assert pair.heard.log[-1] == ("ended", pair.engine.why)
    # nothing is said of a stream after its end
    for stream in streams:
        said = [each for each in pair.heard.log if each[0] != "ended" and each[1:2] == (stream,)]
        assert not any(each[0] in ends or (each[0] in {"section", "data"} and each[-1]) for each in said[:-1])


def waiting(pair):
    """The streams that wait for an instruction of QPACK."""
    return set(pair.engine._h3._blocked_stream_map)
