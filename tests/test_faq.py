"""The FAQ has an entry for each error, and for no other."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from asyncapi import errors

FAQ = Path(__file__).parent.parent / "docs" / "faq.md"
_ENTRY = re.compile(r"^### `(\w+)`\n\n(?!#)(\S.*)", re.MULTILINE)


def entries():
    """The errors that have an entry with a text: a list, so that none counts twice."""
    _, _, section = FAQ.read_text(encoding="utf-8").partition("\n## Every error\n")
    return [name for name, _ in _ENTRY.findall(section)]


def test_each_error_has_one_entry_that_says_what_it_means():
    made = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == errors.__name__
    }
    assert len(made) > 30
    assert sorted(entries()) == sorted(made)
