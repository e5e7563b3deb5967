"""A row's request knows its place in the input, and what the output needs of the row."""

from asyncapi.bulk.item import Item
from asyncapi.bulk.reader import Reader


def test_an_item_knows_its_place_its_url_as_given_and_its_columns():
    rows = [{"id": "a", "url": "HTTPS://h:443/x", "note": "n", "cost": 3}, {"id": "b", "url": "https://h/2", "cost": 1}]
    first, second = Reader(rows, carry=("note",), weight_from="cost").items()
    assert isinstance(first, Item)
    assert (first.index, first.name, first.held, first.given) == (0, "a", "", "HTTPS://h:443/x")
    assert (first.columns, first.weight) == ({"note": "n"}, 3.0)
    assert (second.index, second.columns, second.weight) == (1, {"note": None}, 1.0)


def test_an_item_of_which_nothing_is_carried_has_no_columns():
    [item] = Reader(["https://h/1"]).items()
    assert (item.given, item.columns, item.weight, item.name) == ("https://h/1", None, 1.0, None)
