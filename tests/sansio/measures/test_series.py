"""The combinations that have series of their own are bounded, and every call counts somewhere."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.measures.series import OTHER, Series, bounded

METHODS = ("GET", "POST", "other")
CALL = st.tuples(st.sampled_from(METHODS), st.integers(0, 50).map(str), st.none() | st.integers(0, 50).map(str))


@given(st.lists(CALL, max_size=400), st.integers(1, 40))
def test_there_are_never_more_than_so_many_and_one_for_each_method(calls, most):
    series = Series(most)
    seen = {series.of(*call) for call in calls}
    assert len(seen - {(method, OTHER, OTHER) for method in METHODS}) <= most


@given(st.lists(CALL, max_size=200), st.integers(1, 40))
def test_a_call_counts_for_its_own_or_for_others_and_keeps_to_its_own(calls, most):
    series, own = Series(most), set()
    for method, host, route in calls:
        labels = series.of(method, host, route)
        assert labels in {(method, host, route or OTHER), (method, host, OTHER), (method, OTHER, OTHER)}
        if labels == (method, host, route or OTHER):
            own.add(labels)
        else:
            assert (method, host, route or OTHER) not in own


def test_routes_leave_room_for_hosts():
    series = Series(8)
    for route in range(100):
        series.of("GET", "one", f"/{route}")
    assert series.of("GET", "one", "/99") == ("GET", "one", OTHER)
    assert series.of("GET", "two", "/99") == ("GET", "two", OTHER)
    assert series.of("GET", "three", None) == ("GET", OTHER, OTHER)


def test_names_beyond_the_first_are_other():
    known: set[str] = set()
    assert [bounded(name, known, 2) for name in "abcab"] == ["a", "b", OTHER, "a", "b"]
