"""Clients that ariadne-codegen generates over a client of ours: they run, and type checkers take them."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from asyncapi import Client, ConfigError, GraphQL, GraphQLBaseClient, GraphQLError

ROOT = Path(__file__).parent.parent.parent
QUERIES = """
query GetUser($id: ID!) { user(id: $id) { id name team } }
query Fail($code: String) { fail(code: $code) }
mutation Rename($id: ID!, $name: String!) { renameUser(id: $id, name: $name) { name } }
subscription Prices($after: Int, $count: Int) { prices(after: $after, count: $count) { cents } }
"""
BASE = '''
from asyncapi import GraphQLBaseClient


class BaseClient(GraphQLBaseClient):
    """What the generated client calls."""
'''
CONFIG = """
[tool.ariadne-codegen]
schema_path = "schema.graphql"
queries_path = "queries.graphql"
target_package_name = "shop_client"
base_client_name = "BaseClient"
base_client_file_path = "base_client.py"
"""


def _command():
    """The command: of $ARIADNE_CODEGEN, of an environment of its own, or on PATH."""
    given = os.environ.get("ARIADNE_CODEGEN")
    own = ROOT / ".venv-codegen/bin/ariadne-codegen"
    return given or (str(own) if own.exists() else shutil.which("ariadne-codegen"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    if _command() is None:
        pytest.skip("ariadne-codegen is not installed: set ARIADNE_CODEGEN to its path")
    pytest.importorskip("graphql", reason="graphql-core is not installed")
    from asyncapi.serve.graphql_schema import SDL

    place = tmp_path_factory.mktemp("generated")
    for name, text in {
        "schema.graphql": SDL, "queries.graphql": QUERIES, "base_client.py": BASE, "pyproject.toml": CONFIG,
    }.items():  # fmt: skip
        (place / name).write_text(text)
    done = subprocess.run([_command()], cwd=place, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(place))
    try:
        yield importlib.import_module("shop_client"), place
    finally:
        sys.path.remove(str(place))
        for name in [name for name in sys.modules if name.split(".")[0] == "shop_client"]:
            del sys.modules[name]


@pytest.mark.lanes
async def test_a_generated_client_runs_over_a_client_of_ours(generated):
    from asyncapi.serve import FaultServer

    package, _ = generated
    async with FaultServer() as server, Client(server.url) as api, package.Client(GraphQL(api)) as shop:
        found = await shop.get_user(id="1")
        assert (found.user.name, found.user.team) == ("Ada", "red")
        assert (await shop.rename(id="1", name="Augusta")).rename_user.name == "Augusta"
        assert [each.prices.cents async for each in shop.prices(after=100, count=2)] == [101, 102]
        with pytest.raises(GraphQLError, match="NOPE on purpose"):
            await shop.fail(code="NOPE")


def test_mypy_takes_it_strictly(generated):
    pytest.importorskip("mypy", reason="mypy is not installed")
    _, place = generated
    program = place / "program.py"
    program.write_text(
        "from asyncapi import Client, GraphQL\nfrom shop_client import Client as Shop\n\n\n"
        "async def name(api: Client) -> str:\n"
        "    user = (await Shop(GraphQL(api)).get_user(id='1')).user\n"
        "    return '' if user is None else user.name\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, str(program)],
        cwd=place, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_it_wants_a_graphql_endpoint():
    with pytest.raises(ConfigError, match=r"give an asyncapi\.GraphQL"):
        GraphQLBaseClient("https://api.example.com/graphql")  # type: ignore[arg-type]


async def test_unset_variables_models_and_uploads_are_sent_as_they_should():
    from pydantic import BaseModel, ConfigDict, Field

    from asyncapi.testing import MockTransport, reply

    UnsetType = type("UnsetType", (), {})
    upload = type("Upload", (), {"filename": "a.txt", "content": b"A", "content_type": "text/plain"})

    class Input(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True)
        first_name: str = Field(alias="firstName")
        nick: str | None = None
        photo: upload

    seen = []

    async def handler(request):
        seen.append(request)
        return reply(json={"data": {"a": 1}})

    async with Client("https://h", transport=MockTransport(handler)) as api:
        client = GraphQLBaseClient(GraphQL(api))
        assert await client.execute("mutation A { a }", "A", {"x": UnsetType(), "y": [1]}) == {"a": 1}
        assert await client.execute("mutation A { a }", "A", {"in": Input(first_name="A", photo=upload())}) == {"a": 1}
    assert seen[0].json == {"query": "mutation A { a }", "operationName": "A", "variables": {"y": [1]}}
    assert dict(seen[1].data)["map"] == '{"0":["variables.in.photo"]}'
    assert '"firstName":"A","photo":null' in dict(seen[1].data)["operations"]
