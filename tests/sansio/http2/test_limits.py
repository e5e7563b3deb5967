"""Whatever a server sends, its work and memory are bounded, in both engines by the same figures."""

from __future__ import annotations

import tracemalloc

import pytest

pytest.importorskip("hpack")
pytest.importorskip("ngh2")

from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2.limits import Limits, Meter
from http2_peer import (
    ACK,
    CONTINUATION,
    DATA,
    ENGINES,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    START,
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

HEAD = 262_144

# a head of one field of 3,900 bytes that is put into the table, and is named again and again by one byte
FIELD = b"\x40\x01x\x7f\xbd\x1d" + b"a" * 3_900


def block(stream: int, whole: bytes, *, end: bool = True) -> bytes:
    """A header block in frames of 16,000 bytes."""
    parts = [whole[at : at + 16_000] for at in range(0, len(whole), 16_000)]
    last = len(parts) - 1
    return b"".join(
        frame(CONTINUATION if at else HEADERS, (4 if at == last else 0) | (1 if end and not at else 0), stream, part)
        for at, part in enumerate(parts)
    )


FLOODS = {
    "settings": settings(window=70_000),
    "acknowledgements that nobody asked for": frame(PING, 1, 0, b"12345678"),
    "window updates": number(WINDOW_UPDATE, 0, 1),
    "window updates of a stream": number(WINDOW_UPDATE, 1, 1),
    "priorities": frame(PRIORITY, 0, 1, bytes(5)),
    "unknown frames": frame(0xBA, 0, 1, b"x"),
    "empty data": frame(DATA, 0, 1),
    "resets of a stream that is no more": number(RST_STREAM, 3, 8),
    "heads of a stream that is no more": head(3),
    "interim responses": head(5, status=b"103"),
    "the same GOAWAY": goaway(2**31 - 1),
}


@both
@pytest.mark.parametrize("kind", FLOODS)
def test_frames_that_serve_no_request_end_the_connection(name, kind):
    one = made(name)
    for _ in range(3):
        asked(one)
    one.outgoing()
    one.receive(START + head(1))
    one.reset(3)
    one.outgoing()
    flood, sent = FLOODS[kind], 0
    while one.fault is None and sent < 10_000:
        one.receive(flood * 10)
        sent += 10
        assert len(one.outgoing()) < 1_000
    assert one.fault.code == ev.ENHANCE_YOUR_CALM
    assert 1_900 <= sent <= 2_100


@both
@pytest.mark.parametrize("flood", [frame(PING, 0, 0, b"12345678"), settings()])
def test_answers_that_the_server_does_not_read_end_the_connection(name, flood):
    one = made(name)
    asked(one)
    one.receive(START)
    events = one.receive(flood * 5_000)
    assert events[-1].code == ev.ENHANCE_YOUR_CALM
    answers = [kind for kind, *_ in frames_in(one.outgoing()) if kind in {PING, SETTINGS}]
    assert len(answers) <= 1_001


@both
def test_a_server_that_pings_now_and_then_stays_welcome(name):
    one = made(name)
    asked(one)
    one.receive(START)
    for _ in range(1_500):
        one.receive(frame(PING, 0, 0, b"12345678"))
        one.outgoing()
    assert one.fault is None


@both
@pytest.mark.parametrize("useful", ["request", "response", "upload", "ping"])
def test_what_serves_requests_pays_for_the_frames_around_it(name, useful):
    one = made(name)
    upload = asked(one, "POST", end=False)
    download = asked(one)
    one.receive(START + head(download))
    around = frame(PING, 0, 0, b"12345678") + number(WINDOW_UPDATE, 0, 100) + number(WINDOW_UPDATE, upload, 100)
    for _ in range(3_000):
        if useful == "request":
            one.reset(asked(one))
        elif useful == "response":
            one.receive(data(download, b"x"))
            one.acknowledge(download, 1)
        elif useful == "upload":
            assert one.send(upload, b"x", end=False) == 1
        else:
            one.ping(b"12345678")
        one.receive(around)
        one.outgoing()
    assert one.fault is None


@both
def test_a_head_without_end_is_refused_while_it_comes(name):
    one = made(name)
    asked(one)
    one.receive(START + frame(HEADERS, 0, 1, b"\x88"))
    sent, part = 0, literal((b"a", b"x" * 100)) * 150
    while one.fault is None and sent < 1_000_000:
        one.receive(frame(CONTINUATION, 0, 1, part))
        sent += len(part)
    assert one.fault.code == ev.ENHANCE_YOUR_CALM
    assert sent <= HEAD + 2 * len(part)


@both
def test_a_head_in_empty_parts_without_end_is_refused_while_it_comes(name):
    one = made(name)
    asked(one)
    one.receive(START + frame(HEADERS, 0, 1, b"\x88"))
    one.receive(frame(CONTINUATION, 0, 1) * 24)
    assert one.fault is None
    one.receive(frame(CONTINUATION, 0, 1))
    assert one.fault.code == ev.ENHANCE_YOUR_CALM


@both
def test_a_head_of_any_size_below_the_limit_may_come_in_any_cut(name):
    one = made(name)
    asked(one)
    sent = START + block(1, b"\x88" + literal((b"a", b"x" * 90)) * 2_000)
    events = [event for at in range(0, len(sent), 7) for event in one.receive(sent[at : at + 7])]
    assert len(events[-1].fields) == 2_000


@both
def test_a_head_above_the_limit_is_refused_and_the_connection_goes_on(name):
    one = made(name)
    for _ in range(2):
        asked(one)
    # 70 fields of 3,933 bytes: 275,310, a little above the limit
    events = one.receive(START + block(1, b"\x88" + FIELD + b"\xbe" * 69))
    assert events[1:] == [ev.Reset(1, ev.ENHANCE_YOUR_CALM, ours=True, why="its headers are too large")]
    # the table has followed
    (answered,) = one.receive(frame(HEADERS, 5, 3, b"\x88\xbe"))
    assert answered.fields == (("x", "a" * 3_900),)


@both
def test_a_head_packed_into_little_that_unpacks_to_much_ends_the_connection(name):
    one = made(name)
    asked(one)
    one.receive(START)
    one.outgoing()
    tracemalloc.start()
    events = one.receive(block(1, b"\x88" + FIELD + b"\xbe" * 12_000))  # 47 MB
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert events == [ev.Fault(ev.ENHANCE_YOUR_CALM, "the headers of a response are much too large")]
    assert peak < 5_000_000
    assert one.outgoing()


@both
def test_the_limit_of_a_head_is_the_users(name):
    one = made(name, head=8_192)
    for _ in range(2):
        asked(one)
    events = one.receive(START + head(1, *[(b"a", b"x" * 60)] * 80, end=True) + head(3, *[(b"a", b"x" * 60)] * 90))
    assert [type(event) for event in events[1:]] == [ev.Head, ev.Reset]
    assert events[-1].why == "its headers are too large"


@both
def test_a_settings_frame_of_too_many_values_ends_the_connection(name):
    one = made(name)
    asked(one)
    one.receive(START)
    assert one.receive(frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff" * 32))[-1] == ev.Settings()
    assert one.receive(frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff" * 33))[-1].code == ev.ENHANCE_YOUR_CALM


@both
def test_resets_of_all_requests_cost_no_more_than_the_requests(name):
    one = made(name)
    one.receive(START)
    for _ in range(3_000):
        stream = asked(one)
        one.outgoing()
        assert one.receive(number(RST_STREAM, stream, ev.REFUSED_STREAM)) == [ev.Reset(stream, ev.REFUSED_STREAM)]
    assert (one.fault, one.streams) == (None, 0)


@both
def test_a_long_connection_remembers_little(name):
    one = made(name)
    one.receive(START)

    def exchange(count: int) -> None:
        for at in range(count):
            stream = asked(one, path=f"/{at}", fields=(("x-request", str(at)),))
            one.outgoing()
            one.receive(head(stream, (b"x-id", b"%d" % at)) + data(stream, b"x" * 100, end=True))
            one.acknowledge(stream, 100)

    exchange(1_000)
    tracemalloc.start()
    exchange(3_000)
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert now < 300_000


def test_the_meter_never_has_more_in_hand_than_at_first():
    meter = Meter(Limits(spare=10))
    for _ in range(100):
        meter.requested()
        meter.sent()
    for _ in range(10):
        meter.frame(PRIORITY, 0, 5)
    with pytest.raises(ev.ConnectionFault):
        meter.frame(PRIORITY, 0, 5)


def test_an_acknowledgement_wants_no_answer():
    meter = Meter(Limits(answers=1))
    for _ in range(100):
        meter.frame(SETTINGS, ACK[4], 0)
    meter.frame(SETTINGS, 0, 0)
    meter.written()
    meter.frame(PING, 0, 8)
    with pytest.raises(ev.ConnectionFault):
        meter.frame(PING, 0, 8)
