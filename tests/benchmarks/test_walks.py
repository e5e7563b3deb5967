"""The tool that counts walks: what a call enters, without imports and without returns."""

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "benchmarks" / "walks.py"


def counted(*walks):
    done = subprocess.run([sys.executable, TOOL, *walks], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_walk_lists_its_files_and_counts_its_moves():
    out = counted("get")
    [row] = [line.split() for line in out.splitlines() if line.startswith("get ")]
    listed = [line.split()[0] for line in out.splitlines() if line.endswith("calls")]
    assert int(row[1]) == len(listed)
    assert int(row[2]) >= len(listed) - 1
    assert "client/methods.py" in listed
    assert "__init__.py" not in listed  # an import is no walk


def test_a_further_row_of_a_job_enters_fewer_files_than_the_whole_job():
    table = {line[:18].strip(): line.split()[-2:] for line in counted().splitlines()[2:]}
    whole, further = (tuple(map(int, table[name])) for name in ("one row of fetch", "a further row"))
    assert 0 < further[0] < whole[0]
    assert 0 < further[1] < whole[1]
    assert set(table) >= {"get", "declared", "map of two", "stream", "503 retried", "401 with a token"}
