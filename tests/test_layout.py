"""The suite can be read: the name of a test says its promise in a line, and a docstring has the rest."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
NAME_CHARACTERS = 79


def names_in(source: str) -> list[str]:
    """Return the names of the tests that a file defines, those in classes included."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, kinds) and node.name[:5] == "test_"]


def too_long(source: str) -> list[str]:
    return [name for name in names_in(source) if len(name) > NAME_CHARACTERS]


def test_names_of_tests_have_under_80_characters():
    found = {str(path.relative_to(TESTS)): too_long(path.read_text()) for path in sorted(TESTS.rglob("*.py"))}
    assert len(found) > 100
    assert {path: names for path, names in found.items() if names} == {}


def test_a_name_that_is_too_long_is_found():
    fits, long = "test_" + "a" * 74, "test_" + "b" * 75
    assert too_long(f"def {fits}(): ...\nclass TestIt:\n    async def {long}(self): ...\n") == [long]
