"""RFC 9111 section 4.3: what the caller's conditions get from the store, and what a HEAD says about it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http import caching, validation
from asyncapi.sansio.http.stored_response import Fetched

NOW = 1_700_000_000.0
BEFORE, THEN, LATER = (f"Tue, 14 Nov 2023 22:{minute}:20 GMT" for minute in ("02", "03", "04"))


def stored(status=200, **headers):
    fields = CIMultiDict({"Cache-Control": "max-age=60"})
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    return caching.made(status, fields, b"body", Fetched(NOW, NOW, {}), version="1.1", identity="")


@pytest.mark.parametrize(
    ("tag", "asked", "held"),
    [
        ('"a"', '"a"', True),
        ('W/"a"', '"a"', True),  # a weak comparison
        ('"a"', 'W/"a"', True),
        ('"a"', '"b", "a"', True),
        ('"a"', "*", True),
        ('"a"', '"b"', False),
        ('"a"', "a", False),
        ('"a"', "", False),
        ("a", "a", False),  # no tag
        ('w/"a"', 'w/"a"', False),
        ('"a, b"', '"a, b"', True),
        ('"a"', '"a", ' * 10_000, False),
    ],
)
def test_a_caller_that_names_the_stored_tag_holds_the_response(tag, asked, held):
    assert validation.not_modified(stored(ETag=tag), CIMultiDict({"If-None-Match": asked})) == held


@pytest.mark.parametrize(
    ("changed", "since", "held"),
    [
        ({"Last_Modified": THEN}, THEN, True),
        ({"Last_Modified": THEN}, LATER, True),
        ({"Last_Modified": THEN}, BEFORE, False),
        ({"Last_Modified": THEN}, "soon", False),
        ({"Last_Modified": "soon"}, THEN, False),
        ({"Date": THEN}, THEN, True),  # section 4.3.2
        ({"Date": THEN}, BEFORE, False),
        ({}, BEFORE, False),  # when it came
    ],
)
def test_a_caller_that_names_a_date_holds_what_has_not_changed_since(changed, since, held):
    assert validation.not_modified(stored(**changed), CIMultiDict({"If-Modified-Since": since})) == held


def test_a_tag_goes_before_a_date():
    both = CIMultiDict({"If-None-Match": '"b"', "If-Modified-Since": LATER})
    assert not validation.not_modified(stored(ETag='"a"', Last_Modified=THEN), both)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"If-None-Match": '"a"'}, True),
        ({"If-Modified-Since": THEN}, True),
        ({"If-None-Match": '"a"', "If-Match": '"a"'}, False),
        ({"If-None-Match": '"a"', "Range": "bytes=0-"}, False),
        ({"If-Unmodified-Since": THEN}, False),
        ({}, False),
    ],
)
def test_conditions_for_the_server_go_to_the_server(headers, ours):
    assert validation.held(CIMultiDict(headers)) == ours


def test_a_304_has_the_fields_of_the_response_but_none_of_its_body():
    headers = CIMultiDict({"ETag": '"a"', "X": "1", "Content-Length": "4", "Content-Type": "a/b", "Content-MD5": "x"})
    assert set(validation.of_a_304(headers)) == {"ETag", "X", "Content-MD5"}


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ({"ETag": '"a"'}, True),
        ({"ETag": '"a"', "Content-Length": "4"}, True),
        ({"ETag": '"a"', "Content-Length": "5"}, False),
        ({"ETag": '"b"', "Last-Modified": THEN}, False),
        ({"Last-Modified": THEN}, True),
        ({"Content-Length": "4"}, False),  # no validator: it may be another
        ({}, False),
    ],
)
def test_a_head_is_about_the_stored_response_where_a_validator_says_so(told, same):
    one = stored(ETag='"a"', Last_Modified=THEN, Content_Length="4")
    assert validation.same_validators(one, CIMultiDict(told)) == same


@pytest.mark.parametrize(("status", "asked"), [(200, True), (404, True), (500, False), (503, False)])
def test_a_failure_is_asked_for_anew(status, asked):
    assert bool(validation.conditions(stored(status, ETag='"a"'))) == asked
