"""What is kept of one URL: variants, parts, and the requests under way that a write overtakes."""

from __future__ import annotations

import asyncio

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http import caching, partial_content
from asyncapi.stores.answers import Answers
from asyncapi.stores.variants import Fetch, Variants

KEY = "cache https://h/x"
FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"'}


def variants():
    return Variants(Answers(1_000_000), {})


def stored(language="", identity="", content=b"x"):
    headers = CIMultiDict({**FRESH, "Vary": "Accept-Language"})
    fetched = caching.Fetched(0, 0, CIMultiDict({"Accept-Language": language}))
    return caching.store(200, headers, content, fetched, version="1.1", identity=identity)


def part(first, last, content):
    headers = CIMultiDict({**FRESH, "Content-Range": f"bytes {first}-{last}/10"})
    fetched = caching.Fetched(0, 0, CIMultiDict({"Range": f"bytes={first}-{last}"}))
    return partial_content.store(headers, content, fetched, version="1.1", identity="")


def test_a_response_replaces_that_of_the_same_user_and_values_alone():
    kept = variants()
    for one in (stored("en"), stored("de"), stored("en", "lynn"), stored("en", content=b"new")):
        kept.keep(KEY, one)
    contents = {(one[0], one[1][1]): one[-1] for one in kept.get(KEY)}
    assert contents == {("", "en"): b"new", ("", "de"): b"x", ("lynn", "en"): b"x"}


def test_one_can_be_removed_and_the_last_one_leaves_nothing():
    kept = variants()
    kept.keep(KEY, stored("en"))
    kept.keep(KEY, stored("de"))
    kept.keep(KEY, None, replaces=stored("en"))
    assert len(kept.get(KEY)) == 1
    kept.keep(KEY, None, replaces=stored("de"))
    assert kept.get(KEY) is None


def test_of_too_many_the_oldest_are_left_out():
    kept = variants()
    for number in range(100):
        kept.keep(KEY, stored(str(number)))
    assert [one[1][1] for one in kept.get(KEY)] == [str(number) for number in range(68, 100)]


def test_of_too_many_bytes_the_oldest_are_left_out():
    kept = variants()
    share = kept.get.__self__.largest
    for number in range(5):
        kept.keep(KEY, stored(str(number), content=b"x" * (share // 3)))
    assert [one[1][1] for one in kept.get(KEY)] == ["3", "4"]
    kept.keep(KEY, stored("large", content=b"x" * share))
    assert kept.get(KEY) is None


def test_parts_that_are_too_large_together_stay_parts():
    kept = variants()
    half = kept.get.__self__.largest // 2
    for first in (0, half):
        headers = CIMultiDict({**FRESH, "Content-Range": f"bytes {first}-{first + half - 1}/{2 * half}"})
        fetched = caching.Fetched(0, 0, CIMultiDict({"Range": f"bytes={first}-{first + half - 1}"}))
        kept.keep_part(KEY, partial_content.store(headers, b"x" * half, fetched, version="1.1", identity=""))
    assert kept.get(KEY) is None
    assert [len(one.content) for one in kept.parts(KEY, "", CIMultiDict({"Range": f"bytes={half}-"}))] == [half]


def test_parts_that_make_up_the_whole_become_a_whole_response():
    kept = variants()
    kept.keep_part(KEY, part(0, 4, b"01234"))
    kept.keep_part(KEY, part(7, 9, b"789"))
    assert kept.get(KEY) is None
    kept.keep_part(KEY, part(4, 7, b"4567"))
    assert [one[-1] for one in kept.get(KEY)] == [b"0123456789"]
    assert kept.parts(KEY, "", {"Range": "bytes=0-4"}) == []


def test_a_write_removes_all_and_overtakes_what_is_under_way():
    kept, fetch, later = variants(), Fetch(), Fetch()
    kept.keep(KEY, stored())
    kept.keep_part(KEY, part(0, 4, b"01234"))
    with kept.under_way(KEY, fetch):
        kept.forget(KEY)
    with kept.under_way(KEY, later):
        pass
    kept.forget(KEY)
    assert (kept.get(KEY), kept.parts(KEY, "", {"Range": "bytes=0-4"})) == (None, [])
    assert (fetch.overtaken, later.overtaken) == (True, False)


class Kept(dict):
    """A store that several processes share, as far as `keep` is concerned."""

    def put(self, key, records, _size):
        self[key] = records


def test_what_was_held_up_replaces_nothing_newer_in_a_store_that_processes_share():
    kept = Kept()
    shared = Variants(Answers(1_000_000), {}, kept)
    shared.keep("k", stored(content=b"new")._replace(response_time=100.0, initial_age=0.5))
    held_up = stored(content=b"old")._replace(response_time=107.0, initial_age=9.0)  # it was asked for at 98
    shared.keep("k", held_up)
    assert kept["k"][0][-1] == b"new"
    shared.keep("k", held_up._replace(initial_age=8.0))  # as old as a Date can tell
    assert kept["k"][0][-1] == b"old"
    shared.keep("k", stored(content=b"by a wrong clock")._replace(response_time=1e6, initial_age=0.0))
    shared.keep("k", held_up)
    assert kept["k"][0][-1] == b"old"


class Frozen(Kept):
    """A store whose server never replies."""

    far = True

    async def bring(self, *_keys):
        await asyncio.sleep(3600)

    async def settle(self):
        await asyncio.sleep(3600)


async def test_a_call_waits_for_a_store_no_longer_than_it_can():
    shared = Variants(Answers(1_000_000), {}, Frozen())
    async with asyncio.timeout(60):
        await shared.bring("k", 0.01)
        await shared.settle(0.01)
        await shared.bring("k", -1.0)
    with pytest.raises(TimeoutError):  # another's time limit is not hidden
        async with asyncio.timeout(0.01):
            await shared.bring("k", 0.9)
