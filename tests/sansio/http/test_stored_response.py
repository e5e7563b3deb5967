"""What of a request decides which stored response belongs to it."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from asyncapi.sansio.http import caching
from asyncapi.sansio.http.stored_response import FORMAT, Fetched, Stored, choose

NAME = "Accept-Language"


def stored(asked, language="", vary=NAME):
    headers = CIMultiDict({"Cache-Control": "max-age=60", "Vary": vary})
    if language:
        headers["Content-Language"] = language
    fetched = Fetched(0.0, 0.0, CIMultiDict(asked))
    return caching.store(200, headers, b"", fetched, version="1.1", identity="")


@pytest.mark.parametrize(
    ("language", "asked", "found"),
    [
        ("de", "de", True),
        ("de", "DE", True),
        ("DE", "fr;q=0.5, de;q=1.0", True),
        ("de", "de, fr;q=0.9, *;q=0.1", True),
        ("de", "fr, de", False),  # it may be that they want the first
        ("de", "fr, de;q=0.5", False),
        ("de", "de-AT", False),
        ("de-AT", "de", False),
        ("de, fr", "de", False),
        ("de", "de;q=0", False),
        ("de", "de;q=7, fr", False),
        ("de", "de;level=1", False),
        ("de", "de, de;q=0.1", False),
        ("*", "*", False),
        ("", "de", False),
        ("de", "de," * 10_000, False),
    ],
)
def test_a_response_in_the_language_that_is_preferred_to_all_others_is_taken(language, asked, found):
    one = stored({NAME: "en, de"}, language)
    assert (choose([one], "", CIMultiDict({NAME: asked})) is not None) == found


def test_the_language_decides_nothing_but_the_language():
    one = stored({NAME: "en, de", "Accept": "a/b"}, "de", vary=f"Accept, {NAME}")
    assert choose([one], "", CIMultiDict({NAME: "de", "Accept": "a/b"})) is not None
    assert choose([one], "", CIMultiDict({NAME: "de", "Accept": "text/html"})) is None
    assert choose([one], "somebody else", CIMultiDict({NAME: "de", "Accept": "a/b"})) is None


def test_the_format_has_a_number_that_changes_with_its_fields():
    """A store that outlives the process reads what another version has written: change FORMAT with the fields."""
    assert (FORMAT, Stored._fields) == (
        3,
        (
            "identity", "varies", "response_time", "initial_age", "fresh_for", "no_cache", "must_revalidate",
            "stale_if_error", "stale_while_revalidate", "immutable", "status", "version", "fields", "content",
        ),
    )  # fmt: skip
