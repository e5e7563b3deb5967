"""The plugin in pytest runs of its own: what passes, what fails, and what the failures say."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import asyncapi

PRELUDE = """
import asyncio, pytest
from asyncapi import Client

async def program(path, **settings):
    async with Client("https://api.example.com", **settings) as api:
        return (await api.get(path)).json()

def swallowing(path):
    try:
        return asyncio.run(program(path))
    except BaseException:
        return None
"""


@pytest.fixture
def suite(tmp_path):
    def run(code, *options):
        (tmp_path / "test_it.py").write_text(PRELUDE + code)
        root = str(Path(asyncapi.__file__).parent.parent)
        env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": root}
        plugins = ("-p", "asyncapi.testing.pytest_plugin", "-p", "no:cacheprovider", "-W", "error")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *plugins, *options, "test_it.py"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_plugin_imports_nothing_of_the_package_that_takes_time():
    probe = "import sys, asyncapi.testing.pytest_plugin; print(*sorted(n for n in sys.modules if n[:8] == 'asyncapi'))"
    env = {**os.environ, "PYTHONPATH": str(Path(asyncapi.__file__).parent.parent)}
    listed = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == [
        "asyncapi", "asyncapi.faces", "asyncapi.testing", "asyncapi.testing.pytest_plugin", "asyncapi.version",
    ]  # fmt: skip


def test_a_test_that_calls_what_it_declares_passes(suite):
    done, said = suite("""
@pytest.mark.parametrize("number", [1, 2])
def test_it(api_mock, number):
    users = api_mock.get("/users/{id}").reply(json={"id": number})
    assert asyncio.run(program("/users/1")) == {"id": number}
    users.assert_called_once()
""")
    assert (done, "2 passed" in said) == (0, True), said


def test_a_swallowed_unmatched_call_fails_the_test_and_names_the_nearest_route(suite):
    done, said = suite("""
def test_it(api_mock):
    api_mock.get("/users/{id}", params={"page": 2}, required=False)
    api_mock.post("/orders", required=False)
    assert swallowing("/users/1?page=3") is None
""")
    assert done == 1
    assert "1 failed in" in said, said
    assert "no route takes GET https://api.example.com/users/1?page=3" in said
    assert "GET /users/{id} (page=2)  [test_it.py:" in said
    assert "query parameter page is '3', not 2" in said
    assert said.index("GET /users/{id}") < said.index("POST /orders")


def test_a_test_that_fails_because_of_a_swallowed_call_is_told_so(suite):
    done, said = suite("""
def test_it(api_mock):
    assert swallowing("/users/1") == {"id": 1}
""")
    assert done == 1
    assert "1 failed in" in said, said
    assert "assert None ==" in said
    assert "no route takes GET https://api.example.com/users/1" in said


def test_a_route_that_the_test_declares_has_to_be_called_and_one_of_a_fixture_may(suite):
    done, said = suite("""
@pytest.fixture
def users(api_mock):
    return api_mock.get("/users/{id}").reply(json={})

def test_of_a_fixture(users): ...
def test_of_its_own(api_mock):
    api_mock.get("/never")
def test_optional(api_mock):
    api_mock.get("/never", required=False)
def test_skipped(api_mock):
    api_mock.get("/never")
    pytest.skip("later")
""")
    assert done == 1
    assert "1 failed, 2 passed, 1 skipped" in said, said
    assert "never called, although the test declares it" in said
    assert "GET /never" in said


def test_an_autouse_fixture_keeps_all_tests_off_the_network(suite):
    _, said = suite("""
@pytest.fixture(autouse=True)
def offline(api_mock): ...

def test_it():
    swallowing("/users/1")

class TestThem:
    def test_it(self):
        swallowing("/users/2")
""")
    assert "2 failed" in said, said


def test_calls_in_the_teardown_of_other_fixtures_are_seen(suite):
    done, said = suite("""
@pytest.fixture
def late(api_mock):
    yield
    swallowing("/late")

def test_it(late): ...
""")
    assert done == 1
    assert "1 passed, 1 error" in said, said


def test_async_tests_of_pytest_asyncio_and_anyio_work(suite):
    code = """
@pytest.mark.{mark}
async def test_it(api_mock{more}):
    api_mock.get("/a").reply(json=1)
    assert await program("/a") == 1

@pytest.mark.{mark}
async def test_swallowed(api_mock{more}):
    try:
        await program("/b")
    except BaseException:
        pass

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
    scope = ("-o", "asyncio_default_fixture_loop_scope=function")
    for mark, more, options in (("asyncio", "", ("asyncio", *scope)), ("anyio", ", anyio_backend", ("anyio",))):
        done, said = suite(code.format(mark=mark, more=more), "-p", *options)
        assert done == 1
        assert "1 failed, 1 passed" in said, said


def test_tests_in_parallel_processes_do_not_meet(suite):
    _, said = suite(
        """
@pytest.mark.parametrize("number", range(6))
def test_it(api_mock, number):
    api_mock.get("/a").reply(json=number)
    assert asyncio.run(program("/a")) == number
""", "-p", "xdist", "-n", "2",
    )  # fmt: skip
    assert "6 passed" in said, said


