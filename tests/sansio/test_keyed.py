"""State per key, in bounded memory."""

from __future__ import annotations

from itertools import count

from asyncapi.sansio.keyed import Keyed


def test_a_value_is_made_once_per_key():
    made = count()
    keyed = Keyed(lambda: next(made))
    assert [keyed["a"], keyed["b"], keyed["a"]] == [0, 1, 0]


def test_it_forgets_the_oldest_key_when_full_and_no_other():
    made = count()
    keyed = Keyed(lambda: next(made), most=3)
    for key in "abcd":
        assert keyed[key] == "abcd".index(key)
    assert list(keyed) == ["b", "c", "d"]
    assert keyed["a"] == 4  # made anew
    assert len(keyed) == 3
