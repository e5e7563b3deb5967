"""The rules by which pages follow each other: tables and generated lists, no client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ConfigError, Response
from asyncapi.sansio.pages import Counted, Page, Progress, Seen, look, path_of, start_of, without_echo
from asyncapi.uri import parse


def page_of(items, position, data=None, **more):
    return Page(1, items, position, data or {"items": items}, Response(200, {"X-Next": "b"}, url="https://h/n"), **more)


@given(st.integers(0, 700), st.integers(1, 700))
def test_a_loop_is_found_after_three_times_round_at_the_latest(before, length):
    seen = Seen()
    for turn in range(before + 3 * (before + length) + 4):
        place = turn if turn < before else before + (turn - before) % length
        if seen.again({"cursor": place}):
            assert turn >= before + length, "and nothing is called a loop that is none"
            return
    pytest.fail("not found")


def test_positions_that_differ_are_no_loop():
    seen = Seen()
    assert not any(seen.again({"cursor": number}) for number in range(5_000))
    assert not seen.again({"cursor": "1"}), "text is no number"


@given(total=st.integers(0, 200), size=st.integers(1, 50), first=st.integers(0, 3), told=st.booleans(),
       key=st.sampled_from(["page", "offset"]))  # fmt: skip
def test_counted_pages_meet_every_item_once(total, size, first, told, key):
    way = Counted(
        key, param="n", first=first, size_param=None, size=None, total="total" if told else None, pages=None,
        short_ends=True,
    )  # fmt: skip
    met, position = [], start_of(None, key)
    while position is not None:
        _, params = way.ask(position)
        low = params["n"] - first if key == "offset" else (params["n"] - first) * size
        items = list(range(low, min(low + size, total)))
        met += items
        sure = way.ahead(position)
        position = way.after(page_of(items, position, {"items": items, "total": total}))
        assert sure is None or sure == position, "what was certain ahead comes true"
    assert met == list(range(total))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b", 1),
        ("a.c", None),
        ("a.b.c", None),
        ("list.0.id", "x"),
        ("list.-1.id", "y"),
        ("list.2.id", None),
        ("list.id", None),
        ("header:x-next", "b"),
        ("header:X-Prev", None),
    ],
)
def test_a_place_is_looked_up_or_nothing_is_there(path, found):
    data = {"a": {"b": 1}, "list": [{"id": "x"}, {"id": "y"}]}
    assert look(page_of([], {}, data), path_of(path)) == found


def test_progress_counts_what_was_handed_over():
    progress = Progress({"cursor": "a"})
    assert progress.position == {"cursor": "a"}
    progress.page = page_of([5, 6], {"cursor": "a"}, skipped=3, next={"cursor": "b"})
    progress.handed = 1
    assert progress.position == {"cursor": "a", "skip": 4}
    progress.handed = 2
    assert progress.position == {"cursor": "b"}
    progress.page.next = None
    assert progress.position == {"end": True}


@pytest.mark.parametrize(
    "start", [{}, {"cursor": 1, "page": 2}, {"page": "1"}, {"page": True}, {"page": 1, "skip": "x"}, 5, ["page", 1]]
)
def test_a_start_that_is_no_position_is_told(start):
    with pytest.raises(ConfigError, match="start="):
        start_of(start, "page")


@pytest.mark.parametrize(
    ("url", "sent", "asked", "left"),
    [
        ("https://h/n?key=k&page=2", "https://h/n?key=k", "/n", "https://h/n?page=2"),
        ("https://h/n?key=k&page=2", "https://h/n?key=k", "https://h/n?key=k", "https://h/n?key=k&page=2"),
        ("https://h/n?key=other&page=2", "https://h/n?key=k", "/n", "https://h/n?key=other&page=2"),
        ("https://h/v1/n?k=1&k=2&page=2", "https://h/v1/n?k=1&k=2", "n?k=2", "https://h/v1/n?k=2&page=2"),
        ("https://h/n?sig=a%2Bb%2F&page=2", "https://h/n", "/n", "https://h/n?sig=a%2Bb%2F&page=2"),
        ("https://h/%2F?%6b=%6B&s=%2f+&p", "https://h/%2F?k=k", "/%2F", "https://h/%2F?s=%2f+&p"),
        ("https://h/m?key=k&page=2", "https://h/m?key=k", "/n", "https://h/m?key=k&page=2"),
        ("https://u:p@h/n?page=2", "https://u:p@h/n", "/n", "https://h/n?page=2"),
    ],
)
def test_what_the_client_added_is_taken_out_of_the_next_url(url, sent, asked, left):
    assert without_echo(url, sent=parse(sent), asked=parse(asked)) == left
