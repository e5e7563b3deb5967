"""A few hundred answers, generated, as `requests` and this transport take them: the same, or the reason is written down.

Framings x codings x shapes of headers x cuts, in packets of any size; the seed is fixed. Where the two differ, the first
reason of `REASONS` that fits has to say why, and no reason may be there that nothing needs.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from dataclasses import dataclass, field

import pytest
import requests

from asyncapi import Client, ProtocolError
from servers import Peer, scripted

pytestmark = pytest.mark.lanes

CASES = 400


def raw(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


CODINGS = {  # what Content-Encoding says: how the body is packed
    "": [], "identity": [], "gzip": [gzip.compress], "GZIP": [gzip.compress], "x-gzip": [gzip.compress],
    "deflate": [zlib.compress], "deflate ": [raw], "gzip, gzip": [gzip.compress] * 2,
    "deflate, gzip": [zlib.compress, gzip.compress], "gzip, identity": [gzip.compress], "compress": [], "utf-8": [],
}  # fmt: skip
SHAPES = {
    "usual": [b"Content-Type: application/json", b'ETag: "x"'],
    "cases": [b"x-LOWER: a", b"X-UPPER: b"],
    "repeated": [b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Vary: A", b"Vary: B"],
    "empty": [b"X-Empty:", b"X-Blank:   "],
    "spaces": [b"X-A:b", b"X-C:   d \t "],
    "folded": [b"X-Long: one\r\n  two"],
    "UTF-8": ["X-Name: é".encode()],
    "Latin-1": ["X-Name: é".encode("latin-1")],
    "large": [b"X-Large: " + b"a" * 20_000],
    "over 64 KiB": [b"X-Large: " + b"a" * 70_000],
    "95 of them": [b"X-%d: 1" % number for number in range(95)],
    "150 of them": [b"X-%d: 1" % number for number in range(150)],
    "a colon in it": [b"X-Url: http://h:1/"],
}
FRAMINGS = ["length", "two equal lengths", "two differing lengths", "chunked", "chunked with more", "close", "HTTP/1.0"]
DAMAGES = ["cut stream", "junk behind the stream", "cut framing", "bytes behind", "interim before", "no reason phrase"]


@dataclass
class Case:
    """One answer.

    Attributes:
        damage: What is wrong with it, or None.
        wire: Its bytes.
        sizes: Of the packets it comes in.
    """

    status: int
    framing: str
    coding: str
    shape: str
    damage: str | None
    body: bytes
    wire: bytes = b""
    sizes: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.status}, {self.framing}, {self.coding!r}, {self.shape}, {self.damage}, {len(self.body)} bytes"


def generated() -> list[Case]:
    """The cases, the same in every run."""
    pick = random.Random(20261127)
    cases = []
    for _ in range(CASES):
        body = pick.choice([b"", b'{"a": 1}', b"hello\r\n" * 300, pick.randbytes(5000), bytes(100_000)])
        case = Case(
            pick.choice([200, 200, 200, 201, 204, 299, 304, 404, 500]),
            pick.choice(FRAMINGS),
            pick.choice(list(CODINGS)),
            pick.choice(list(SHAPES)),
            pick.choice([None, None, *DAMAGES]),
            body,
        )
        case.wire = written(case, pick)
        case.sizes = [pick.choice([1, 7, 100, 5000, 10**6]) for _ in range(3)]
        cases.append(case)
    return cases


def written(case: Case, pick: random.Random) -> bytes:
    """Its bytes."""
    packed = case.body
    for pack in CODINGS[case.coding]:
        packed = pack(packed)
    if case.damage == "cut stream":
        packed = packed[: -pick.randint(1, 8)]
    if case.damage == "junk behind the stream":
        packed += b"junk"
    lines = [*SHAPES[case.shape]]
    if case.coding:
        lines.append(b"Content-Encoding: " + case.coding.strip().encode())
    bodiless = case.status in {204, 304}
    length = b"Content-Length: %d" % len(packed)
    match case.framing:
        case "length":
            lines.append(length)
        case "two equal lengths":
            lines += [length, length]
        case "two differing lengths":
            lines += [length, length + b"0"]
        case "chunked" | "chunked with more":
            lines.append(b"Transfer-Encoding: chunked")
            packed = chunked(packed, pick, more=case.framing != "chunked")
        case _:
            lines.append(b"Connection: close")
    pick.shuffle(lines)
    reason = b"" if case.damage == "no reason phrase" else b" Whatever"
    version = b"1.0" if case.framing == "HTTP/1.0" else b"1.1"
    head = b"HTTP/%s %d%s\r\n%s\r\n\r\n" % (version, case.status, reason, b"\r\n".join(lines))
    wire = head + (b"" if bodiless else packed)
    if case.damage == "cut framing":
        wire = wire[: -pick.randint(1, 6)]
    if case.damage == "bytes behind":
        wire += pick.choice([b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"<html>"])
    if case.damage == "interim before":
        wire = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + wire
    return wire


def chunked(body: bytes, pick: random.Random, *, more: bool) -> bytes:
    pieces = []
    while body:
        size = min(len(body), pick.choice([1, 10, 1000, 65536]) if len(body) < 3000 else 65536)
        pieces.append(b"%x%s\r\n%s\r\n" % (size, b";name=value" if more else b"", body[:size]))
        body = body[size:]
    return b"".join([*pieces, b"0\r\n", b"X-Trailer: 1\r\n" if more else b"", b"\r\n"])


Outcome = tuple[int, list[tuple[str, str]], bytes] | str


def theirs(url: str) -> Outcome:
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, allow_redirects=False, timeout=20)
        except requests.RequestException:
            return "an error"
        headers = [(name.lower(), value) for name, value in answer.raw.headers.items()]
        return answer.status_code, sorted(headers), answer.content


async def ours(api: Client) -> Outcome:
    try:
        answer = await api.get("/")
    except ProtocolError:
        return "an error"
    return answer.status, sorted((name.lower(), value) for name, value in answer.headers.items()), answer.content


PACKING = {name for name, packs in CODINGS.items() if packs}
REASONS = {  # why they differ: when
    "a 1xx before the answer is passed over (RFC 9110 15.2); http.client knows 100 alone":
        lambda case, theirs, ours: case.damage == "interim before" and theirs[0] == 103,
    "more headers than 100, or a line of more than 64 KiB, are taken within max_headers":
        lambda case, theirs, ours: case.shape in {"150 of them", "over 64 KiB"} and theirs == "an error",
    "a head, a last chunk or a trailer that was cut is an error (RFC 9112 8); http.client takes what came":
        lambda case, theirs, ours: case.damage == "cut framing" and ours == "an error",
    "a coded stream that was cut is an error; urllib3 gives what came of it":
        lambda case, theirs, ours: case.damage == "cut stream" and case.coding in PACKING and ours == "an error",
    "bytes behind the end of a coded stream are an error; urllib3 drops them":
        lambda case, theirs, ours: case.coding in PACKING and ours == "an error"
        and (case.damage == "junk behind the stream" or (case.damage == "bytes behind" and case.framing in {"close", "HTTP/1.0"})),
    "what can't be decoded is an error (RFC 9110 8.4); urllib3 gives it as it came":
        lambda case, theirs, ours: case.coding == "compress" and ours == "an error",
    "header values are read as UTF-8; http.client reads Latin-1":
        lambda case, theirs, ours: case.shape in {"UTF-8", "Latin-1"} and theirs[::2] == ours[::2],
    "a folded line is one value with one line of it (RFC 9112 5.2); http.client keeps the line break":
        lambda case, theirs, ours: case.shape == "folded" and theirs[::2] == ours[::2],
    "`identity` among several codings is none; urllib3 knows no such decoder":
        lambda case, theirs, ours: case.coding == "gzip, identity" and theirs == "an error",
    "a 204 or 304 ends with its headers, chunked or not (RFC 9112 6.3); urllib3 looks for the chunks":
        lambda case, theirs, ours: case.status in {204, 304} and "chunked" in case.framing and theirs == "an error",
    "spaces behind a value are none of it (RFC 9110 5.5); http.client keeps them":
        lambda case, theirs, ours: case.shape == "spaces" and theirs[::2] == ours[::2],
    "equal lengths are shown once":
        lambda case, theirs, ours: case.framing == "two equal lengths" and theirs[::2] == ours[::2],
}  # fmt: skip


async def test_requests_takes_every_answer_alike_or_the_reason_is_known():
    cases = iter(generated())
    now: Case | None = None

    async def script(peer: Peer) -> None:
        await peer.request()
        at = 0
        for size in [*now.sizes, len(now.wire)]:
            await peer.write(now.wire[at : at + size])
            at += size
            await asyncio.sleep(0)
        peer.close()

    needed, unknown = set(), []
    async with scripted(script) as server, Client(server.url, retry=None, raise_for_status=False) as api:
        for now in cases:
            one, other = await asyncio.to_thread(theirs, server.url), await ours(api)
            if one == other:
                continue
            why = next((why for why, fits in REASONS.items() if fits(now, one, other)), None)
            needed.add(why)
            if why is None:
                unknown.append(f"{now}\n  requests: {one!r:.300}\n  here:     {other!r:.300}")
    assert not unknown, f"{len(unknown)} differ without a reason:\n" + "\n".join(unknown[:10])
    assert needed == set(REASONS), "reasons that nothing needs"
