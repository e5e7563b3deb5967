"""RFC 9111 sections 3.3 and 3.4: which ranges are cut, which parts are stored, and which are joined."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from asyncapi.sansio.http import caching, partial_content
from asyncapi.sansio.http.stored_response import Fetched

NOW = 1_700_000_000.0
WHOLE = b"0123456789"


def whole(content=WHOLE, **headers):
    fields = CIMultiDict({"Cache-Control": "max-age=60", "ETag": '"1"', "Content-Length": str(len(content))})
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return caching.store(200, fields, content, Fetched(NOW, NOW, {}), version="1.1", identity="")


def part(asked, content_range, content, tag='"1"', **headers):
    fields = CIMultiDict({"Cache-Control": "max-age=60", "Content-Range": content_range})
    if tag:
        fields["ETag"] = tag
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    fetched = Fetched(NOW, NOW, CIMultiDict({"Range": asked}))
    return partial_content.store(fields, content, fetched, version="1.1", identity="")


def cut(stored, **headers):
    found = partial_content.cut(stored, CIMultiDict({n.replace("_", "-"): v for n, v in headers.items()}))
    return None if found is None else (found[0]["Content-Range"], found[1])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-1", ("bytes 0-1/10", b"01")),
        ("bytes=8-", ("bytes 8-9/10", b"89")),
        ("bytes=8-99", ("bytes 8-9/10", b"89")),
        ("bytes=-3", ("bytes 7-9/10", b"789")),
        ("bytes=-99", ("bytes 0-9/10", WHOLE)),
        ("BYTES=0-0", ("bytes 0-0/10", b"0")),
        ("bytes=10-", None),  # the server says 416
        ("bytes=3-2", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=0-1, 4-5", None),  # several
        ("lines=0-1", None),
        ("bytes = 0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_a_range_is_cut_from_the_whole(asked, found):
    assert cut(whole(), Range=asked) == found


@given(st.text(alphabet="bytes=0123456789-, ", max_size=20))
def test_no_range_breaks_it_and_what_is_cut_is_right(text):
    found = partial_content.cut(whole(), CIMultiDict({"Range": text}))
    if found is not None:
        headers, content = found
        first, last = headers["Content-Range"].removeprefix("bytes ").split("/")[0].split("-")
        assert content == WHOLE[int(first) : int(last) + 1]
        assert headers.getall("Content-Length") == [str(len(content))]


@pytest.mark.parametrize(
    ("headers", "known", "served"),
    [
        ({"If_Range": '"1"'}, {}, True),
        ({"If_Range": '"2"'}, {}, False),
        ({"If_Range": 'W/"1"'}, {"ETag": 'W/"1"'}, False),  # a weak tag is none for this
        ({"If_None_Match": '"1"'}, {}, False),
        ({"If_Match": '"1"'}, {}, False),
        ({}, {"Content_Encoding": "gzip"}, False),  # ranges count other bytes
        ({}, {"Content_Encoding": "identity"}, True),
        ({}, {"Content_Range": "bytes 0-9/20"}, False),  # a 200 that is none
    ],
)
def test_a_range_is_cut_only_where_it_is_the_same_bytes(headers, known, served):
    assert (cut(whole(**known), Range="bytes=0-1", **headers) is not None) == served


@pytest.mark.parametrize(
    ("asked", "content_range", "content", "headers", "stored"),
    [
        ("bytes=0-4", "bytes 0-4/10", b"01234", {}, True),
        ("bytes=0-4", "bytes 0-4/*", b"01234", {}, True),
        ("bytes=0-4, 6-7", "bytes 0-4/10", b"01234", {}, False),
        ("bytes=0-4", "bytes 0-4/10", b"01234", {"Cache_Control": "no-store"}, False),
        ("bytes=0-4", "bytes 0-4/10", b"01234", {"Vary": "*"}, False),
        ("bytes=0-4", "bytes 0-4/10", b"01234", {"Cache_Control": "no-cache"}, True),  # it may be completed
        ("bytes=0-4", "bytes 0-4/10", b"01234", {"Cache_Control": "no-cache", "ETag": 'W/"1"'}, False),
    ],
)
def test_which_parts_are_stored(asked, content_range, content, headers, stored):
    assert (part(asked, content_range, content, **headers) is not None) == stored


def test_a_part_without_content_range_is_not_stored():
    fetched = Fetched(NOW, NOW, CIMultiDict({"Range": "bytes=0-4"}))
    headers = CIMultiDict({"Cache-Control": "max-age=60", "Content-Type": "multipart/byteranges; boundary=x"})
    assert partial_content.store(headers, b"", fetched, version="1.1", identity="") is None


@pytest.mark.parametrize(
    ("stored", "asked", "found"),
    [
        (("bytes=4-8", "bytes 4-8/10", b"45678"), "bytes=5-6", ("bytes 5-6/10", b"56")),
        (("bytes=4-9", "bytes 4-9/10", b"456789"), "bytes=-2", ("bytes 8-9/10", b"89")),
        (("bytes=4-9", "bytes 4-9/10", b"456789"), "bytes=6-", ("bytes 6-9/10", b"6789")),
        (("bytes=4-8", "bytes 4-8/10", b"45678"), "bytes=6-", None),  # its end is not here
        (("bytes=4-8", "bytes 4-8/10", b"45678"), "bytes=3-5", None),
        (("bytes=4-8", "bytes 4-8/*", b"45678"), "bytes=5-6", None),  # nobody knows the total
        (("bytes=4-8", "bytes 4-9/10", b"45678"), "bytes=5-6", None),  # cut short: nothing is made of it
        (("bytes=-5", "bytes 4-9/10", b"45678"), "bytes=-5", ("bytes 4-9/10", b"45678")),  # but it is given as it came
    ],
)
def test_a_range_is_cut_from_a_part_that_has_all_of_it(stored, asked, found):
    request = CIMultiDict({"Range": asked})
    parts = partial_content.choose_part([tuple(part(*stored))], "", request)
    found_here = [one for each in parts if (one := cut(each, Range=asked)) is not None]
    assert found_here[:1] == ([] if found is None else [found])


def test_a_part_is_its_users_and_of_the_same_variant():
    one = tuple(part("bytes=0-4", "bytes 0-4/10", b"01234", Vary="Accept"))
    assert partial_content.choose_part([one], "me", CIMultiDict({"Range": "bytes=0-4"})) == []
    asked = CIMultiDict({"Range": "bytes=0-4", "Accept": "a/b"})
    assert partial_content.choose_part([one], "", asked) == []


FIRST = ("bytes=0-4", "bytes 0-4/10", b"01234")


@pytest.mark.parametrize(
    ("one", "other", "content"),
    [
        (("bytes=5-9", "bytes 5-9/10", b"56789"), FIRST, WHOLE),
        (("bytes=3-9", "bytes 3-9/10", b"3456789"), FIRST, WHOLE),
        (FIRST, ("bytes=3-9", "bytes 3-9/10", b"3456789"), WHOLE),
        (("bytes=5-6", "bytes 5-6/10", b"56"), FIRST, b"0123456"),
        (("bytes=1-2", "bytes 1-2/10", b"12"), FIRST, b"01234"),
        (("bytes=6-9", "bytes 6-9/10", b"6789"), FIRST, None),  # a gap
        (("bytes=5-9", "bytes 5-9/10", b"56789", '"2"'), FIRST, None),
        (("bytes=5-9", "bytes 5-9/10", b"56789", ""), FIRST, None),
        (("bytes=5-9", "bytes 5-9/10", b"56789", 'W/"1"'), (*FIRST, 'W/"1"'), None),
        (("bytes=5-9", "bytes 5-9/11", b"56789"), FIRST, None),
        (("bytes=5-9", "bytes 5-9/10", b"5678"), FIRST, None),  # cut short
    ],
)
def test_parts_of_the_same_representation_are_joined(one, other, content):
    both = partial_content.joined(part(*one), part(*other))
    assert (None if both is None else both.content) == content
    if both is not None:
        assert both.status == (200 if content == WHOLE else 206)
        assert ("Content-Range" in both.headers) == (both.status == 206)
        assert both.headers["Content-Length"] == str(len(content))
        assert "range" not in both.varies or both.varies[-1] == "joined"


def test_the_fields_of_the_newer_part_count_and_those_that_it_has_not_stay():
    new = part("bytes=5-9", "bytes 5-9/10", b"56789", A="new")
    both = partial_content.joined(new, part(*FIRST, A="old", B="old"))
    assert (both.headers["A"], both.headers["B"]) == ("new", "old")


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        (FIRST, {"Range": "bytes=5-", "If-Range": '"1"'}),
        ((*FIRST, ""), None),
        ((*FIRST, 'W/"1"'), None),
        (("bytes=1-4", "bytes 1-4/10", b"1234"), None),
        (("bytes=0-4", "bytes 0-4/*", b"01234"), None),
        (("bytes=0-4", "bytes 0-4/10", b"012"), None),
    ],
)
def test_what_begins_at_the_beginning_can_be_completed(stored, asked):
    assert partial_content.rest_of(part(*stored)) == asked
