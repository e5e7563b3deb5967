"""The house stands: every file of the package keeps to its room and to its size.

The rules, each a function over one parsed `Module` that returns what is wrong (empty when nothing is):

1. A module imports from rooms before its own in `ORDER`, and from its own. Imports inside functions count; imports
   under `if TYPE_CHECKING:` do not run, so those that point to a later room are merely listed, in `UPWARD_TYPES`.
2. Nothing imports a sibling inside `layers/`, nor, below the command line, the public face (`from asyncapi import
   Client`), and no chain of imports bites its own tail.
3. `sansio/` does no input or output, reads no clock and awaits nothing.
4. Only `transports/`, `serve/` and `testing` own a network.
5. Heavy or optional packages wait until they are needed.
6. Every module says what it is; files and functions stay small.

The last tests feed each rule something bad: a rule that cannot fail protects nothing.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "asyncapi"

# The rooms, in one total order: each imports only from rooms before it, and freely from its own.
ORDER = (
    # the words everyone speaks
    "version", "faces", "redact", "errors", "clock", "types", "messages",
    # pure decisions, by shelves
    "sansio", "sansio.measures", "sansio.http", "sansio.http2", "sansio.rpc", "sansio.graphql", "sansio.limits",
    "sansio.failures", "sansio.auth",
    # what waits, what is kept outside the process, what users set
    "scheduling", "stores", "sharing", "settings", "config",
    # what carries an attempt, who we say we are, one concern a layer
    "transports", "credentials", "layers",
    # the options of a call; one call, many calls, bodies that arrive bit by bit, lists of many pages; and the client that holds them
    "options", "calls", "fanout", "streaming", "pagination",
    # protocols over what a client gives them; the client; facades over it; the same without `await`; tests, traces and watchers
    "speakers", "grpc", "client", "declared", "blocking", "testing", "trace", "watch",
    # jobs, and the command line
    "bulk", "openapi", "cli", "__main__",
)  # fmt: skip
PLACES = {room: place for place, room in enumerate(ORDER)}

# These stand beside the house: the rooms that they may import, and who may import them.
APART = {"serve": ({"errors"}, {"cli", "__main__"}), "testing": (set(ORDER), {"trace"})}

# Imports for type checkers alone that point to a later room, as (from, to): known, and few.
UPWARD_TYPES = {("redact", "messages"), ("errors", "messages"), ("types", "messages")}

IMPURE = {
    "asyncio", "anyio", "aiohttp", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "selectors",
    "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "urllib.request", "concurrent",
}  # fmt: skip
NETWORK = {"aiohttp", "socket", "ssl", "http.client", "urllib.request", "httpx", "requests"}
OWNS_NETWORK = {"transports", "serve", "testing"}
SCREENS = {"click", "rich", "uvloop"}
HEAVY = {
    "pyarrow", "matplotlib", "opentelemetry", "prometheus_client", "qh3", "redis", "fsspec", "s3fs", "distributed", "dask",
    "ray", "pandas", "polars", "grpc", "yaml", "datamodel_code_generator", "jsonschema", "referencing", "vcr",
}  # fmt: skip
# Modules that are themselves imported late, inside a function, and may therefore import these at their top.
LATE = {
    "bulk.parquet": {"pyarrow"}, "bulk.fleet.dask": {"distributed"}, "bulk.fleet.ray": {"ray"},
    "serve.graphql_schema": {"graphql"}, "watch.otel": {"opentelemetry"}, "watch.prometheus": {"prometheus_client"},
}  # fmt: skip
# The modules of HTTP/3 import each other: only the way in is imported inside a function.
_HTTP3 = sorted(
    f"transports.native.http3.{path.stem}" for path in (PACKAGE / "transports/native/http3").glob("*.py")
    if path.stem not in {"__init__", "life", "places"}
)  # fmt: skip
_CHANNELS = ("speakers.rpc.channel_policy", "speakers.rpc.channel_attempt", "speakers.rpc.started")  # of grpc.aio
LATE |= {name: {"grpc", *(f"asyncapi.{each}" for each in _CHANNELS)} for name in _CHANNELS}
LATE |= {name: {"qh3", *(f"asyncapi.{each}" for each in _HTTP3)} for name in _HTTP3}

# Where an `OpenBody` is made and held on to itself: no response carries it yet.
HOLDS_BODIES = {"messages.open_body", "transports.aiohttp", "transports.native.transport"}

FILE_LINES = 320
FUNCTION_LINES = 45
# What may be longer, and why.
LONGER = {
    "serve.app:_table": "the table of endpoints: rows, no code",
    "calls.builder:build": "a signature of twenty options, each with its place in the request",
    "client.client:__init__": "a signature of twenty settings, each handed on to where it belongs",
}


@dataclass(frozen=True)
class Import:
    """One import statement's target."""

    target: str
    line: int
    typing_only: bool
    top_level: bool


