"""The suite can be read: tests stand in the rooms of what they test, and their names say their promise in a line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "asyncapi"
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


# Modules without a file of their own, and where their promises are tested.
ELSEWHERE = {
    "version.py": "test_exports.py",
    "__main__.py": "cli/test_fetch.py",
    "config.py": "credentials/test_renamed.py",
    "serve/__main__.py": "cli/test_serve.py",
    # what a subscription promises over a WebSocket and by events
    "speakers/graphql_reader.py": "speakers/test_graphql_subscription.py",
    "speakers/graphql_sse.py": "speakers/test_graphql_subscription.py",
    "speakers/graphql_streams.py": "speakers/test_graphql_subscription.py",
    "speakers/graphql_subscribe.py": "speakers/test_graphql_subscription.py",
    "speakers/graphql_websocket.py": "speakers/test_graphql_subscription.py",
    # what both transports promise
    "transports/aiohttp_errors.py": "transports/test_wire_errors.py",
    "transports/aiohttp_expect.py": "transports/test_expect.py",
    "transports/aiohttp_handler.py": "transports/test_wire_responses.py",
    "transports/aiohttp_request.py": "transports/test_wire_headers.py",
}

MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_test_file(module):
    path = Path(module)
    place = ELSEWHERE.get(module) or str(path.with_name(f"test_{path.name}"))
    assert (TESTS / place).is_file(), f"asyncapi/{module} is to be tested in tests/{place}"


def test_exceptions_are_still_needed():
    assert set(ELSEWHERE) <= set(MODULES)
