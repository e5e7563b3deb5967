"""Close codes: what follows each, and which may be sent."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http.closecodes import describe, is_sendable, what_next

TABLE = {
    "end": [1000, 1005],
    "again": [1001, 1006, 1011, 1012, 1014],
    "later": [1013],
    "renew": [3000, 4401],
    "fail": [
        1002,
        1003,
        1004,
        1007,
        1008,
        1009,
        1010,
        1015,
        1016,
        2999,
        3001,
        3003,
        3999,
        4000,
        4400,
        4403,
        4999,
        65535,
    ],
}


@pytest.mark.parametrize(("what", "code"), [(what, code) for what, codes in TABLE.items() for code in codes])
def test_what_follows_a_code(what, code):
    assert what_next(code) == what
    assert what_next(code, "", lambda *_: None) == what


def test_the_users_word_wins():
    for code in (1000, 1002, 3000, 4000, 4401):
        assert what_next(code, "", {code}) == "again"
        assert what_next(code, "", lambda *_: True) == "again"
        assert what_next(code, "", lambda *_: "renew") == "renew"
    for code in (1001, 1006, 1013, 4401):
        assert what_next(code, "", lambda *_: False) == "fail"
    assert what_next(1013, "", {1013}) == what_next(1013, "", lambda *_: True) == "later"
    assert what_next(1000, "", lambda *_: False) == "end"
    assert what_next(1000, "", {4000}) == "end"
    assert what_next(4000, "busy", lambda code, reason: (code, reason) == (4000, "busy")) == "again"


def test_codes_that_only_report_are_not_sent():
    """RFC 6455 section 7.4."""
    assert [code for code in range(6000) if is_sendable(code)] == [
        1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000),
    ]  # fmt: skip


def test_codes_are_named():
    assert describe(1012) == "1012 (service restart)"
    assert describe(4711) == "4711"
