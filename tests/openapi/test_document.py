"""What a document says is plain data that can't be changed by accident, and a problem is one line."""

from __future__ import annotations

import dataclasses

import pytest

from asyncapi.openapi import document
from asyncapi.openapi.document import Problem, Server


def test_the_parts_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Server("https://h.example").url = "x"
    for name in document.__all__:
        assert getattr(document, name).__dataclass_params__.frozen


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("#/a", "is wrong", "Mend it.", line=3), "error: #/a (line 3): is wrong. Mend it."),
        (Problem("b.yaml#/a", "is odd", severity="warning"), "warning: b.yaml#/a: is odd"),
    ],
)
def test_a_problem_says_where_and_what_to_do(problem, text):
    assert str(problem) == text
