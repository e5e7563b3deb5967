"""What the public face promises to type checkers: users' right code passes, their wrong code does not.

Both mypy and pyright read the two files beside this one, as strictly as they can.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def mypy(path):
    """The lines mypy complains about, with what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--no-pretty", path],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = re.findall(r"^(.*?):(\d+): error: (.*)$", done.stdout, re.MULTILINE)
    return {int(line): message for file, line, message in found if Path(file).name == path.name}


def pyright(path):
    """The lines pyright complains about, with what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, path],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        each["range"]["start"]["line"] + 1: each["message"]
        for each in found
        if each["severity"] == "error" and each.get("rule") not in {"reportUnusedExpression", "reportUnusedCoroutine"}
    }


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_right_code_passes(checker):
    assert checker(HERE / "accepted.py") == {}


def test_mypy_narrows_an_outcome_by_ok():
    assert mypy(HERE / "narrowed_by_mypy.py") == {}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_wrong_code_is_rejected_line_by_line(checker):
    path = HERE / "rejected.py"
    lines = path.read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("  # wrong")}
    found = checker(path)
    assert {number: lines[number - 1] for number in marked - set(found)} == {}, "taken for right"
    assert {number: said for number, said in found.items() if number not in marked} == {}, "taken for wrong"
