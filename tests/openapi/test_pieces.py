"""A source is taken apart and put together byte for byte."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError
from asyncapi.openapi.pieces import taken_apart

SOURCE = '''"""Doc."""
# a comment

import os  # why

X = 1
"""About X."""


# above
@decorated
class A(B):  # head

    # first
    a: int = 1
    """About a."""

    @overload
    def f(self, x: int) -> int: ...
    @overload
    def f(self, x: str) -> str: ...
    def f(self, x): return x

    # the end of A


if X:
    y = 2
# the end
'''


def test_nothing_is_lost():
    made = taken_apart(SOURCE, "it")
    assert "\n".join([*(one.whole() for one in made.pieces), *made.tail, ""]) == SOURCE


def test_pieces_have_keys():
    made = taken_apart(SOURCE, "it")
    assert [one.key for one in made.pieces][:4] == ["__doc__", made.pieces[1].key, "X", "A"]
    assert [one.key for one in made.pieces[3].members] == ["a", "f"]


@pytest.mark.parametrize(
    ("source", "said"), [("x = ", "line 1: it isn't valid Python"), ("a = 1; b = 2", "two statements in one line")]
)
def test_what_cannot_be_taken_apart_is_said(source, said):
    with pytest.raises(ConfigError, match=said):
        taken_apart(source, "client.py")
