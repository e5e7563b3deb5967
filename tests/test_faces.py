"""Faces hand on names late: each package promises the same names to type checkers and to programs."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

FACES = ["asyncapi", "asyncapi.settings", "asyncapi.credentials"]


def imported_for_checkers(package: str) -> dict[str, set[str]]:
    """Module -> names, as the package imports them under `if TYPE_CHECKING:`."""
    tree = ast.parse(Path(import_module(package).__file__ or "").read_text(encoding="utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return {
        (node.module or "").removeprefix(f"{package}."): {alias.name for alias in node.names}
        for node in block.body
        if isinstance(node, ast.ImportFrom)
    }


@pytest.mark.parametrize("package", FACES)
def test_programs_find_what_type_checkers_see(package):
    face = import_module(package)
    assert {home: set(names.split()) for home, names in face._HOMES.items()} == imported_for_checkers(package)
    for home, names in face._HOMES.items():
        for name in names.split():
            assert getattr(face, name) is getattr(import_module(f"{package}.{home}"), name)
            assert name in dir(face)


@pytest.mark.parametrize("package", FACES)
def test_a_name_that_is_not_there_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=rf"module '{package}' has no attribute 'Nothing'"):
        import_module(package).Nothing  # noqa: B018


def test_rooms_are_attributes_without_having_been_imported():
    code = "import asyncapi; print(asyncapi.errors.ConfigError.__name__, asyncapi.settings.Retry.__name__)"
    assert output_of(code) == "ConfigError Retry"


def output_of(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


CALL = """
import asyncio, sys
from asyncapi import Client, RateLimit, Retry, Timeout
from asyncapi.testing import MockTransport, reply

async def main():
    transport = MockTransport(lambda request: reply(200))
    limits = {"retry": Retry(attempts=3), "rate": RateLimit(50), "timeout": Timeout(total=20, attempt=5.0)}
    async with Client("https://h", transport=transport, concurrency=20, **limits) as api:
        assert (await api.get("/x", params={"a": 1})).ok
        assert [outcome.ok for outcome in await api.gather(["/y"])] == [True]

asyncio.run(main())
print(sorted({"aiohttp", "truststore", "pydantic", "pydantic_core", "sqlite3", "cryptography"} & set(sys.modules)))
"""


def test_a_call_imports_neither_aiohttp_nor_pydantic():
    assert output_of(CALL) == "[]"


NATIVE = """
import asyncio, sys
from asyncapi import Client

async def answer(reader, writer):
    await reader.readuntil(b"\\r\\n\\r\\n")
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")

async def main():
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with Client(url, transport="native") as api:
            assert (await api.get("/x")).content == b"ok"

asyncio.run(main())
print(sorted({"aiohttp", "truststore", "pydantic", "pydantic_core"} & set(sys.modules)))
"""


def test_a_call_over_the_native_transport_imports_no_aiohttp():
    assert output_of(NATIVE) == "[]"
