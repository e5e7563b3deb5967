"""For every test: nothing of the developer's own environment reaches it, and generated cases are the same for all.

`TEST_LOOP=uvloop` runs the tests on uvloop's event loop, which `asyncapi fetch` and `serve` use: `make test-uvloop`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import warnings
from pathlib import Path

from hypothesis import HealthCheck, settings

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


def pytest_collectstart():
    """Collect no garbage while tests are found: there is none yet."""
    gc.disable()


def pytest_collection_finish():
    """Leave what was found out of garbage collections: a test that asks for one walks its own objects alone."""
    gc.enable()
    gc.collect()
    gc.freeze()
