"""Read a response with our reader: whole, a byte at a time, and cut at random; the result has to be the same."""

from __future__ import annotations

import random
from typing import NamedTuple

from asyncapi.sansio.http.http1 import MAX_HEAD, BadResponse, Reader


class Read(NamedTuple):
    """What a reader made of the bytes."""

    status: int
    version: str
    fields: list[tuple[str, str]]
    body: bytes
    keep: bool
    interim: int
    length: int | None
    trailers: list[tuple[str, str]] | None
    rest: bytes


class Refused(NamedTuple):
    """Why a reader refused them, and whether it had read a head or anything at all."""

    why: str
    too_large: bool
    headed: bool
    begun: bool


def read_pieces(pieces: list[bytes], method: str = "GET", max_head: int = MAX_HEAD) -> Read | Refused:
    """Feed the pieces to a reader; then the server closes the connection, unless the response is whole."""
    reader = Reader(max_head)
    reader.begin(method)
    body = b""
    try:
        for piece in pieces:
            body += reader.feed(piece)
        keep = reader.keep
        if not reader.done:
            reader.end()
            keep = reader.keep
    except BadResponse as bad:
        return Refused(bad.why, bad.too_large, reader.headed, reader.begun)
    assert reader.done
    assert reader.headed
    return Read(
        reader.status, reader.version, reader.fields, body, keep,
        reader.interim, reader.length, reader.trailers, reader.rest,
    )  # fmt: skip


def cuts_of(data: bytes, chance: random.Random) -> list[bytes]:
    """Cut bytes at a few random places."""
    places = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(1, 6)))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def read(data: bytes, method: str = "GET", max_head: int = MAX_HEAD, *, cuts: int = 5) -> Read | Refused:
    """Read bytes whole, a byte at a time, and cut at random; return what came of them, the same each time."""
    whole = read_pieces([data], method, max_head)
    chance = random.Random(data)
    for pieces in ([data[at : at + 1] for at in range(len(data))], *(cuts_of(data, chance) for _ in range(cuts))):
        assert read_pieces(pieces, method, max_head) == whole, pieces
    return whole
