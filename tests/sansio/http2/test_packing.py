"""Packed heads unpack to what was packed, secrets are never kept, and the table never gets ahead of the server's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("hpack")

import hpack

from asyncapi.sansio.http2.packing import Packer
from asyncapi.sansio.http2.requests import lowered

NAMES = ["accept", "user-agent", "x-a", "x-b", "content-length", "cookie", "authorization", "te", "traceparent"]
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.one_of(st.sampled_from(["", "x", "trailers", "y" * 200]), st.text("abc\u00e9"))
    ),
    max_size=6,
)


class Peer:
    """A packer, and a server's decoder that follows it."""

    def __init__(self, size: int = 4_096) -> None:
        self.packer = Packer()
        self.decoder = hpack.Decoder(1 << 20)
        self.resize(size)

    def resize(self, size: int) -> None:
        self.decoder.max_allowed_table_size = size
        self.packer.resize(size)

    def ask(self, path: str, *fields: tuple[str, str], authority: str = "a.example") -> tuple[bytes, list]:
        block = self.packer.pack("GET", "https", authority, path, fields)
        lines = self.decoder.decode(block, raw=True)
        expected = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", authority.encode())]
        expected += [(b":path", path.encode()), *lowered(fields)]
        assert [tuple(line) for line in lines] == expected
        return block, lines


@given(st.lists(st.one_of(FIELDS, st.sampled_from([0, 33, 100, 4_096, 1_000_000])), max_size=20))
def test_any_heads_over_tables_of_any_size_unpack_to_what_was_packed(steps):
    peer = Peer()
    for at, step in enumerate(steps):
        if isinstance(step, int):
            peer.resize(step)
        else:
            peer.ask(f"/{at}", *step)


def test_a_head_that_comes_again_takes_a_few_bytes():
    peer = Peer()
    fields = (("user-agent", "asyncapi/1.0"), ("accept", "application/json"), ("x-client", "a" * 50))
    sizes = [len(peer.ask(f"/items/{at}", *fields)[0]) for at in range(4)]
    assert sizes[0] > sizes[2] == sizes[3] < 24


def test_a_remembered_head_is_packed_anew_when_the_table_has_grown():
    peer = Peer()
    for _ in range(4):
        peer.ask("/", ("x-one", "1"))
    for _ in range(4):
        peer.ask("/", ("x-two", "2"))
    peer.ask("/", ("x-one", "1"))
    peer.ask("/", ("x-one", "1"), ("x-two", "2"))


def test_paths_and_what_else_names_one_request_never_enter_the_table():
    peer = Peer()
    for _ in range(3):
        peer.ask("/the/same", ("traceparent", "00-1"), ("content-length", "5"))
    assert (b":path", b"/the/same") not in peer.decoder.header_table.dynamic_entries
    assert list(peer.decoder.header_table.dynamic_entries) == [(b":authority", b"a.example")]


@pytest.mark.parametrize("name", ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"])
def test_secrets_are_never_indexed(name):
    peer = Peer()
    for _ in range(3):
        _, lines = peer.ask("/", (name, "secret"))
        assert isinstance(lines[-1], hpack.NeverIndexedHeaderTuple)
    assert b"secret" not in dict(peer.decoder.header_table.dynamic_entries).values()


def test_a_full_table_evicts_nothing():
    peer = Peer(size=300)
    for at in range(50):
        for _ in range(2):
            peer.ask("/", ("x-n", "v" * 20 + str(at)))
    entries = list(peer.decoder.header_table.dynamic_entries)
    assert entries[-1] == (b":authority", b"a.example")
    assert peer.ask("/", ("x-n", "v" * 20 + "0"))[0][-1] >= 0x80  # still by its index


def test_a_table_of_no_size_is_not_used():
    peer = Peer(size=0)
    for _ in range(3):
        peer.ask("/", ("x-n", "v"))
    assert len(peer.decoder.header_table.dynamic_entries) == 0


@pytest.mark.parametrize("size", [0, 126, 127, 128, 254, 255, 16_383, 70_000])
def test_values_of_any_length(size):
    peer = Peer()
    peer.ask("/" + "p" * size, ("x-long", "v" * size))


def test_a_head_that_is_refused_leaves_the_table_as_it_was():
    peer = Peer()
    for bad in (("a b", "c"), ("a", "\n")):
        for _ in range(3):
            with pytest.raises(ValueError):
                peer.packer.pack("GET", "https", "a.example", "/", (("x-n", "v"), bad))
    with pytest.raises(ValueError):
        peer.packer.pack("GET", "https", "a.example", "/ \0", (("x-n", "v"),))
    peer.ask("/", ("x-n", "v"))


def test_a_packer_remembers_a_bounded_number_of_heads():
    packer = Packer()
    for at in range(3_000):
        packer.pack("GET", "https", "a", "/", (("x-n", str(at)),))
    assert len(packer._heads) <= 256
    assert len(packer._once) <= 256
