"""An HTTP/2 server as a list of steps, valid or not, and what an engine makes of it in a form that can be compared.

`scenario` makes steps from a source of random numbers: Hypothesis's, or `random.Random(seed)` for a longer run.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hpack import Decoder, Encoder, NeverIndexedHeaderTuple

from asyncapi.sansio.http2 import events as ev
from asyncapi.sansio.http2.engine import engine
from asyncapi.sansio.http2.limits import Limits

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ENHANCE_YOUR_CALM = 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65_535
ENGINES = ("pure", "ngh2")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(**values: int) -> bytes:
    ids = {"table": 1, "push": 2, "streams": 3, "window": 4, "frame": 5, "head": 6}
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", ids[name], value) for name, value in values.items()))


def number(kind: int, stream: int, value: int) -> bytes:
    return frame(kind, 0, stream, struct.pack(">I", value))


def goaway(last: int, code: int = 0, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + debug)


def literal(*lines: tuple[bytes, bytes]) -> bytes:
    """A header block that leaves the table alone; lines of up to 126 bytes."""
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in lines)


def head(stream: int, *lines: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> bytes:
    return frame(HEADERS, 0x5 if end else 0x4, stream, literal((b":status", status), *lines))


def data(stream: int, payload: bytes = b"", *, end: bool = False, pad: int | None = None) -> bytes:
    if pad is not None:
        payload = bytes([pad]) + payload + bytes(pad)
    return frame(DATA, (1 if end else 0) | (0 if pad is None else 8), stream, payload)


ACK = frame(SETTINGS, 1, 0)
START = settings() + ACK


def frames_in(written: bytes) -> list[tuple[int, int, int, bytes]]:
    """The frames that an engine has written, without the preface: (type, flags, stream, payload)."""
    written = written.removeprefix(PREFACE)
    found = []
    while written:
        size = int.from_bytes(written[:3], "big")
        found.append((written[3], written[4], int.from_bytes(written[5:9], "big"), written[9 : 9 + size]))
        assert len(written) >= 9 + size
        written = written[9 + size :]
    return found


def made(name: str, window: int = WINDOW, whole: int = 0, **limits: int):
    """An engine that has opened its connection, its first bytes taken out."""
    one = engine(name, window=window, whole=whole, limits=Limits(**limits))
    one.open()
    one.outgoing()
    return one


def asked(one, method: str = "GET", *, end: bool = True, path: str = "/", fields=()) -> int:
    """A request on it."""
    return one.request(method, "https", "a.example", path, fields, end=end)


# --- what an engine makes of it --------------------------------------------------------------------------------


@dataclass
class Seen:
    """What an engine made of a scenario, comparable between engines and between ways to cut the bytes."""

    streams: dict[int, list] = field(default_factory=dict)
    connection: list = field(default_factory=list)
    taken: list = field(default_factory=list)
    written: dict = field(default_factory=dict)
    fault: int | None = None

    def event(self, event) -> None:
        kind = type(event)
        if kind is ev.GoAway:
            self.connection.append(("going", event.last, event.code, event.debug))
            for stream in event.unprocessed:
                self._of(stream).append("unprocessed")
        elif kind is ev.Pong:
            self.connection.append(("pong", event.payload))
        elif kind is ev.Settings:
            self.connection.append("settings")
        elif kind is ev.Fault:
            self.fault = event.code
        elif kind is ev.Head:
            self._of(event.stream).append(("head", event.status, event.fields))
            self._end(event)
        elif kind is ev.Interim:
            self._of(event.stream).append(("interim", event.status, event.fields))
        elif kind is ev.Data:
            parts = self._of(event.stream)
            if event.data:
                if parts and parts[-1][0] == "data":
                    parts[-1] = ("data", parts[-1][1] + event.data)
                else:
                    parts.append(("data", event.data))
            self._end(event)
        elif kind is ev.Trailers:
            self._of(event.stream).extend([("trailers", event.fields), "end"])
        elif kind is ev.Reset:
            self._of(event.stream).append(("refused", event.code) if event.ours else ("reset", event.code))
        else:
            assert kind is ev.Window

    def _of(self, stream: int) -> list:
        return self.streams.setdefault(stream, [])

    def _end(self, event) -> None:
        if event.end:
            self._of(event.stream).append("end")

    def read_written(self, written: bytes) -> None:
        """Take in what the engine has written: heads decoded, bodies joined, numbers added."""
        decoder, blocks = Decoder(), {}
        for kind, flags, stream, payload in frames_in(written):
            if kind in {HEADERS, CONTINUATION}:
                blocks[stream] = blocks.get(stream, b"") + payload
                if flags & 4:
                    lines = decoder.decode(blocks[stream], raw=True)
                    never = [line[0] for line in lines if isinstance(line, NeverIndexedHeaderTuple)]
                    self.written["head", stream] = sorted(map(tuple, lines)), never
                if flags & 1:
                    self.written["end", stream] = True
            elif kind == DATA:
                self.written["data", stream] = self.written.get(("data", stream), b"") + payload
                if flags & 1:
                    self.written["end", stream] = True
            elif kind == WINDOW_UPDATE:
                self.written["window", stream] = self.written.get(("window", stream), 0) + int.from_bytes(
                    payload, "big"
                )
            else:
                self.written.setdefault((kind, flags, stream), []).append(payload[:8])


def seen(name: str, steps: list, cut=None, *, head: int = 16_384) -> Seen:
    """Play the steps to an engine.

    Args:
        name: The engine's.
        steps: What `scenario` gives: ("ask", method, size of the body or None), ("more",), ("drop", request),
            ("ping",), ("bytes", what the server sends).
        cut: Cuts bytes into parts; by default none.
        head: The limit of a head.
    """
    one = engine(name, window=WINDOW, whole=len(steps) % 2 * 4 * WINDOW, limits=Limits(head=head))
    one.open()
    result, written, waiting = Seen(), [], {}

    def send() -> None:
        for stream, left in list(waiting.items()):
            taken = one.send(stream, bytes([stream % 251]) * left, end=True)
            result.taken.append((stream, taken))
            waiting[stream] -= taken
            if taken == left:
                del waiting[stream]

    for step, *what in steps:
        if step == "ask" and one.free:
            method, size = what
            stream = asked(one, method, end=size is None, fields=(("user-agent", "x"), ("authorization", "secret")))
            if size is not None:
                waiting[stream] = size
        elif step == "drop":
            before = one.streams
            one.reset(what[0])
            if one.streams < before:
                result.streams.setdefault(what[0], []).append("dropped")
            waiting.pop(what[0], None)
        elif step == "ping":
            one.ping(b"12345678")
        elif step == "bytes":
            events = [event for part in (cut or (lambda whole: [whole]))(what[0]) for event in one.receive(part)]
            for event in events:
                result.event(event)
                if type(event) is ev.Data:
                    one.acknowledge(event.stream, len(event.data))
        send()
        written.append(one.outgoing())
    result.connection.append(("last", one.going, one.last, one.streams, one.free, one.limit))
    result.read_written(b"".join(written))
    return result


def differences(one: Seen, other: Seen) -> list[str]:
    """What two engines, or two ways to cut the bytes, made of one scenario differently.

    Differences that are known, and change nothing for a caller:
    1. libnghttp2 reports a response that it has refused at the end of a read, and not at all if the server breaks the
       connection in the same read. If the server resets the stream in the same read, or sends a GOAWAY that leaves it
       out, that is what `ngh2` reports.
    2. When a server goes on with a response that was refused in the same read, and breaks the rules once more,
       libnghttp2 breaks the connection.
    3. When nothing can come any more that anybody waits for, an engine need not answer the server.
    4. Frames that are wrong in two ways have two error codes to choose from (test_engine.py compares the codes).
    5. Room is given back half a window at a time, and libnghttp2 starts counting elsewhere after a refusal.
    6. libnghttp2 leaves out a Content-Length of 0 where the status is 204.
    7. libnghttp2 looks at a frame before all of it has come: a request in between may be sent, or given up, or not.
    8. libnghttp2 waits for a window before it sends an end without data, which needs none.
    9. libnghttp2 unpacks the heads of streams that are no more without handing them out, so that they have no limit.
    """
    faults = {one.fault, other.fault}
    if faults != {None} and any("refused" in str(side.streams) for side in (one, other)):
        return []  # 2
    if faults != {None} and any(side.fault is None and _over(side) for side in (one, other)):
        return []  # 1 and 3
    if faults == {None, ENHANCE_YOUR_CALM}:
        return []  # 9
    found = []
    if len(faults) == 2 and None in faults:  # 4
        found.append(f"fault: {one.fault} != {other.fault}")
    if _connection(one) != _connection(other):
        found.append(f"connection: {one.connection} != {other.connection}")
    if one.taken != other.taken and one.fault is None:  # 7
        found.append(f"taken: {one.taken} != {other.taken}")
    for stream in sorted(one.streams.keys() | other.streams.keys()):
        here, there = _parts(one, stream), _parts(other, stream)
        if here != there:
            found.append(f"stream {stream}: {here!r:.200} != {there!r:.200}")
    if faults == {None}:
        for key in sorted(one.written.keys() | other.written.keys(), key=str):
            here, there = one.written.get(key), other.written.get(key)
            if here != there and not _may_differ(key, one, other):
                found.append(f"written {key}: {here!r:.100} != {there!r:.100}")
    return found


def _over(side: Seen) -> bool:
    _, going, _, streams, *_ = side.connection[-1]
    return going and not streams


def _connection(side: Seen) -> list:
    return side.connection[-1][1:2] if _over(side) else side.connection  # 3


def _parts(side: Seen, stream: int) -> list:
    parts = []
    for part in side.streams.get(stream, []):
        if part in {"dropped", "unprocessed"} or part[0] in {"refused", "reset"}:
            if side.fault is None:  # 1 and 7
                parts.append("over")
        elif part[:2] == ("head", 204):
            parts.append((*part[:2], tuple(line for line in part[2] if line != ("content-length", "0"))))  # 6
        else:
            parts.append(part)
    return parts[: parts.index("over") + 1] if "over" in parts else parts


def _may_differ(key: tuple, one: Seen, other: Seen) -> bool:
    kind, *_, stream = key
    if kind in {"data", "end"}:
        return not (one.written.get(("data", stream)) or other.written.get(("data", stream)))  # 8
    if kind == "window":
        return abs(one.written.get(key, 0) - other.written.get(key, 0)) <= WINDOW  # 5
    if key in {(GOAWAY, 0, 0), (PING, 1, 0), (SETTINGS, 1, 0)}:
        return _over(one)  # 3
    ends = [
        part if isinstance(part, str) else part[0] for side in (one, other) for part in side.streams.get(stream, [])
    ]
    return kind == RST_STREAM and not {"unprocessed", "reset", "dropped"}.isdisjoint(ends)  # 1 and 7


# --- scenarios -------------------------------------------------------------------------------------------------

_LINES = [
    ("content-type", "application/json"), ("server", "x"), ("date", "Thu, 01 Jan 1970 00:00:00 GMT"), ("x", ""),
    ("set-cookie", "a=b"), ("x-text", "h\u00e9llo"), ("te", "trailers"), ("x-tab", "a\tb"), ("x-long", "v" * 300),
]  # fmt: skip
_BAD_LINES = [
    ("Upper", "x"), ("connection", "close"), ("transfer-encoding", "chunked"), ("te", "gzip"), ("x y", "z"), ("", "x"),
    ("x", "a\0b"), ("x", "a\nb"), ("x", " a"), ("x", "a "), (":path", "/"), (":status", "200"), ("content-length", "x"),
    ("content-length", "-1"), ("content-length", "1"), ("content-length", "4"), ("upgrade", "h2c"), ("x", "\x7f"),
    ("keep-alive", "1"), ("proxy-connection", "close"), ("content-length", "99999999999999999999"), ("x", "v" * 20_000),
]  # fmt: skip
_STATUSES = ["200", "204", "304", "404", "500", "999"]
_BAD_STATUSES = ["100", "101", "103", "199", "20", "2000", "abc", "", "099", "000", "1000"]


# ALTSVC, ORIGIN and PRIORITY_UPDATE: libnghttp2 refuses broken ones, for `pure` they are unknown frames.
_EXTENSIONS = {0xA, 0xC, 0x10}


class _Server:
    """Writes the bytes of a server that mostly keeps the rules."""

    def __init__(self, random) -> None:
        self.random = random
        self.encoder = Encoder()
        self.asked: list[int] = []
        self.headed: dict[int, int] = {}

    def stream(self) -> int:
        random = self.random
        if self.asked and random.random() < 0.99:
            return random.choice(self.asked)
        return random.choice([0, 1, 2, 3, 5, 7, 99, 2**31 - 1])

    def lines(self) -> list[tuple[str, str]]:
        random = self.random
        found = [random.choice(_LINES) for _ in range(random.randrange(4))]
        if random.random() < 0.08:
            found.insert(random.randrange(len(found) + 1), random.choice(_BAD_LINES))
        return found

    def block(self, lines: list[tuple[str, str]]) -> bytes:
        random = self.random
        out = b""
        for name, value in lines:
            line = (name.encode(), value.encode("utf-8", "surrogateescape"))
            sensitive = random.random() < 0.3
            # one line at a time, each indexed or not
            out += self.encoder.encode([(*line, sensitive)], huffman=random.random() < 0.5)
        return out

    def headers(self, stream: int, lines: list[tuple[str, str]], *, end: bool) -> bytes:
        random = self.random
        block = self.block(lines)
        flags = 1 if end else 0
        before = after = b""
        if random.random() < 0.1:
            pad = random.randrange(20)
            before, after, flags = bytes([pad]), bytes(pad), flags | 8
        if random.random() < 0.1:
            before, flags = before + b"\0\0\0\0\x10", flags | 0x20
        parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)] or [b""]
        if random.random() < 0.15:
            at = random.randrange(len(block) + 1)
            parts = [block[:at][:16_000], *([block[:at][16_000:]] if at > 16_000 else []), block[at:][:16_000]]
            if len(block) - at > 16_000:
                parts.append(block[at:][16_000:])
        out = frame(HEADERS, flags | (4 if len(parts) == 1 else 0), stream, before + parts[0] + after)
        for at, part in enumerate(parts[1:], 2):
            out += frame(CONTINUATION, 4 if at == len(parts) else 0, stream, part)
        return out

    def response(self) -> bytes:
        """A step on towards the end of some response."""
        random, stream = self.random, self.stream()
        headed = self.headed.get(stream, 0)
        if not headed or random.random() < 0.03:
            status = random.choice(_STATUSES if random.random() < 0.85 else _BAD_STATUSES)
            lines = [(":status", status), *self.lines()]
            end = random.random() < 0.25
            if random.random() < 0.2:
                lines.append(("content-length", str(random.choice([0, 3, 3, 4, 10]))))
            if random.random() < 0.02:
                random.shuffle(lines)
            if not status.startswith("1"):
                self.headed[stream] = 1
            return self.headers(stream, lines, end=end)
        if random.random() < 0.12:
            return self.headers(stream, self.lines(), end=random.random() < 0.9)
        size = random.choice([0, 1, 3, 3, 4, 10, 1000, 16_000])
        pad = random.randrange(256) if random.random() < 0.2 else None
        return data(stream, b"d" * size, end=random.random() < 0.4, pad=pad)

    def other(self) -> bytes:
        random = self.random
        kind = random.randrange(16)
        if kind < 3:
            return number(WINDOW_UPDATE, random.choice([0, self.stream()]), random.choice([1, 100, 5000, 70_000]))
        if kind == 3:
            return number(RST_STREAM, self.stream(), random.choice([0, 1, 7, 8, 11, 13, 99]))
        if kind == 4:
            return frame(PING, random.choice([0, 0, 1]), 0, b"abcdefgh")
        if kind == 5:
            values = {
                "streams": [0, 1, 3, 100], "window": [0, 10, 1000, 65_535, 100_000], "frame": [16_384, 70_000],
                "table": [0, 100, 4096, 10_000], "push": [0], "head": [1000],
            }  # fmt: skip
            chosen = random.sample(sorted(values), random.randrange(4))
            return settings(**{name: random.choice(values[name]) for name in chosen})
        if kind == 6:
            return ACK if random.random() < 0.5 else b""
        if kind == 7:
            return frame(PRIORITY, 0, self.stream(), b"\0\0\0\0\x10")
        if kind == 8:
            return frame(
                random.choice([0xB, 0xE, 0x42, 0xFF]), random.randrange(256), self.stream(), b"x" * random.randrange(9)
            )
        if kind == 9 and random.random() < 0.5:
            return goaway(random.choice([0, 1, 3, 5, 2**31 - 1]), random.choice([0, 0, 2, 11]), b"bye")
        if kind == 10 and random.random() < 0.2:
            return random.choice([
                frame(PUSH_PROMISE, 4, 1, b"\0\0\0\x02\x82"), settings(push=1), settings(window=2**31), settings(frame=1),
                number(WINDOW_UPDATE, 0, 0), number(WINDOW_UPDATE, 0, 2**31 - 1), number(WINDOW_UPDATE, 1, 2**31 - 1),
                number(WINDOW_UPDATE, 1, 0), frame(SETTINGS, 0, 0, b"abc"), frame(SETTINGS, 1, 0, b"abcdef"),
                frame(SETTINGS, 0, 1), frame(PING, 0, 0, b"abc"), frame(PING, 0, 1, b"abcdefgh"), frame(GOAWAY, 0, 0, b"a"),
                frame(GOAWAY, 0, 1, bytes(8)), frame(RST_STREAM, 0, 1, b"a"), frame(PRIORITY, 0, 1, b"abc"),
                frame(CONTINUATION, 4, 1, b"\x88"), frame(HEADERS, 0, 1, b"\x88"), frame(HEADERS, 4, 1, b"\xff\xff\xff"),
                frame(DATA, 8, 1, b"\x05abc"), frame(DATA, 8, 1), frame(HEADERS, 0x24, 1, b"abc"), frame(DATA, 0, 1, bytes(16_385)),
                frame(HEADERS, 4, 1), frame(HEADERS, 5, 1), number(WINDOW_UPDATE, 1, 2**31 + 5), frame(WINDOW_UPDATE, 0, 0, b"abc"),
            ])  # fmt: skip
        return b""


def scenario(random) -> list:
    """Steps of a client and a server; see `seen`."""
    server = _Server(random)
    # an end without data, or bodies that use up the windows: with both, libnghttp2 has a request open for longer
    sizes = [None, None, 0, 5, 1000] if random.random() < 0.5 else [None, None, 5, 30_000, 70_000]
    first = settings(streams=random.choice([1, 5, 100])) + ACK
    steps: list = [("bytes", first)] if random.random() < 0.97 else []
    following = 1
    for _ in range(random.randrange(1, 12)):
        roll = random.random()
        if roll < 0.35 or not server.asked:
            steps.append(("ask", random.choice(["GET", "HEAD", "POST"]), random.choice(sizes)))
            server.asked.append(following)
            following += 2
        elif roll < 0.42:
            steps.append(("drop", random.choice(server.asked)))
        elif roll < 0.45:
            steps.append(("ping",))
        else:
            sent = b"".join(
                server.response() if random.random() < 0.7 else server.other() for _ in range(random.randrange(1, 6))
            )
            if random.random() < 0.06 and sent:
                sent = mutated(random, sent)
            steps.append(("bytes", sent))
    sent = b"".join(step[1] for step in steps if step[0] == "bytes")
    at, kinds, unfinished = 0, set(), 0
    while len(sent) - at >= 9:
        kind, flags, stream = sent[at + 3], sent[at + 4], int.from_bytes(sent[at + 5 : at + 9], "big")
        kinds.add(kind)
        unfinished = stream if kind in {HEADERS, CONTINUATION} and not flags & 4 else 0
        at += 9 + int.from_bytes(sent[at : at + 3], "big")
    if kinds & _EXTENSIONS:
        return steps[:1]
    # what completes the last frame, and the last head: one engine looks at its parts, the other waits for all of it
    rest = bytes(min(max(at - len(sent), 0), 20_000)) + (frame(CONTINUATION, 4, unfinished) if unfinished else b"")
    return [*steps, ("bytes", rest)]


def mutated(random, sent: bytes) -> bytes:
    """The bytes with one place changed."""
    at, how = random.randrange(len(sent)), random.randrange(4)
    if how == 0:
        return sent[:at] + bytes([random.randrange(256)]) + sent[at + 1 :]
    if how == 1:
        return sent[:at] + sent[at + 1 :]
    if how == 2:
        return sent[:at] + bytes([random.randrange(256)]) + sent[at:]
    return sent[:at] + sent[at:][:30] + sent[at:]


def cuts(random):
    """A way to cut bytes at random places."""

    def cut(whole: bytes) -> list[bytes]:
        parts = []
        while whole:
            size = random.choice([1, 2, 5, 9, 10, 100, 20_000])
            parts.append(whole[:size])
            whole = whole[size:]
        return parts

    return cut


def single(whole: bytes) -> list[bytes]:
    """The bytes, one at a time."""
    return [whole[at : at + 1] for at in range(len(whole))]
