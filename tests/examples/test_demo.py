"""The demo, as `make demo` runs it, with fewer rows."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = 300


def test_the_demo_fetches_every_row_and_leaves_a_report(tmp_path):
    """From a copy, so that a demo-out/ of the user's own survives the tests."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "demo-out").mkdir()
    (tmp_path / "demo-out" / "items.jsonl").write_text("from an earlier run\n")
    done = subprocess.run(
        [sys.executable, "examples/demo.py", "--rows", str(ROWS)],
        cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in (tmp_path / "demo-out" / "items.jsonl").read_text().splitlines()]
    assert sorted(row["data"]["id"] for row in rows) == list(range(1, ROWS + 1))
    assert all(row["ok"] and row["status"] == 200 for row in rows)
    assert any(row["attempts"] > 1 for row in rows), "the server misbehaved nowhere"
    assert "<html" in (tmp_path / "demo-out" / "report.html").read_text().lower()
    assert "Traceback" not in done.stderr
