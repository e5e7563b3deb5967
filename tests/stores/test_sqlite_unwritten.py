"""What waits to be written, and what a reader sees meanwhile."""

from asyncapi.stores.sqlite_unwritten import Change, Unwritten


def test_a_key_has_the_value_of_its_last_change_until_all_are_written():
    unwritten = Unwritten()
    first, second = Change("put", "k", 1), Change("put", "k", 2)
    unwritten.add(first, (("a",),))
    unwritten.add(second, (("b",),))
    assert unwritten.clear([first]) == []
    assert unwritten.values == {"k": (("b",),)}
    assert unwritten.clear([second]) == [(second, (("b",),))]
    assert unwritten.values == {}
    assert len(unwritten) == 0


def test_what_is_dropped_afterwards_need_not_be_put():
    unwritten = Unwritten()
    put, drop = Change("put", "k", 1), Change("drop", "k")
    unwritten.add(put, (("a",),))
    unwritten.add(drop, ())
    assert put.done
    assert unwritten.drops() == [drop]
    assert unwritten.values == {"k": ()}
