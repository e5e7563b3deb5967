"""Time is bounded by us: every parser takes time in proportion to what a server sends, whatever that is.

What is measured is CPU time, of texts of 4 and 16 kB and of 16 and 64 kB (some read no more than 16): in proportion is
four times as long, by the square sixteen. A text counts only if it does so 25 times in a row, so that a busy machine
makes no failure.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from parsers import HOSTILE, PARSERS, STREAMS, texts

SMALL, LARGE = 16_000, 64_000
_NOISE = 0.002  # seconds of CPU time below which a figure says nothing; eight times as long is always allowed
_TRIES = 25
_CACHES = {  # what remembers its last texts would be asked once, and measured never
    thing
    for name, module in list(sys.modules.items())
    if name.startswith("asyncapi")
    for thing in vars(module).values()
    if hasattr(thing, "cache_clear")
}


def _took(read: Callable[[Any], Any], text: Any) -> float:
    for cache in _CACHES:
        cache.cache_clear()
    gc.disable()  # a full collection takes as long as all that the other tests have left
    try:
        began = time.thread_time()
        read(text)
        return time.thread_time() - began
    finally:
        gc.enable()


def _is_linear(read: Callable[[Any], Any], small: Any, large: Any) -> bool:
    best, more = _NOISE, 1e9
    for _ in range(_TRIES):
        best, more = max(_NOISE, min(_took(read, small) for _ in range(2))), min(more, _took(read, large))
        if more <= 8 * best:
            return True
    return False


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize(("little", "much"), [(SMALL // 4, SMALL), pytest.param(SMALL, LARGE, marks=pytest.mark.soak)])
def test_four_times_the_text_takes_about_four_times_as_long(name, little, much):
    parser = PARSERS[name]

    def read(text):
        with contextlib.suppress(*parser.raises):
            parser.read(text)

    cases = (*parser.worst, *HOSTILE)
    pairs = zip(cases, texts(little, cases), texts(much, cases), strict=True)
    assert next((case for case, small, large in pairs if not _is_linear(read, small, large)), None) is None


PIECES = [
    b"\r",
    b"\n",
    b"\r\n",
    b"a",
    b":",
    b"data:",
    b"data:a\n",
    b"id\n",
    b"id:1\n\n",
    b"retry:1\r",
    b"\xef\xbb\xbf",
    b"\0",
]


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("at_once", [1, 1000, LARGE])
def test_so_do_bytes_that_come_in_pieces_of_any_size(name, at_once):
    stream = STREAMS[name]

    def read(body):
        stream.read(body[at : at + at_once] for at in range(0, len(body), at_once))

    pairs = [(piece, piece * (SMALL // len(piece)), piece * (LARGE // len(piece))) for piece in PIECES]
    assert next((piece for piece, small, large in pairs if not _is_linear(read, small, large)), None) is None


def test_the_measure_finds_what_takes_time_by_the_square():
    def squared(text):
        while text:
            text = text[2:]

    (small,), (large,) = (texts(size, [("", "a", "")]) for size in (SMALL, LARGE))
    assert not _is_linear(squared, small, large)
