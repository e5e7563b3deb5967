"""Rows weigh what their column says, as long as they are under way."""

from asyncapi import Request
from asyncapi.bulk.item import Item
from asyncapi.bulk.weights import Weights


def test_only_rows_under_way_are_weighed():
    weights, item = Weights(), Item("GET", "https://h/", id=3)
    item.index, item.weight = 3, 7.0
    weights.add(item)
    assert weights(Request("GET", "https://h/", id=3)) == 7.0
    assert weights(Request("GET", "https://h/", id=4)) == 1.0
    weights.remove(item)
    assert weights(Request("GET", "https://h/", id=3)) == 1.0
