"""What pytest finds in this package: `api_mock`, `api_clock`, and cassettes (`api_cassette`, and the mark `cassette`).

pytest imports this module at the start of every run, whether or not a test uses it. It imports pytest alone; everything
else waits until a fixture is used.
"""

from __future__ import annotations

import warnings
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from asyncapi.testing.cassettes.cassette import Cassette
    from asyncapi.testing.mocked_api import APIMock
    from asyncapi.testing.system_time import SystemTime

_mocks: WeakKeyDictionary[Any, APIMock] = WeakKeyDictionary()  # test -> its mock
_cassettes: WeakKeyDictionary[Any, Cassette] = WeakKeyDictionary()  # test -> its cassette
_MARK = (
    "cassette(path=None, *, mode, mask, keep, ignore, match_on, repeats, only, pass_through): record calls of APIs, or "
    "replay them"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says whether cassettes record."""
    parser.getgroup("asyncapi").addoption(
        "--cassette-mode",
        choices=("once", "none", "new", "all"),
        default=None,
        help="whether cassettes of asyncapi record: once (where there is no file, the default), none (never), "
        "new (what isn't recorded yet), all (everything anew)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", _MARK)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Give a test with the mark its cassette, before all other fixtures."""
    names = getattr(item, "fixturenames", None)
    if names is not None and "api_cassette" not in names and item.get_closest_marker("cassette") is not None:
        names.insert(0, "api_cassette")


@pytest.fixture(scope="session")
def cassette_config() -> dict[str, Any]:
    """Settings of all cassettes, as keyword arguments of `Cassette`: define a fixture of this name to change them."""
    return {}


@pytest.fixture
def api_cassette(request: pytest.FixtureRequest, cassette_config: dict[str, Any]) -> Iterator[Cassette]:
    """Record what the test exchanges with APIs, once, and replay it from then on."""
    from asyncapi.testing.cassettes.of_test import cassette_of  # noqa: PLC0415 - only for tests that use it

    cassette = _cassettes[request.node] = cassette_of(request.node, cassette_config)
    cassette.start()
    try:
        yield cassette
    finally:
        cassette.failed = cassette.failed or bool(cassette.problems)
        cassette.stop()
    cassette.check()


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
def api_clock(request: pytest.FixtureRequest) -> Iterator[SystemTime]:
    """Virtual time for asyncapi clients that the code under test makes: `api_clock.run(coroutine)` never waits."""
    from asyncapi.testing.system_time import SystemTime  # noqa: PLC0415 - only for tests that use it

    with SystemTime() as time:
        yield time
    if not time.runs and iscoroutinefunction(getattr(request.node, "obj", None)):
        warnings.warn(
            f"{request.node.name}: an async test lives in real time; api_clock.run(...) makes it virtual, in a plain "
            "test (`def`, not `async def`)",
            stacklevel=1,
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Fail a test whose calls found no route, even where the code under test has swallowed that."""
    mock, cassette = _mocks.get(item), _cassettes.get(item)
    if mock is not None:
        mock.required = True  # what the test itself declares has to be called
    outcome = yield
    error = outcome.excinfo[1] if outcome.excinfo is not None else None
    if cassette is not None and (error is not None or cassette.problems):
        cassette.failed = True
    for name, judge in (("api_mock", mock), ("api_cassette", cassette)):
        if judge is None:
            continue
        if error is not None:
            _shorten(error)
            others = judge.excuse(error)
            if others:
                item.add_report_section("call", name, _told(others))
        elif hasattr(outcome, "force_exception"):  # pluggy 1.1; before, the teardown of the fixture tells
            failure = _failure(judge)
            if failure is not None:
                outcome.force_exception(failure)
                judge.excuse()


def _failure(judge: APIMock | Cassette) -> BaseException | None:
    """Return what fails a test that has passed: a message alone, where no line of the test has raised it."""
    from asyncapi.testing.nearest import UnmatchedCall, message_of  # noqa: PLC0415 - only where a test uses it
    from asyncapi.testing.traces import origin  # noqa: PLC0415

    try:
        judge.check()
    except AssertionError as error:
        if isinstance(error, UnmatchedCall) or not origin(error):
            return pytest.fail.Exception(message_of(error), pytrace=False)
        return error
    return None


def _shorten(error: BaseException) -> None:
    """End the traceback of a call without a route where the test, or the code under test, has made the call."""
    from asyncapi.testing.nearest import UnmatchedCall  # noqa: PLC0415 - only where a test uses it
    from asyncapi.testing.traces import shorten, within  # noqa: PLC0415

    for each in within(error):
        if isinstance(each, UnmatchedCall):
            shorten(each)


def _told(others: list[str]) -> str:
    from asyncapi.testing.nearest import told  # noqa: PLC0415 - only where a test uses it

    return told(others)
