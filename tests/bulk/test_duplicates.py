"""Ids that appear more than once are counted, in little memory."""

import random
import tracemalloc

import pytest

from asyncapi.bulk import duplicates
from asyncapi.bulk.duplicates import Duplicates


def count(names):
    found = Duplicates()
    for name in names:
        found.add(name)
    return found.count


@pytest.mark.parametrize(
    ("names", "twice"),
    [
        ([], 0), (["a", "b"], 0), (["a", "b", "a", "a"], 2), ([1, "1", 1.0, True, None], 0), ([1, 1], 1),
        ([-1, -2, 2**61 - 1, 0], 0), ([[1], [1], {"a": 1}, {"a": 1}], 2),
    ],
)  # fmt: skip
def test_each_id_is_compared_with_all_before_it(names, twice):
    assert count(names) == twice


@pytest.mark.parametrize("made", [lambda n: n, str, lambda n: f"item-{n:08}", lambda n: n * 1024])
def test_none_of_many_ids_is_taken_for_another(made):
    names = [made(n) for n in range(50_000)]
    assert count(names) == 0
    assert count(names + random.Random(1).sample(names, 123)) == 123


def test_a_million_ids_take_constant_memory_per_id():
    found = Duplicates()
    tracemalloc.start()
    for number in range(300_000):
        found.add(number)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000 * 48


def test_beyond_the_bound_only_the_first_ids_are_compared(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST", duplicates._FIRST)
    found = Duplicates()
    for number in [*range(10_000), 0, 9_999]:
        if found.add(number):
            found.note(number, f"in:{number}")
    assert (found.full, found.count) == (True, 1)
    assert (
        found.text()
        == "1 row has an id that an earlier row has, such as '0' (in:0) (only the first 2,049 ids were compared)"
    )


def test_the_first_of_them_is_named_and_shortened():
    found = Duplicates()
    assert found.text() is None
    for number, name in enumerate(["x" * 100, "b\x1b", "b\x1b", "x" * 100]):
        if found.add(name):
            found.note(name, f"ids.csv:{number}")
    assert found.text() == "2 rows have an id that an earlier row has, such as 'b\\\\x1b' (ids.csv:2)"