def test_after_a_test_the_network_is_back(suite):
    _, said = suite("""
def test_first(api_mock):
    api_mock.get("/a").reply(json=1)
    assert asyncio.run(program("/a")) == 1

def test_second():
    from asyncapi.transports import interception
    assert not interception.active
""")
    assert "2 passed" in said, said


def test_the_clock_makes_backoff_of_the_programs_own_clients_virtual(suite):
    _, said = suite("""
def test_it(api_mock, api_clock):
    route = api_mock.get("/a").reply(503, retry_after=20).then.fail("timeout", delay=10).then.reply(json=1)
    assert api_clock.run(program("/a", timeout=120)) == 1
    assert 30 <= api_clock.elapsed < 60
    route.assert_called(3)
""")
    assert "1 passed" in said, said


def test_a_report_ends_at_the_line_of_the_code_under_test(suite):
    done, said = suite("""
def test_raised(api_mock):
    asyncio.run(program("/users/1"))
def test_swallowed(api_mock):
    swallowing("/users/2")
def test_never(api_mock):
    api_mock.get("/never")
def test_count(api_mock):
    route = api_mock.get("/a").reply(json={})
    asyncio.run(program("/a?page=1"))
    route.assert_called(2)
""")
    assert done == 1
    assert "4 failed" in said, said
    assert "asyncapi.testing.UnmatchedCall: api_mock: no route takes GET https://api.example.com/users/1" in said
    assert "called at test_it.py:7" in said
    assert "had 1 call, not 2" in said
    own = [line for line in said.splitlines() if "asyncapi/" in line.replace("\\\\", "/")]
    assert own == [], said


def test_an_assertion_in_a_function_that_responds_shows_that_function(suite):
    done, said = suite("""
def test_it(api_mock):
    def respond(request):
        assert request.method == "POST"
    api_mock.get("/a").reply(respond)
    swallowing("/a")
""")
    assert done == 1
    assert "1 failed in" in said, said
    assert "assert 'GET' == 'POST'" in said
    assert re.search(r"^test_it\.py:\d+: AssertionError$", said, re.MULTILINE)


def test_a_thousand_swallowed_calls_make_a_short_report(suite):
    done, said = suite("""
def test_it(api_mock):
    for number in range(1000):
        swallowing(f"/users/{number}")
""")
    assert done == 1
    assert "and 995 more calls like these" in said, said
    assert len(said) < 3000


@pytest.mark.parametrize("framework", ["pytest_asyncio", "anyio"])
def test_an_async_test_that_asks_for_virtual_time_is_warned(suite, framework):
    pytest.importorskip(framework)
    mark = {"pytest_asyncio": "asyncio", "anyio": "anyio"}[framework]
    plugin = {"pytest_asyncio": "pytest_asyncio.plugin", "anyio": "anyio.pytest_plugin"}[framework]
    _done, said = suite(
        f"""
@pytest.fixture
def anyio_backend(): return "asyncio"

@pytest.mark.{mark}
async def test_it(api_clock):
    pass
""",
        "-p",
        plugin,
        "-W",
        "default",
    )
    assert "an async test lives in real time; api_clock.run(...) makes it virtual" in said, said
    assert "1 passed" in said, said


def test_a_fixture_may_be_replaced_by_one_of_its_name(suite):
    done, said = suite("""
@pytest.fixture
def api_mock(api_mock):
    api_mock.get("/users/{id}").reply(json={"of": "the fixture"})
    return api_mock

def test_it(api_mock):
    assert asyncio.run(program("/users/1")) == {"of": "the fixture"}
def test_another(api_mock):
    api_mock.get("/users/1").reply(json={"of": "the test"})
    assert asyncio.run(program("/users/1")) == {"of": "the test"}
""")
    assert (done, "2 passed" in said) == (0, True), said


def test_unittest_classes_work(suite):
    done, said = suite("""
import unittest
from asyncapi.testing import APIMock

class TestPlain(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _mocked(self, api_mock):
        self.api_mock = api_mock
    def test_it(self):
        self.api_mock.get("/a").reply(json={"a": 1})
        self.assertEqual(asyncio.run(program("/a")), {"a": 1})
    def test_swallowed(self):
        swallowing("/b")

class TestAsync(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.api_mock = self.enterContext(APIMock())
    async def test_it(self):
        self.api_mock.get("/a").reply(json={"a": 1})
        self.assertEqual(await program("/a"), {"a": 1})
""")
    assert done == 1
    assert "1 failed, 2 passed" in said, said
    assert "no route takes GET https://api.example.com/b" in said


def test_calls_of_a_task_group_are_told_once_and_shortly(suite):
    done, said = suite("""
def test_it(api_mock):
    async def both():
        async with asyncio.TaskGroup() as group:
            group.create_task(program("/a"))
            group.create_task(program("/b"))
    asyncio.run(both())

def test_wanted(api_mock):
    swallowing("/c")
    api_mock.excuse()
""")
    assert done == 1
    assert "1 failed, 1 passed" in said, said
    for path in ("/a", "/b"):
        assert said.count(f"no route takes GET https://api.example.com{path}") == 1, said
    assert "mocked_api.py" not in said
