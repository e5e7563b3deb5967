"""A digest knows a definition again, whatever a formatter does to it."""

from __future__ import annotations

import ast

import pytest

from asyncapi.openapi.digests import FIRST_LINE, Marks, digest, split, written

SOURCE = 'def f(a: "int", b=(1, 2)):\n    """Say it.\n\n    More of it.\n    """\n    return {"x": a}\n'


def of(source):
    return digest(ast.parse(source).body, source)


@pytest.mark.parametrize(
    "twin",
    [
        SOURCE.replace('"x"', "'x'"), SOURCE.replace("(1, 2)", "(\n    1,\n    2,\n)"), SOURCE.replace("    More", "  More"),
        SOURCE.replace("return", "...\n    return"), SOURCE.replace('{"x": a}', '({"x": a})'), SOURCE.replace("a}", "a}  # noqa: E501"),
    ],
)  # fmt: skip
def test_layout_does_not_count(twin):
    assert of(twin) == of(SOURCE)


@pytest.mark.parametrize(
    "other",
    [SOURCE.replace("Say", "Tell"), SOURCE.replace("2", "3"), SOURCE.replace("a}", "a}  # mine"), f"@d\n{SOURCE}"],
)
def test_words_and_comments_count(other):
    assert of(other) != of(SOURCE)


def test_notes_are_read_as_they_were_written():
    marks = Marks("Shop", {"Pet.a": "123abc", "statement:77": "1"}, {("datetime", "date as d"), ("asyncapi", "API")})
    text, found = split(f"x = 1\n\n\n{written(marks)}\n\ny = 2\n")
    assert found == marks
    assert text == "x = 1\n\n\ny = 2\n"


def test_a_file_without_notes_has_none():
    assert split("x = 1\n") == ("x = 1\n", None)
    assert FIRST_LINE.startswith("# ---")