@dataclass(frozen=True)
class Module:
    """One parsed file: `name` is dotted below the package, "" for its `__init__`."""

    name: str
    source: str
    is_package: bool = False

    @property
    def unit(self) -> str:
        """The room, or the shelf of `sansio`; any `__main__` is a command line."""
        return unit_of(self.name)

    @property
    def tree(self) -> ast.Module:
        return parsed(self.source)

    @property
    def imports(self) -> tuple[Import, ...]:
        return imports_of(self)

    @property
    def runtime(self) -> list[Import]:
        return [found for found in self.imports if not found.typing_only]

    @property
    def inner(self) -> list[Import]:
        return [found for found in self.imports if found.target.partition(".")[0] == "asyncapi"]


def unit_of(name: str) -> str:
    """The room of a dotted name below the package; of one in `sansio`, its shelf."""
    if name.endswith("__main__"):
        return "__main__"
    room, _, rest = name.partition(".")
    shelf = f"{room}.{rest.partition('.')[0]}"
    return shelf if shelf in PLACES else room


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def module_names() -> frozenset[str]:
    return frozenset(name_of(path) for path in PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(module: Module) -> tuple[Import, ...]:
    return tuple(walk(module, module.tree, typing_only=False, top_level=True))


def walk(module: Module, node: ast.AST, *, typing_only: bool, top_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for target in targets(module, child):
                yield Import(target, child.lineno, typing_only, top_level)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                wrapped = ast.Module([statement], [])
                yield from walk(module, wrapped, typing_only=True, top_level=top_level)
            for statement in child.orelse:
                yield from walk(module, ast.Module([statement], []), typing_only=typing_only, top_level=top_level)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from walk(module, child, typing_only=typing_only, top_level=top_level and not inside)


def targets(module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules a statement names; `from asyncapi import clock` names `asyncapi.clock`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    base = node.module or ""
    if node.level:
        parts = module.name.split(".") if module.name else []
        here = parts if module.is_package else parts[:-1]
        kept = here[: len(here) - node.level + 1]
        base = ".".join(["asyncapi", *kept, *([node.module] if node.module else [])])
    for alias in node.names:
        below = f"{base}.{alias.name}".removeprefix("asyncapi.")
        is_module = base.partition(".")[0] == "asyncapi" and below in module_names()
        yield f"{base}.{alias.name}" if is_module else base


def is_any(target: str, names: set[str]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in names)


# --- the rules -------------------------------------------------------------------------------------------------


def has_a_place(module: Module) -> list[str]:
    if not module.unit or module.unit in PLACES or module.unit in APART:
        return []
    return [f"asyncapi.{module.unit} has no place: give it one in ORDER of tests/test_architecture.py"]


def looks_down(module: Module) -> list[str]:
    problems = []
    for found in module.inner:
        if found.typing_only or not module.unit:
            continue
        why = why_not(module.unit, unit_of(found.target.removeprefix("asyncapi").lstrip(".")))
        if why:
            problems.append(f"line {found.line}: {found.target}: {why}")
    return problems


def why_not(here: str, there: str) -> str:
    """Why the room `here` may not import from the room `there`; "" if it may."""
    if here == there:
        return ""
    if not there:
        return "" if here in {"cli", "__main__"} else "the face is for users: import the module that defines the name"
    if there in APART and here not in APART[there][1]:
        return "stands apart from the house"
    if here == "serve":
        return "" if there in APART[here][0] else "serve knows errors alone"
    if there in APART or here not in PLACES:
        return ""
    if there not in PLACES:
        return "has no place in ORDER"
    return "" if PLACES[there] < PLACES[here] else f"{there} comes after {here} in ORDER"


def leaves_siblings_alone(module: Module) -> list[str]:
    if module.unit != "layers" or module.is_package:
        return []
    return [
        f"line {found.line}: {found.target} is a sibling: a layer knows no other layer"
        for found in module.inner
        if found.target.startswith("asyncapi.layers") and found.target != f"asyncapi.{module.name}"
    ]


def stays_pure(module: Module) -> list[str]:
    if module.unit.partition(".")[0] != "sansio":
        return []
    problems = [
        f"line {found.line}: {found.target} is not pure"
        for found in module.runtime
        if is_any(found.target, IMPURE) or found.target == "asyncapi.clock"
    ]
    waits = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    problems += [f"line {node.lineno}: awaits" for node in ast.walk(module.tree) if isinstance(node, waits)]
    return problems


def owns_no_network(module: Module) -> list[str]:
    if module.unit in OWNS_NETWORK:
        return []
    return [
        f"line {found.line}: {found.target}: only {', '.join(sorted(OWNS_NETWORK))} own a network"
        for found in module.runtime
        if is_any(found.target, NETWORK)
    ]


def is_light(module: Module) -> list[str]:
    late = HEAVY if module.unit in {"cli", "__main__"} else HEAVY | SCREENS
    late = (late | {f"asyncapi.{name}" for name in LATE}) - LATE.get(module.name, set())
    return [
        f"line {found.line}: {found.target} is heavy or optional: import it inside the function that needs it"
        for found in module.runtime
        if found.top_level and is_any(found.target, late)
    ]


def releases_at_the_end(module: Module) -> list[str]:
    """What waits for the end of a body goes through `release_at_end`, which knows the responses that have none open."""
    if module.name in HOLDS_BODIES:
        return []
    return [
        f"line {node.lineno}: {ast.unparse(node)}: use release_at_end(response, release)"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "hold"
        and ast.unparse(node.value).rpartition(".")[2] in {"open_body", "body"}
    ]


def says_what_it_is(module: Module) -> list[str]:
    return [] if ast.get_docstring(module.tree) else ["has no docstring"]


def is_small(module: Module) -> list[str]:
    """Lines are counted without docstrings and overloads; a function's without those of the functions inside it."""
    return [problem for key, problem in too_long(module) if key not in LONGER]


def too_long(module: Module) -> Iterator[tuple[str, str]]:
    uncounted = sum(docstring_lines(node) + overload_lines(node) for node in ast.walk(module.tree))
    lines = len(module.source.splitlines()) - uncounted
    if lines > FILE_LINES:
        yield module.name, f"{lines} lines without docstrings and overloads: more than {FILE_LINES}; split it"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and own_lines(node) > FUNCTION_LINES:
            problem = f"line {node.lineno}: {node.name} has {own_lines(node)} lines: more than {FUNCTION_LINES}"
            yield f"{module.name}:{node.name}", problem


def docstring_lines(node: ast.AST) -> int:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    first = node.body[0] if node.body else None
    is_docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    return span(first) if first is not None and is_docstring else 0


def overload_lines(node: ast.AST) -> int:
    """An overload is a type, not code."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return 0
    return span(node) + 1 if any("overload" in ast.unparse(each) for each in node.decorator_list) else 0


def span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = span(function) - docstring_lines(function)
    inner: list[ast.AST] = list(ast.iter_child_nodes(function))
    while inner:
        node = inner.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            length -= span(node)
        else:
            inner += ast.iter_child_nodes(node)
    return length


RULES = (
    has_a_place, looks_down, leaves_siblings_alone, stays_pure, owns_no_network, is_light, releases_at_the_end,
    says_what_it_is, is_small,
)  # fmt: skip


# --- the package keeps them ------------------------------------------------------------------------------------


def load(path: Path) -> Module:
    return Module(name_of(path), path.read_text(encoding="utf-8"), is_package=path.name == "__init__.py")


MODULES = [load(path) for path in sorted(PACKAGE.rglob("*.py"))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name or "__init__")
def test_every_module_keeps_the_rules_of_the_house(module):
    problems = [problem for rule in RULES for problem in rule(module)]
    assert not problems, f"asyncapi.{module.name}:\n  " + "\n  ".join(problems)


def test_imports_for_type_checkers_that_point_upwards_are_known():
    found = {
        (module.unit, unit_of(found.target.removeprefix("asyncapi").lstrip(".")))
        for module in MODULES
        for found in module.inner
        if found.typing_only and points_up(module.unit, found.target)
    }
    assert found == UPWARD_TYPES, "list them in UPWARD_TYPES, or better: turn them round"


def points_up(here: str, target: str) -> bool:
    there = unit_of(target.removeprefix("asyncapi").lstrip("."))
    return here in PLACES and there in PLACES and PLACES[there] > PLACES[here]


def test_no_chain_of_imports_bites_its_own_tail():
    graph = {
        f"asyncapi.{module.name}".rstrip("."): {
            found.target for found in module.inner if not found.typing_only and found.top_level
        }
        for module in MODULES
    }
    assert not cycle_in(graph)


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    """One cycle of the graph, or an empty list."""
    done: set[str] = set()

    def visit(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done or node not in graph:
            return []
        for target in sorted(graph[node] - {node}):
            cycle = visit(target, [*way, node])
            if cycle:
                return cycle
        done.add(node)
        return []

    return next((cycle for node in sorted(graph) if (cycle := visit(node, []))), [])


@pytest.mark.parametrize("name", ["asyncapi", "asyncapi.testing"])
def test_importing_the_package_loads_nothing_heavy(name):
    unwanted = sorted(HEAVY | SCREENS | {"asyncapi.cli", "asyncapi.serve", "asyncapi.bulk"})
    code = f"import sys, {name}; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_exceptions_to_the_sizes_are_still_needed():
    too_long_now = {key for module in MODULES for key, _ in too_long(module)}
    assert set(LONGER) <= too_long_now, "take these out of LONGER"
    assert all(reason.strip() for reason in LONGER.values())


# --- the rules can fail ----------------------------------------------------------------------------------------

BAD: list[tuple[Callable[[Module], list[str]], str, str]] = [
    (has_a_place, "novelty", "x = 1"),
    (looks_down, "sansio.failures.backoff", "from asyncapi.layers import retry"),
    (looks_down, "sansio.failures.backoff", "def f():\n    from asyncapi.settings import Retry"),
    (looks_down, "sansio.http.link", "from asyncapi.sansio.limits import bucket"),
    (looks_down, "transports.aiohttp", "from asyncapi.client.chain import chain"),
    (looks_down, "transports.aiohttp", "from ..client.chain import chain"),
    (looks_down, "settings.retry", "from asyncapi.layers.retry import retry"),
    (looks_down, "layers.retry", "import asyncapi.client"),
    (looks_down, "fanout.outcomes", "from asyncapi import Client"),
    (looks_down, "fanout.outcomes", "from asyncapi import bulk"),
    (looks_down, "client.client", "from asyncapi.testing import FakeClock"),
    (looks_down, "client.client", "import asyncapi.serve"),
    (looks_down, "serve.app", "from asyncapi.sansio.failures import backoff"),
    (leaves_siblings_alone, "layers.retry", "from asyncapi.layers.hedge import x"),
    (leaves_siblings_alone, "layers.retry", "from . import hedge"),
    (leaves_siblings_alone, "layers.retry", "from .hedge import x"),
    (stays_pure, "sansio.failures.backoff", "import asyncio"),
    (stays_pure, "sansio.failures.backoff", "from time import monotonic"),
    (stays_pure, "sansio.failures.backoff", "from asyncapi.clock import SYSTEM"),
    (stays_pure, "sansio.failures.backoff", "async def f(): ..."),
    (owns_no_network, "pagination.pages", "import aiohttp"),
    (owns_no_network, "bulk.engine", "def f():\n    from aiohttp.client import ClientSession"),
    (owns_no_network, "cli.main", "import urllib.request"),
    (is_light, "bulk.writer", "import pyarrow.parquet as pq"),
    (is_light, "bulk.report", "try:\n    from matplotlib import pyplot\nexcept ImportError:\n    pyplot = None"),
    (is_light, "bulk.engine", "import rich.live"),
    (is_light, "cli.main", "import matplotlib"),
    (is_light, "bulk.sinks", "from asyncapi.bulk import parquet"),
    (is_light, "bulk.sinks", "from asyncapi.bulk.parquet import ParquetSink"),
    (releases_at_the_end, "layers.watch", "response.open_body.hold(f)"),
    (releases_at_the_end, "layers.telemetry", "body = response.open_body\nbody.hold(f)"),
    (says_what_it_is, "clock", "x = 1"),
    (is_small, "clock", "x = 1\n" * (FILE_LINES + 1)),
    (is_small, "clock", "def f():\n" + "    x = 1\n" * FUNCTION_LINES),
]


@pytest.mark.parametrize(("rule", "name", "source"), BAD)
def test_each_rule_sees_what_breaks_it(rule, name, source):
    assert rule(Module(name, source))


GOOD: list[tuple[Callable[[Module], list[str]], str, str]] = [
    (
        looks_down,
        "sansio.failures.backoff",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import asyncapi.client",
    ),
    (looks_down, "client.client", "from asyncapi.client.chain import chain\nfrom asyncapi import clock"),
    (looks_down, "cli.serve", "from asyncapi.serve import FaultServer"),
    (looks_down, "serve.app", "from asyncapi import errors\nfrom asyncapi.serve.faults import x"),
    (owns_no_network, "client.client", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import aiohttp"),
    (is_light, "bulk.report", "def plot():\n    import matplotlib"),
    (is_light, "cli.main", "import click"),
    (releases_at_the_end, "layers.watch", "release_at_end(response, f)\nmeter.hold('rate')"),
    (is_small, "clock", '"""' + "doc\n" * FILE_LINES + '"""\nx = 1'),
    (is_small, "clock", "def f():\n    def g():\n" + "        x = 1\n" * 40 + "    x = 1\n" * 40),
]


@pytest.mark.parametrize(("rule", "name", "source"), GOOD)
def test_no_rule_sees_ghosts(rule, name, source):
    assert rule(Module(name, source)) == []


def test_a_cycle_is_found():
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
