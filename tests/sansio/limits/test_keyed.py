"""State per key, in bounded memory."""

from __future__ import annotations

from itertools import count

from asyncapi.sansio.limits.keyed import Keyed


def test_a_value_is_made_once_per_key():
    made = count()
    keyed = Keyed(lambda: next(made))
    assert [keyed["a"], keyed["b"], keyed["a"]] == [0, 1, 0]


def test_it_forgets_the_oldest_key_when_full_and_no_other():
    made = count()
    keyed = Keyed(lambda: next(made), max_keys=3)
    for key in "abcd":
        assert keyed[key] == "abcd".index(key)
    assert list(keyed) == ["b", "c", "d"]
    assert keyed["a"] == 4  # made anew
    assert len(keyed) == 3


def test_what_is_in_use_is_not_forgotten_and_makes_room_again_afterwards():
    busy = {0, 1, 2}
    made = count()
    keyed = Keyed(lambda: next(made), max_keys=3, busy=busy.__contains__)
    for key in "abcdefgh":
        keyed[key]
    assert set(keyed) == {"a", "b", "c", "h"}
    busy.clear()
    keyed["i"]
    assert len(keyed) == 3


def test_where_all_is_in_use_it_grows_and_a_new_key_costs_a_few_looks():
    looks = count()

    def busy(_):
        next(looks)
        return True

    keyed = Keyed(object, max_keys=100, busy=busy)
    for number in range(1000):
        keyed[str(number)]
    assert len(keyed) == 1000
    assert next(looks) <= 16 * 1000
