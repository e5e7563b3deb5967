"""What is read from, and changed in, a SQLite file of responses."""

from __future__ import annotations

import time

import pytest

from asyncapi.stores import sqlite_statements as statements
from asyncapi.stores.sqlite_file import PAGE, open_file


@pytest.fixture
def base(tmp_path):
    base = open_file(tmp_path / "a", busy=0)
    yield base
    base.close()


def values(base, place=b"k"):
    return [value for _, _, value in base.execute(statements.GET, (place,))]


def test_a_variant_replaces_itself_and_others_stay(base):
    statements.put(base, b"k", [(b"1", b"one"), (b"2", b"two")], [])
    statements.put(base, b"k", [(b"1", b"uno")], [])
    assert values(base) == [b"two", b"uno"]
    statements.put(base, b"k", [], [b"2"])
    assert values(base) == [b"uno"]
    statements.drop(base, [b"k"])
    assert values(base) == []
    assert base.execute("SELECT count(*) FROM bodies").fetchone() == (0,)


def test_a_request_older_than_an_invalidation_is_overtaken(base):
    before = (statements.last_drop(base), time.monotonic())
    assert not statements.overtaken(base, b"k", before)
    statements.drop(base, [b"other"])
    assert not statements.overtaken(base, b"k", before)
    statements.drop(base, [b"k"])
    assert statements.overtaken(base, b"k", before)
    assert not statements.overtaken(base, b"k", (statements.last_drop(base), time.monotonic()))
    assert statements.overtaken(base, b"k", (statements.last_drop(base), time.monotonic() - 4000))


def test_what_is_no_longer_known_counts_as_overtaken(base, monkeypatch):
    monkeypatch.setattr(statements, "_MOST_KEPT", 10)
    before = (statements.last_drop(base), time.monotonic())
    statements.drop(base, [b"%d" % number for number in range(50)])
    assert base.execute("SELECT count(*) FROM dropped").fetchone()[0] <= 10
    assert statements.overtaken(base, b"never dropped", before)


def test_space_is_made_of_what_was_used_longest_ago(base):
    for number in range(20):
        statements.put(base, b"%d" % number, [(b"", b"x" * 4000)], [])
    statements.touch(base, [1])
    base.execute("UPDATE entries SET used = used - 10 WHERE id > 1")
    bound = statements.pages_in_use(base) * PAGE
    assert statements.make_space(base, 8000, bound) >= 2
    assert values(base, b"0")
    assert not values(base, b"1")
    assert statements.pages_in_use(base) * PAGE + 8000 <= bound
    assert statements.make_space(base, bound * 2, bound) > 0  # it takes what there is, and ends
    assert statements.make_space(base, bound * 2, bound) == 0


def test_what_was_used_in_the_future_goes_first(base):
    for number in range(20):
        statements.put(base, b"%d" % number, [(b"", b"x" * 4000)], [])
    base.execute("UPDATE entries SET used = used + 1000000 WHERE id = 9")  # by a clock that was wrong
    assert statements.make_space(base, 100, statements.pages_in_use(base) * PAGE) >= 1
    assert not values(base, b"8")
    assert values(base, b"0")


def test_a_claim_is_one_holders_until_it_ends_or_is_given_back(base):
    statements.claim(base, b"n", "me")
    statements.claim(base, b"n", "you")
    assert statements.claimed(base, b"n", "me") == "mine"
    assert statements.claimed(base, b"n", "you") == "held"
    statements.renew(base, b"n", "me")
    statements.release(base, b"n", "you", 0)
    assert statements.claimed(base, b"n", "you") == "held"
    statements.release(base, b"n", "me", 5)
    assert statements.claimed(base, b"n", "you") == "free"
    base.execute("UPDATE claims SET ends = ?", (time.time() - 1,))
    assert statements.claimed(base, b"n", "you") == "mine"
    base.execute("UPDATE claims SET holder = 'you', ends = ?", (time.time() + 1e6,))  # a clock was set back
    assert statements.claimed(base, b"n", "me") == "mine"
