"""The mark `cassette` in pytest runs of its own: where files are, which mode holds, what a failure keeps."""

import http.server
import os
import socketserver
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import asyncapi

PRELUDE = """
import asyncio, os, pytest
from asyncapi import Client

async def program(path="/"):
    async with Client(os.environ["API"], retry=None) as api:
        return (await api.get(path, raise_for_status=False)).text

def call(path="/"):
    return asyncio.run(program(path))
"""


@pytest.fixture
def suite(tmp_path):
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(f"it is {self.path}".encode())

        def log_message(self, *args):
            pass

    class Server(http.server.ThreadingHTTPServer):
        def server_bind(self):
            """Bind without asking for the host's name, which may take a minute."""
            socketserver.TCPServer.server_bind(self)

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(code, *options, plugins=("asyncapi.testing.pytest_plugin",)):
        (tmp_path / "test_it.py").write_text(PRELUDE + code)
        env = {
            **os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "API": f"http://127.0.0.1:{server.server_address[1]}",
            "PYTHONPATH": str(Path(asyncapi.__file__).parent.parent),
        }  # fmt: skip
        loaded = [option for name in plugins for option in ("-p", name)]
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", *loaded]
        done = subprocess.run(
            [*command, "-W", "error", *options, "test_it.py"],
            cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    run.seen, run.folder = seen, tmp_path / "cassettes"
    yield run
    server.shutdown()
    server.server_close()


def test_a_marked_test_records_once_and_replays(suite):
    code = """
@pytest.mark.cassette
def test_one():
    assert call("/a") == "it is /a"

class TestIt:
    @pytest.mark.cassette
    @pytest.mark.parametrize("path", ["/b/c", "/b-c"])
    def test_two(self, path):
        assert call(path) == f"it is {path}"

def test_three(api_cassette):
    assert call("/d") == "it is /d"
"""
    for _ in range(2):
        done, said = suite(code)
        assert done == 0, said
    assert len(suite.seen) == 4
    names = sorted(path.name for path in (suite.folder / "test_it").iterdir())
    assert (
        names[:3] == ["TestIt.test_two[-b-c]-" + names[0][-13:], "TestIt.test_two[-b-c].yaml", "test_one.yaml"]
        or len(names) == 4
    )


def test_the_option_goes_before_the_mark_and_the_mark_before_the_configuration(suite):
    code = """
@pytest.fixture(scope="session")
def cassette_config():
    return {"mode": "none", "mask": ["x-secret"]}

@pytest.mark.cassette(mode="once")
def test_one(api_cassette):
    assert api_cassette.mode == os.environ.get("MODE", "once")
    call("/a")

@pytest.mark.cassette
def test_two(api_cassette):
    assert api_cassette.mode == os.environ.get("MODE", "none")
"""
    done, said = suite(code)
    assert done == 0, said
    os.environ["MODE"] = "all"
    try:
        done, said = suite(code, "--cassette-mode=all")
    finally:
        del os.environ["MODE"]
    assert done == 0, said
    assert suite.seen == ["/a", "/a"]


def test_a_path_may_be_given(suite):
    done, said = suite("""
@pytest.mark.cassette("cassettes/shared.yaml", mode="new")
@pytest.mark.parametrize("path", ["/a", "/b"])
def test_it(path):
    call(path)
""")
    assert done == 0, said
    assert [path.name for path in suite.folder.iterdir()] == ["shared.yaml"]
    assert (suite.folder / "shared.yaml").read_text().count("method: GET") == 2


def test_a_test_that_fails_keeps_its_recording_as_unfinished(suite):
    code = """
@pytest.mark.cassette
def test_it():
    call("/a")
    assert {}
"""
    done, said = suite(code.format(False))
    file = suite.folder / "test_it" / "test_it.yaml"
    assert done == 1, said
    assert "unfinished: true" in file.read_text()
    done, said = suite(code.format(True))
    assert done == 0, said
    assert "unfinished" not in file.read_text()
    assert suite.seen == ["/a"]


def test_an_unmatched_request_fails_the_test_even_where_it_is_swallowed(suite):
    done, said = suite(
        """
@pytest.mark.cassette
def test_it():
    try:
        call("/a")
    except BaseException:
        pass
""",
        "--cassette-mode=none",
    )
    assert done == 1
    assert "records nothing: record it with mode 'once'" in said
    assert not suite.folder.exists()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("(colour=1)", "a cassette has no setting 'colour'"),
        ("('a.yaml', 'b.yaml')", "give one path"),
        ("(mode='x')", "mode='x': give one of"),
    ],
)
def test_a_wrong_mark_says_what_to_do(suite, mark, said):
    done, shown = suite(f"""
@pytest.mark.cassette{mark}
def test_it():
    pass
""")
    assert done == 1
    assert said in shown


def test_pytest_recording_may_be_loaded_as_well(suite):
    pytest.importorskip("pytest_recording")
    done, said = suite(
        "@pytest.mark.cassette\ndef test_it():\n    call()\n",
        plugins=("pytest_recording.plugin", "asyncapi.testing.pytest_plugin"),
    )
    assert done == 0, said


def test_workers_that_share_a_file_lose_nothing(suite):
    pytest.importorskip("xdist")
    done, said = suite(
        """
@pytest.mark.cassette("cassettes/shared.yaml", mode="new")
@pytest.mark.parametrize("number", range(8))
def test_it(number):
    assert call(f"/{number}") == f"it is /{number}"
""",
        "-n2",
        plugins=("xdist.plugin", "asyncapi.testing.pytest_plugin"),
    )
    assert done == 0, said
    assert (suite.folder / "shared.yaml").read_text().count("method: GET") == 8
