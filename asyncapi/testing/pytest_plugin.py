"""What pytest finds in this package: `api_mock`, `api_clock`, and cassettes (`api_cassette`, and the mark `cassette`).

pytest imports this module at the start of every run, whether or not a test uses it. It imports pytest alone; everything
else waits until a fixture is used.
"""

from __future__ import annotations

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
    "cassette(path=None, *, mode, mask, keep, ignore, match_on, repeats, only): record calls of APIs, or replay them"
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
def api_clock() -> Iterator[SystemTime]:
    """Virtual time for asyncapi clients that the code under test makes: `api_clock.run(coroutine)` never waits."""
    from asyncapi.testing.system_time import SystemTime  # noqa: PLC0415 - only for tests that use it

    with SystemTime() as time:
        yield time


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Fail a test whose calls found no route, even where the code under test has swallowed that."""
    mock, cassette = _mocks.get(item), _cassettes.get(item)
    if mock is not None:
        mock.required = True  # what the test itself declares has to be called
    outcome = yield
    if cassette is not None and outcome.excinfo is not None:
        cassette.failed = True
    for name, judge in (("api_mock", mock), ("api_cassette", cassette)):
        if judge is None:
            continue
        if outcome.excinfo is not None:
            told = judge.excuse(outcome.excinfo[1])
            if told:
                item.add_report_section("call", name, "\n".join(told))
        elif hasattr(outcome, "force_exception"):  # pluggy 1.1; before, the teardown of the fixture tells
            if cassette is not None and cassette.problems:
                cassette.failed = True
            try:
                judge.check()
            except AssertionError as error:
                outcome.force_exception(error)
                judge.excuse()
