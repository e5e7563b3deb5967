"""A reference leads to one place, through files, escapes, other references and anchors; or one problem says why not."""

from __future__ import annotations

import pytest

from asyncapi.openapi.files import Files, Place, tokens

ROOT = {
    "components": {
        "schemas": {"A/b": {"x": 1}, "t~": {"y": [1, {"z": 2}]}, "C": {"$ref": "#/components/schemas/A~1b"}}
    },
    "loop": {"$ref": "#/pool"},
    "pool": {"$ref": "#/loop"},
    "self": {"$ref": "#/self"},
    "named": {"$anchor": "here", "$id": "https://example.com/named", "$defs": {"In": {"w": 3}}},
    "outer": {"$defs": {"Near": {"v": 4}}, "properties": {"p": {"$ref": "#/$defs/Near"}}},
    "ä ö": {"u": 5},
    "whole": {"$ref": "other.yaml"},
}
AT = Place("", "/somewhere")


def files(tmp_path=None):
    return Files(ROOT, str(tmp_path / "root.yaml") if tmp_path else "<bytes>")


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ("#/components/schemas/A~1b", {"x": 1}),
        ("#/components/schemas/A%2Fb", None),
        ("#/components/schemas/A%7E1b", {"x": 1}),
        ("#/components/schemas/t~0/y/1/z", 2),
        ("#/components/schemas/t~0/y/2", None),
        ("#/components/schemas/C", {"x": 1}),
        ("#/%C3%A4%20%C3%B6", {"u": 5}),
        ("#here", ROOT["named"]),
        ("https://example.com/named", ROOT["named"]),
        ("https://example.com/named#/$defs/In", {"w": 3}),
        ("#/self", None),
        ("#/loop", None),
        ("#/nothing", None),
        ("#", None),
        ("nothing.yaml", None),
        (7, None),
    ],
)
def test_references_lead_to_a_value_or_leave_one_problem(reference, value):
    held = files()
    found = held.find(reference, AT)
    assert (found.value if found else None) == value
    assert len(held.problems) == (value is None)


def test_a_problem_says_where_it_is_and_what_is_meant():
    held = files()
    held.find("#/components/schemas/A~1c", Place("", "/paths/~1a/get"))
    (problem,) = held.problems
    assert problem.where == "#/paths/~1a/get"
    assert "#/components/schemas/A~1c leads nowhere" in problem.what
    assert "Is 'A/b' meant?" in problem.hint


def test_definitions_of_the_schemas_around_a_reference_are_found_with_a_warning():
    held = files()
    found = held.find("#/$defs/Near", Place("", "/outer/properties/p"))
    assert found.value == {"v": 4}
    assert [each.severity for each in held.problems] == ["warning"]


def test_other_files_are_read_once_and_refer_back(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "other.yaml").write_text("k: {$ref: 'sub/deep.json#/d'}\nm: {n: {o: 6}}\n")
    (tmp_path / "sub/deep.json").write_text(
        '{"d": {"$ref": "../root.yaml#/pool2"}, "e": {"$ref": "../root.yaml#/components"}}'
    )
    held = files(tmp_path)
    assert held.find("other.yaml#/k", AT) is None
    assert "pool2 leads nowhere" in held.problems[0].what
    assert held.find("sub/deep.json#/e", AT).place == Place("", "/components")
    assert held.find("#/whole/m/n", AT).value == {"o": 6}
    assert len(held.values) == 3


def test_a_broken_file_is_told_for_each_reference(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    held = files(tmp_path)
    assert held.find("bad.yaml#/a", AT) is None
    assert held.find("bad.yaml#/b", AT) is None
    assert len(held.problems) == 2
    assert "isn't valid YAML" in held.problems[0].what


def test_a_pointer_is_split_and_joined():
    place = Place("f", "") / "a/b" / "~" / 0
    assert str(place) == "f#/a~1b/~0/0"
    assert tokens(place.pointer) == ["a/b", "~", "0"]
