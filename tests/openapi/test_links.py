"""References and one-way properties are found at any depth."""

from __future__ import annotations

from asyncapi.openapi import links
from asyncapi.openapi.links import Ways
from written_clients import ref


def test_references_are_found_at_any_depth():
    piece = {"a": [{"$ref": "#/components/schemas/A~1B"}], "discriminator": {"mapping": {"c": "C"}}}
    assert links.references(piece) == {"A/B", "C"}


def test_a_property_that_goes_one_way_is_found_but_not_one_in_an_example():
    assert links.has_one_way({"anyOf": [{"properties": {"a": {"readOnly": True}}}]})
    assert not links.has_one_way({"properties": {"a": {"example": {"readOnly": True}}}})


def test_ways_tell_what_goes_both_ways_and_differs():
    named = {
        "Pet": {"properties": {"id": {"readOnly": True}}}, "Box": {"properties": {"pet": ref("Pet")}},
        "Plain": {"type": "object"}, "Sent": {"properties": {"pet": ref("Pet")}},
    }  # fmt: skip
    ways = Ways(named, [ref("Box"), ref("Plain"), ref("Sent")], [ref("Box"), ref("Plain")])
    assert ways.two == {"Pet", "Box"}
    assert [name for name in named if ways.sent_only(name)] == ["Sent"]
