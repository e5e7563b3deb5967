"""What was learned is written down, read again, and never believed where it is broken."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.learned import HALF_LIFE
from asyncapi.sansio.failures.learned_snapshot import FORMAT, MOST_ROWS, Counts, Foreign, nothing, read, write


def counts(at: float = 100.0) -> Counts:
    return Counts(at, [1.0] * 9, [2.0] * 9, 3.0, 1.0)


def test_what_was_written_is_read():
    [(place, found)] = read(write({("h", ("GET /a", "503")): counts()})).items()
    assert place == ("h", ("GET /a", "503"))
    assert (found.at, found.good, found.bad, found.tried, found.won) == (100.0, [1.0] * 9, [2.0] * 9, 3.0, 1.0)


def test_the_newest_rows_are_kept():
    rows = {("h", (f"GET /{number}", "503")): counts(float(number)) for number in range(MOST_ROWS + 50)}
    found = read(write(rows))
    assert len(found) == MOST_ROWS
    assert min(each.at for each in found.values()) == 50.0


def test_it_counts_half_after_an_hour_and_a_clock_set_back_changes_nothing():
    assert counts().aged(100.0 + HALF_LIFE).tried == 1.5
    assert counts().aged(0.0).tried == 3.0


def test_what_seems_to_come_from_the_future_is_as_of_now():
    """Else it would never grow old, and take the places of what is newer."""
    rows = {("h", ("GET /a", "503")): counts(4e9), ("h", ("GET /b", "503")): counts(50.0)}
    found = read(write(rows), wall=60.0)
    assert [each.at for each in found.values()] == [60.0, 50.0]


def test_sums_and_differences_are_never_below_nothing():
    assert nothing(0.0).plus(counts(), -1.0).tried == 0.0
    assert counts().plus(counts()).good == [2.0] * 9


GOOD_ROW = ["h", "GET /a", "503", 1.0, [0.0] * 9, [1.0] * 9, 1.0, 0.0]


@pytest.mark.parametrize(
    "text",
    [
        "", "garbage{", "[]", "null", "{}", '{"format":"something else"}', "[" * 100_000,
        json.dumps({"format": FORMAT, "version": 1}),
        json.dumps({"format": FORMAT, "version": 1, "seen": [[1]]}),
        *(
            json.dumps({"format": FORMAT, "version": 1, "seen": [[*GOOD_ROW[:place], wrong, *GOOD_ROW[place + 1 :]]]})
            for place, wrong in [
                (0, 5), (1, "x" * 5000), (3, "now"), (3, -1), (4, [0.0] * 8), (4, [float("nan")] * 9),
                (5, [float("inf")] * 9), (6, True), (6, -1.0), (7, 1e300), (6, 10**400), (3, 10**400),
            ]
        ),
    ],
)  # fmt: skip
def test_what_is_something_else_is_refused(text):
    with pytest.raises(Foreign) as refused:
        read(text)
    assert not refused.value.newer


def test_a_later_version_is_told_apart():
    with pytest.raises(Foreign) as refused:
        read(json.dumps({"format": FORMAT, "version": 2, "seen": 5}))
    assert refused.value.newer


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(Foreign):
        read(text)
