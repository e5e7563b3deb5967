"""The manual is whole: every public name is in the reference, every layer in the picture, every endpoint in the list.

That its samples run is tests/test_docs.py; that it builds without a warning is `make docs`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
from collections import Counter
from pathlib import Path

import pytest

import asyncapi
from asyncapi import Alert, Bearer, Breaker, Cache, Client, Fallback, Hedge, Learned, Mesh, RateLimit, Retry
from asyncapi.serve import FaultServer
from asyncapi.testing import Chaos, MockTransport, reply

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MODULES = (
    "blocking",
    "bulk",
    "credentials",
    "grpc",
    "options",
    "serve",
    "stores",
    "testing",
    "trace",
    "types",
    "watch",
)
REFERENCE = [
    name
    for page in sorted((DOCS / "reference").glob("*.md"))
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def promised(name):
    """What a public path of the reference leads to."""
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("name", sorted(asyncapi.__all__))
def test_every_public_name_is_in_the_reference(name):
    assert f"asyncapi.{name}" in REFERENCE


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_a_public_module_is_in_the_reference(module):
    top = [getattr(asyncapi, name) for name in asyncapi.__all__]
    names = getattr(importlib.import_module(f"asyncapi.{module}"), "__all__", ())
    elsewhere = {name for name in names if any(promised(f"asyncapi.{module}.{name}") is value for value in top)}
    missing = {name for name in names if f"asyncapi.{module}.{name}" not in REFERENCE} - elsewhere
    assert not missing


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_names_what_exists_by_its_public_path(name):
    assert promised(name) is not None
    module = name.removeprefix("asyncapi.").rpartition(".")[0]
    assert module in {"", *MODULES}


def test_the_reference_describes_a_name_once():
    assert [name for name, times in Counter(REFERENCE).items() if times > 1] == []


def test_the_tree_of_errors_in_the_reference_has_every_error():
    tree = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8").split("```")[1]
    errors = {name for name in asyncapi.__all__ if inspect.isclass(promised(f"asyncapi.{name}"))}
    errors = {name for name in errors if issubclass(promised(f"asyncapi.{name}"), asyncapi.AsyncAPIError)}
    assert errors == set(re.findall(r"\b[A-Z]\w+", tree))


# --- concepts --------------------------------------------------------------------------------------------------

# What explain() calls by a shorter name than the manual, and what it shows only of a client for several users.
NAMES = {"whose": "principal", "frozen": "body snapshot"}
SOMETIMES = {"your own", "principal"}


def test_concepts_has_the_layers_in_their_order():
    with_everything = Client(
        endpoints=["https://a.example.com", "https://b.example.com"],
        transport=MockTransport(lambda request: reply()),
        auth=Bearer("x"),
        rate=RateLimit(1),
        concurrency=1,
        breaker=Breaker(),
        hedge=Hedge(),
        cache=Cache(),
        single_flight=True,
        fallback=Fallback(value=None),
        retry=Retry(policy=Learned()),
        deadline_header="Request-Timeout",
        mesh=Mesh(),
        watch=Alert(when="p95 > 1", over=60, notify=print),
        chaos=Chaos(errors=0.1),
    )
    explained = re.findall(r"^ *\d+ {2}(\S.*?) {2,}", with_everything.explain(), re.MULTILINE)
    text = (DOCS / "concepts.md").read_text(encoding="utf-8")
    order = text[text.index("### Once per call") : text.index("Some consequences")]
    described = re.findall(r"^\| ([a-z][^|]*?) \| (?!setting)", order, re.MULTILINE)
    assert [name for name in described if name not in SOMETIMES] == [NAMES.get(name, name) for name in explained]


def test_the_picture_has_the_layers_of_concepts():
    text = (DOCS / "concepts.md").read_text(encoding="utf-8")
    picture = (DOCS / "img" / "layers.svg").read_text(encoding="utf-8")
    drawn = re.findall(r'font-size="12.5"[^>]*>([^<]+)<', picture)
    rows = re.findall(r"^\| ([a-z][^|]*?) \| (?!setting)", text[text.index("### Once per call") :], re.MULTILINE)
    layers = rows[rows.index("watch (calls)") : rows.index("chaos")]
    short = {"watch (calls)": "watch", "telemetry (calls)": "telemetry", "auth (sign)": "sign"}
    assert drawn == [short.get(name, name.removesuffix(" (attempts)")) for name in layers]


# --- the local server ------------------------------------------------------------------------------------------


@pytest.mark.lanes
async def test_every_endpoint_of_the_local_server_is_in_its_page():
    page = (DOCS / "serve.md").read_text(encoding="utf-8")
    async with FaultServer() as server, Client(server.url) as api:
        listed = (await api.get("/")).json()
    paths = {"/" + path.lstrip("/").partition("/")[0].partition("?")[0] for path in listed}
    assert [path for path in sorted(paths) if not re.search(f"[` ]{path}", page)] == []


# --- what MkDocs does beside rendering -------------------------------------------------------------------------


class Known:
    """The pages that a manual has, as MkDocs' own collection."""

    def __init__(self, *uris):
        self.uris = uris

    def get_file_from_path(self, uri):
        return uri if uri in self.uris else None


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("manual_hooks", DOCS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("fence", "shown"),
    [
        ("```python", "```python"),
        ("```python no-run: needs a bucket", "```python"),
        ("```console run shows", "```console"),
        ("```bash run exits=1", "```bash"),
        ("  ```csv file=ids.csv", '  ```csv title="ids.csv"'),
        ('```python title="mine" hl_lines="2"', '```python title="mine" hl_lines="2"'),
    ],
)
def test_readers_see_nothing_of_how_a_block_is_tested(hooks, fence, shown):
    assert hooks.plain_fences(f"Text.\n\n{fence}\ncode\n```\n") == f"Text.\n\n{shown}\ncode\n```\n"


@pytest.mark.parametrize(
    ("source", "link", "shown"),
    [
        ("calls.md", "[a](auth.md#x)", "[a](auth.md#x)"),
        ("howto/llm.md", "[a](../auth.md)", "[a](../auth.md)"),
        ("calls.md", "[changes](../CHANGELOG.md)", "[changes](changelog.md)"),
        ("howto/llm.md", "[changes](../../CHANGELOG.md#x)", "[changes](../changelog.md#x)"),
        ("contributing.md", "[calls](docs/auth.md)", "[calls](auth.md)"),
        ("calls.md", "[an example](../examples/demo.py)", "an example"),
        ("calls.md", "[a](missing.md)", "[a](missing.md)"),
        ("calls.md", "[a](https://h/x) [b](#here)", "[a](https://h/x) [b](#here)"),
    ],
)
def test_a_link_leads_to_a_page_of_the_manual_or_is_text(hooks, source, link, shown):
    files = Known("auth.md", "calls.md", "changelog.md", "contributing.md", "howto/llm.md")
    assert hooks.relinked(link, source, ROOT, files) == shown
