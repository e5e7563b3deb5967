"""The demo, as `make demo` runs it, with fewer rows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = 300


@pytest.fixture
def copy(tmp_path):
    """A copy of the examples, so that a demo-out/ of the user's own survives the tests."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_demo_fetches_every_row_and_leaves_a_report(copy):
    (copy / "demo-out").mkdir()
    (copy / "demo-out" / "items.jsonl").write_text("from an earlier run\n")
    done = subprocess.run(
        [sys.executable, "examples/demo.py", "--rows", str(ROWS)],
        cwd=copy, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (copy / "demo-out" / "items.jsonl").read_text().splitlines()]
    assert sorted(row["data"]["id"] for row in rows) == list(range(1, ROWS + 1))
    assert all(row["ok"] and row["status"] == 200 for row in rows)
    assert any(row["attempts"] > 1 for row in rows), "the server misbehaved nowhere"
    assert "<html" in (copy / "demo-out" / "report.html").read_text().lower()
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_demo_and_its_server(copy):
    """As a terminal does it: the signal goes to the whole foreground group."""
    with subprocess.Popen(
        [sys.executable, "examples/demo.py"],
        cwd=copy, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as demo:  # fmt: skip
        first = demo.stderr.readline()
        assert first.startswith("fetching"), first
        os.killpg(demo.pid, signal.SIGINT)
        _, said = demo.communicate(timeout=60)
    assert demo.returncode == 130, said
    assert "Traceback" not in said
    port = int((copy / "demo-out" / "port").read_text())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the server is still there"
