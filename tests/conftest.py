"""For every test: nothing of the developer's own environment reaches it, and generated cases are the same for all.

`TEST_LOOP=uvloop` runs the tests on uvloop's event loop, which `asyncapi fetch` and `serve` use: `make test-uvloop`.

`TEST_LANES="aiohttp native"` runs the tests whose clients open sockets on both transports: `make test-all`. They have the
mark `lanes`, and their names show the lane. `lane("aiohttp", reason="...")` is the mark of a test of one transport: it
runs there, whatever TEST_LANES says, as the tests in transports/native/ do on "native". No other test may open
connections by a client.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

KNOWN = {"aiohttp", "native"}
LANES = os.environ.get("TEST_LANES", "aiohttp").split()
_HERE = Path(__file__).parent
sys.path += [
    str(_HERE / "support"),
    str(_HERE.parent / "benchmarks"),
]  # for `from servers import ...`, `import simulator`

# Servers in tests are on loopback: a proxy in the environment must not stand between, in this process or in those
# that tests start. Colours and widths change what command lines print.
for _name in list(os.environ):
    if _name.lower().endswith("_proxy") or _name in {"FORCE_COLOR", "NO_COLOR", "COLUMNS", "PYTHONPATH"}:
        del os.environ[_name]

if os.environ.get("TEST_LOOP") == "uvloop":
    import uvloop

    with warnings.catch_warnings():  # CPython 3.14 deprecates policies; pytest-asyncio takes its loops from them
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

# No time limit for a single example: machines are busy. `make test ARGS=--hypothesis-seed=0` repeats a run.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("busy"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "busy")


def pytest_configure(config):
    if not LANES or not set(LANES) <= KNOWN:
        raise pytest.UsageError(f"TEST_LANES={' '.join(LANES)!r}: name aiohttp, native, or both")
    config.addinivalue_line("markers", "lanes: its clients open sockets: it runs on each transport of TEST_LANES")
    config.addinivalue_line("markers", "lane(name, reason): it is about this transport, and runs on no other")


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc):
    """Have a test run on its lanes; the lane comes first in its name."""
    if (only := metafunc.definition.get_closest_marker("lane")) is not None:
        if len(only.args) != 1 or only.args[0] not in KNOWN or not only.kwargs.get("reason"):
            raise pytest.UsageError(f"{metafunc.definition.nodeid}: write lane('aiohttp', reason='...'), or 'native'")
        metafunc.parametrize("lane", only.args, indirect=True)
    elif metafunc.definition.get_closest_marker("lanes") is not None:
        metafunc.parametrize("lane", LANES, indirect=True)


@pytest.fixture(autouse=True)
def lane(request, monkeypatch):
    """The transport of every client that names none: "aiohttp" or "native".

    Where a test has no mark, this one sees that it needs none.
    """
    from asyncapi.transports import factory
    from asyncapi.transports.aiohttp import AioHTTPTransport
    from asyncapi.transports.native.transport import NativeTransport

    name = getattr(request, "param", None)
    if name is None and request.path.is_relative_to(_HERE / "transports" / "native"):
        name = "native"
    if name is not None:
        monkeypatch.setattr(factory, "DEFAULT", name)
        yield name
        return
    opened = []

    def noted(begin):
        return lambda self, request: (opened.append(str(request)), begin(self, request))[1]

    for transport in (AioHTTPTransport, NativeTransport):
        monkeypatch.setattr(transport, "_begin", noted(transport._begin))
    yield LANES[0]
    assert not opened, f"it opens sockets: mark it `lanes`, or `lane(...)` with the reason ({opened[0]})"


def pytest_collectstart():
    """Collect no garbage while tests are found: there is none yet."""
    gc.disable()


def pytest_collection_finish():
    """Leave what was found out of garbage collections: a test that asks for one walks its own objects alone."""
    gc.enable()
    gc.collect()
    gc.freeze()
