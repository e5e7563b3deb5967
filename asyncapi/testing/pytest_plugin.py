"""The fixtures that pytest finds in this package: `api_mock` and `api_clock`.

pytest imports this module at the start of every run, whether or not a test uses it. It imports pytest alone; everything
else waits until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from asyncapi.testing.mocked_api import APIMock
    from asyncapi.testing.system_time import SystemTime

_mocks: WeakKeyDictionary[Any, APIMock] = WeakKeyDictionary()  # test -> its mock


@pytest.fixture
def api_mock(request: pytest.FixtureRequest) -> Iterator[APIMock]:
    """Mock every API that the code under test calls with asyncapi; a call without a route fails the test."""
    from asyncapi.testing.mocked_api import APIMock  # noqa: PLC0415 - only for tests that use it

    mock = _mocks[request.node] = APIMock(required=False)  # what fixtures declare may or may not be called
    mock.start()
    try:
        yield mock
    finally:
        mock.stop()
    mock.check()  # what came after the test: in the teardown of other fixtures


@pytest.fixture
def api_clock() -> Iterator[SystemTime]:
    """Virtual time for asyncapi clients that the code under test makes: `api_clock.run(coroutine)` never waits."""
    from asyncapi.testing.system_time import SystemTime  # noqa: PLC0415 - only for tests that use it

    with SystemTime() as time:
        yield time


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Fail a test whose calls found no route, even where the code under test has swallowed that."""
    mock = _mocks.get(item)
    if mock is None:
        yield
        return
    mock.required = True  # what the test itself declares has to be called
    outcome = yield
    if outcome.excinfo is not None:
        told = mock.excuse(outcome.excinfo[1])
        if told:
            item.add_report_section("call", "api_mock", "\n".join(told))
    elif hasattr(outcome, "force_exception"):  # pluggy 1.1; before, the teardown of the fixture tells
        try:
            mock.check()
        except AssertionError as error:
            outcome.force_exception(error)
            mock.excuse()
