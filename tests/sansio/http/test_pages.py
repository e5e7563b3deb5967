"""The rules by which pages follow each other: tables and generated lists, no client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ConfigError, Cursor, DecodeError, NextUrl, Offset, Response
from asyncapi.messages.uri import parse
from asyncapi.sansio.http.pages import Counted, Linked, Page, Progress, Seen, look, path_of, start_of, without_echo


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
def test_a_start_that_is_not_a_position_is_refused(start):
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
    assert without_echo(url, sent=parse(sent), original=parse(asked)) == left


def cursor_after(answer, *, position=None, items=(1,), **settings):
    way = Cursor(**settings).strategy()
    return way.after(page_of(list(items), {"cursor": position}, answer))


NO_NEXT = [None, False, "", "  ", [], {}, 0, "0", "null", "None", "FALSE", "undefined"]


@pytest.mark.parametrize("said", NO_NEXT)
def test_servers_say_in_many_ways_that_there_is_no_next_page(said):
    assert cursor_after({"next_cursor": said}) is None
    assert NextUrl().strategy().after(page_of([1], {"url": None}, {"next": said})) is None
    assert NextUrl().strategy().after(page_of([1], {"url": None}, {"next": {"href": said}})) is None
    if not isinstance(said, str):
        assert Linked(lambda page: said).after(page_of([1], {"url": None})) is None


@pytest.mark.parametrize("said", ["c", 7, "-1", "00", -1, "nullable"])
def test_what_names_a_page_is_a_cursor(said):
    assert cursor_after({"next_cursor": said}) == {"cursor": said}


@pytest.mark.parametrize("said", [0, "0", "null", "none"])
def test_an_items_own_value_and_one_that_more_vouches_for_are_cursors(said):
    assert cursor_after({"data": [{"id": said}]}, at="data.-1.id") == {"cursor": said}
    assert cursor_after({"next_cursor": said, "more": True}, more="more") == {"cursor": said}
    assert cursor_after({"next_cursor": said}, end="") == {"cursor": said}


@pytest.mark.parametrize(("end", "said"), [("-1", -1), (-1, "-1"), ("END", "END"), (0, 0), ("0", 0), (0, "0")])
def test_the_sign_of_the_end_can_be_named(end, said):
    assert cursor_after({"next_cursor": said}, end=end) is None
    assert cursor_after({"data": [{"id": said}]}, at="data.-1.id", end=end) is None
    assert cursor_after({"next_cursor": "null"}, end=end) == {"cursor": "null"}


@pytest.mark.parametrize("said", [True, 1.5, ["a"], {"a": 1}])
def test_what_can_be_neither_a_cursor_nor_a_url_is_an_error(said):
    with pytest.raises(DecodeError, match=r"the next cursor is (true or false|a number|a list|an object)"):
        cursor_after({"next_cursor": said})
    with pytest.raises(DecodeError, match=r"the next URL is (true or false|a number|a list|an object)"):
        NextUrl().strategy().after(page_of([1], {"url": None}, {"next": said}))


@pytest.mark.parametrize("said", [{"url": "/2"}, {"href": {"url": "/2"}}, {"href": "/n{?page}", "templated": True}])
def test_an_object_that_is_no_link_says_where_to_look(said):
    with pytest.raises(DecodeError, match=r"the next URL is an object: say where it has the URL, like at='next\."):
        NextUrl().strategy().after(page_of([1], {"url": None}, {"next": said}))


def test_the_href_of_a_link_object_is_its_url():
    for said in ({"href": "/n?page=2", "title": "x"}, {"href": "/n?page=2", "templated": False}):
        assert NextUrl().strategy().after(page_of([1], {"url": None}, {"next": said})) == {"url": "https://h/n?page=2"}


@pytest.mark.parametrize(
    ("said", "more"),
    [
        (True, True), (False, False), (None, False), (1, True), (0, False), (3, True), (0.0, False),
        ("true", True), ("True", True), ("1", True), ("yes", True), ("12", True), ("/next", True), ({"a": 1}, True),
        ("false", False), (" False ", False), ("FALSE", False), ("0", False), ("0.0", False), ("no", False),
        ("off", False), ("n", False), ("null", False), ("", False), ([], False), ({}, False),
    ],
)  # fmt: skip
def test_more_is_what_its_text_means(said, more):
    assert cursor_after({"next_cursor": "c", "more": said}, more="more") == ({"cursor": "c"} if more else None)
    if isinstance(said, str):
        page = page_of([1], {"cursor": None}, {"next_cursor": "c"})
        page.response = Response(200, {"X-More": said})
        assert (Cursor(more="header:X-More").strategy().after(page) is not None) is more


def test_an_empty_page_that_names_itself_is_the_end():
    assert cursor_after({"next_cursor": "c"}, position="c", items=()) is None
    assert cursor_after({"next_cursor": "c"}, position="c") == {"cursor": "c"}, "which is a loop then"
    assert cursor_after({"next_cursor": "d"}, position="c", items=()) == {"cursor": "d"}


def test_a_cursor_that_is_the_first_one_is_known_as_that():
    assert cursor_after({"next_cursor": "-1"}, position="c", first="-1") == {"cursor": None}


@pytest.mark.parametrize("total", [20, 20.0, "20"])
def test_a_total_is_a_number_however_it_is_written(total):
    way = Offset(size=10).strategy()
    assert way.after(page_of([1] * 10, {"offset": None}, {"total": total})) == {"offset": 10, "size": 10}
    assert way.after(page_of([1] * 10, {"offset": 10, "size": 10}, {"total": total})) is None
