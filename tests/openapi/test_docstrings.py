"""A document's words become docstrings: plain, wrapped, and valid whatever they hold."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.openapi.docstrings import WIDTH, docstring, first_sentence, plain, sentence


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**Bold** and `code`", "**Bold** and `code`"), ("<p>One</p><p>Two<br>three</p>", "One\n\nTwo\n\nthree"),
        ("see [the docs](https://x.test/a)", "see the docs (https://x.test/a)"), ("a &amp; b", "a & b"), ("[x](#y)", "x"),
        ("zero\u200bwidth\x00", "zerowidth"), ("1 < 2", "1 < 2"),
    ],
)  # fmt: skip
def test_markup_becomes_plain_text(text, shown):
    assert plain(text) == shown


def test_emphasis_goes_and_lists_stay():
    made = docstring("The **first** words.\n\n- one\n- two\n\n# A title\n\n    code = 1\n", 4)
    assert "The first words." in made
    assert "- one\n    - two" in made
    assert "        code = 1" in made


def test_a_long_text_is_wrapped():
    made = docstring("word " * 60, 8)
    assert max(map(len, made.split("\n"))) <= WIDTH
    assert len(made.split("\n")) > 3


@given(st.text(), st.sampled_from([0, 4, 8]))
def test_every_text_is_a_valid_docstring(text, indent):
    body = docstring(text, indent)
    source = (
        f"{body}\n" if indent == 0 else f"class A:\n{body}\n" if indent == 4 else f"class A:\n    def a():\n{body}\n"
    )
    ast.parse(source)


@pytest.mark.parametrize(("text", "made"), [("Ok", "Ok."), ("Why?", "Why?"), ("", ""), (" a\n b ", "a b.")])
def test_a_sentence_ends_as_one(text, made):
    assert sentence(text) == made


def test_the_first_sentence_is_one_line():
    assert first_sentence("The first one. The second.\n\nMore") == "The first one."


@pytest.mark.parametrize("text", ['"', '""', '"""', '""""', 'a"', 'a\\"', "\\", "a\\", '"a"', '"""a"""', 'a"""'])
def test_quotes_and_backslashes_come_out_as_they_went_in(text):
    assert ast.literal_eval(docstring(text, 0)).strip() == text
