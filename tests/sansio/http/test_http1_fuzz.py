"""Our reader of HTTP/1.1 reads what h11, llhttp and aiohttp's parser read, and refuses what they refuse.

`make fuzz` does the same for as long as you want, with other responses each time.
"""

from __future__ import annotations

import itertools
import random
import re

import pytest

import http1_fuzz
from asyncapi.sansio.http import chunks, heads
from http1_fuzz import cases, examined, run, shown
from http1_known import KEPT, READ_OTHERWISE, REFUSED, TAKEN
from http1_peers import PEERS, by_ours

SEED, CASES = 9112, 4000


def test_no_response_is_read_otherwise_than_by_the_others_without_a_reason():
    counts, findings = run(itertools.islice(cases(SEED), CASES))
    assert not findings, "\n".join(map(shown, findings[:5]))
    assert counts["taken, and by all"] > CASES / 10
    assert counts["taken, and refused by some for known reasons"] > CASES / 20
    assert counts["refused by all"] > CASES / 10
    assert counts["refused for known reasons, and taken by all"] > CASES / 1000


@pytest.mark.parametrize("name", TAKEN)
def test_what_we_take_for_a_reason_is_taken_and_another_reader_refuses_it(name):
    known = TAKEN[name]
    assert by_ours([known.example], "GET").body == b"hi"
    assert re.search(known.within, known.example)
    whys = [verdict.why for read in PEERS.values() if (verdict := read(known.example, "GET")).why]
    assert any(re.search(known.words, why) for why in whys), whys
    assert examined(known.example, "GET", random.Random(1))[1] is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_we_refuse_for_a_reason_is_taken_by_all_others(name):
    known = REFUSED[name]
    assert re.search(known.words, by_ours([known.example], "GET").why)
    assert re.search(known.within, known.example)
    assert [read(known.example, "GET").body for read in PEERS.values()] == [b"hi"] * 3


@pytest.mark.parametrize("name", READ_OTHERWISE)
def test_what_we_read_otherwise_for_a_reason_differs_still(name):
    known = READ_OTHERWISE[name]
    assert re.search(known.within, known.example)
    ours = by_ours([known.example], "GET")
    assert ours.body == b"hi"
    assert any(
        not verdict.why and verdict.body != b"hi" for read in PEERS.values() if (verdict := read(known.example, "GET"))
    )


@pytest.mark.parametrize("name", KEPT)
def test_a_connection_that_we_keep_for_a_reason_is_closed_by_others(name):
    known = KEPT[name]
    assert re.search(known.within, known.example)
    assert by_ours([known.example], "HEAD").keep
    assert not any(verdict.keep for read in PEERS.values() if (verdict := read(known.example, "HEAD")))


def lenient_length(lengths: list[str]) -> int:
    return int(lengths[0].strip("+-") or 0) if lengths[0].strip("+-").isdecimal() else 0


def lenient_field(_, line: bytes) -> tuple[str, str]:
    name, _, value = line.partition(b":")
    return name.decode("latin-1"), value.decode("latin-1").strip()


LENIENT = {
    "lengths": lambda patch: patch.setattr(heads, "_length", lenient_length),
    "codings": lambda patch: patch.setattr(heads, "_check", lambda codings: None),
    "names": lambda patch: patch.setattr(heads, "_TOKEN", re.compile(".*", re.DOTALL)),
    "values": lambda patch: patch.setattr(heads._Fields, "__missing__", lenient_field),
    "chunk sizes": lambda patch: patch.setattr(chunks, "_SIZE", re.compile(rb"0*([0-9A-Fa-f]{0,15})[^\n]*\n")),
    "bodies": lambda patch: patch.setattr(http1_fuzz, "by_ours", lambda *given: by_ours(*given)._replace(body=b"")),
}


@pytest.mark.parametrize("what", LENIENT)
def test_a_reader_that_is_wrong_is_found_out(what, monkeypatch):
    """A comparison that can't fail proves nothing."""
    caches = (heads.FRAMINGS, heads.usual_field.__self__, heads.any_field.__self__, heads._names, chunks._sizes)
    for cache in caches:
        cache.clear()
    LENIENT[what](monkeypatch)
    try:
        assert any(examined(*case)[1] for case in itertools.islice(cases(SEED), CASES))
    finally:
        for cache in caches:
            cache.clear()
