"""Files of cassettes: whole or not at all, safe for two processes, and an error where they are none."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import asyncapi
from asyncapi import ConfigError
from asyncapi.testing.cassettes import files
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.rows import row_of

yaml = pytest.importorskip("yaml")


def rows(*names):
    return [row_of(Exchange("GET", f"https://h/{name}", status=200, content=b'{"a":1}')) for name in names]


def test_what_is_saved_is_loaded(tmp_path):
    path = tmp_path / "a" / "b.yaml"
    files.save(path, rows("x", "y"), files.load(path), unfinished=True)
    loaded = files.load(path)
    assert ([each.url for each in loaded.exchanges], loaded.unfinished) == (["https://h/x", "https://h/y"], True)
    assert list(path.parent.iterdir()) == [path]


def test_a_json_file_is_read_and_written_without_yaml(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_yaml", None)
    path = tmp_path / "it.json"
    files.save(path, rows("x"), files.load(path), unfinished=False)
    assert path.read_text().startswith('{\n  "cassette": 1,\n')
    assert files.load(path).rows == rows("x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "no cassette"), ("", "no cassette"), ("hello", "neither"), ("a: 1", "neither"),
        ("cassette: 9\nexchanges: []", "format 9"), ("cassette: 1\nexchanges: [1]", "exchange 1"),
        ("cassette: 1\nexchanges: [{request: {method: GET, url: 'https://h'}}]", "neither a response nor an error"),
        ("cassette: 1\nexchanges: !!python/name:os.system\n", "no cassette"),
        ("cassette: 1\nexchanges: [{request: {method: GET, url: u}, response: {status: 200, base64: '*'}}]", "exchange 1"),
    ],
)  # fmt: skip
def test_what_is_no_cassette_is_an_error_and_is_not_overwritten(tmp_path, text, said):
    path = tmp_path / "it.yaml"
    path.write_text(text or "\n")
    with pytest.raises(ConfigError, match=said):
        files.load(path)
    assert path.read_text() == (text or "\n")


def test_without_pyyaml_the_error_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "it.yaml"
    path.write_text("cassette: 1\n")
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"asyncapi-sdk\[cassettes\]"):
        files.load(path)


def test_what_another_process_has_recorded_meanwhile_is_kept(tmp_path):
    path = tmp_path / "it.yaml"
    before = files.load(path)
    files.save(path, rows("a", "b"), before, unfinished=False)
    files.save(path, rows("b", "c", "c"), before, unfinished=False)
    assert [each.url[-1] for each in files.load(path).exchanges] == ["a", "b", "c", "c"]


def test_a_crash_while_writing_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "it.yaml"
    files.save(path, rows("a"), files.load(path), unfinished=False)
    before = path.read_text()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.save(path, rows("a", "b"), files.load(path), unfinished=False)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


WRITER = """
import sys
from pathlib import Path
from asyncapi.testing.cassettes import files
from asyncapi.testing.cassettes.exchange import Exchange
from asyncapi.testing.cassettes.rows import row_of
path, who = Path(sys.argv[1]), sys.argv[2]
for number in range(10):
    seen = files.load(path)
    row = row_of(Exchange("GET", f"https://h/{who}/{number}", status=200))
    files.save(path, [*seen.rows, row], seen, unfinished=False)
"""


async def test_processes_that_write_the_same_file_lose_nothing(tmp_path):
    path = tmp_path / "it.yaml"
    env = {**os.environ, "PYTHONPATH": str(Path(asyncapi.__file__).parent.parent)}
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(path), str(who), env=env)
        for who in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    assert len({each.url for each in files.load(path).exchanges}) == 30


def test_both_emitters_of_yaml_write_the_same():
    data = [{"a": "x " * 200, "b": "1\n2\n", "c": ["é", "yes", "2020-01-01", "", " "], "d": {"e": 1.5e-7, "f": None}}]
    fast = files.dumped(data)
    probe = "import sys, yaml; del yaml.CSafeDumper; from asyncapi.testing.cassettes import files; "
    probe += f"sys.stdout.write(files.dumped({data!r}))"
    env = {**os.environ, "PYTHONPATH": str(Path(asyncapi.__file__).parent.parent), "PYTHONIOENCODING": "utf-8"}
    slow = subprocess.run([sys.executable, "-c", probe], env=env, capture_output=True, check=True).stdout.decode()
    assert slow == fast
