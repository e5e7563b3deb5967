"""How servers say that there is no next page, in every spelling that is in use."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http.page_ends import kind_of, link_of, says_yes, whole


@pytest.mark.parametrize("value", [True, 1, "true", "True", " yes ", "1", "more", [0], {"a": 1}])
def test_there_is_more(value):
    assert says_yes(value)


@pytest.mark.parametrize(
    "value", [False, None, 0, 0.0, "", "false", "FALSE", " no ", "0", "0.0", "null", "None", "nil", "off", [], {}]
)
def test_there_is_no_more(value):
    assert not says_yes(value)


@pytest.mark.parametrize("value", ["", "0", "null", " None ", "undefined", "false"])
def test_a_text_of_nothing_is_no_next_url(value):
    assert link_of(value, "next") is None
    assert link_of({"href": value}, "next") is None


@pytest.mark.parametrize(
    ("value", "url"),
    [("/b", "/b"), ({"href": "/b"}, "/b"), ({"href": "/b", "templated": False}, "/b"), (None, None), ({}, {})],
)
def test_a_next_url_is_text_or_the_href_of_a_link_object(value, url):
    assert link_of(value, "next") == url


@pytest.mark.parametrize("value", [{"url": "/b"}, {"href": "/b{?q}", "templated": True}, {"href": {"url": "/b"}}])
def test_an_object_without_a_usable_href_says_where_to_look(value):
    with pytest.raises(ValueError, match=r"say where it has the URL, like at='next\."):
        link_of(value, "next")


@pytest.mark.parametrize(("value", "total"), [(7, 7), ("7", 7), (7.0, 7), ("007", 7), ("9" * 400, 10**18 - 1)])
def test_a_total_is_a_number_however_it_is_written(value, total):
    assert whole(value) == total


@pytest.mark.parametrize(
    "value", [None, True, -1, 7.5, "7.5", "-7", "\u0663", "", "many", [7], float("nan"), float("inf")]
)
def test_anything_else_is_no_total(value):
    assert whole(value) is None


@pytest.mark.parametrize(
    ("value", "kind"), [(True, "true or false"), (1.5, "a number"), ([], "a list"), ({}, "an object"), ("a", "a str")]
)
def test_errors_name_the_kind_of_a_value_as_json_does(value, kind):
    assert kind_of(value) == kind
