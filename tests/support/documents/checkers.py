"""Run mypy in strict mode and pyright over many written clients at once: most of their time is spent on what all import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[3]
CHECKERS = {
    "mypy": ["mypy", "--strict", "--no-error-summary", "--show-absolute-path"],
    "pyright": ["pyright"],
}


def errors_of(checker: str, paths: Iterable[Path], cache: Path, *, limit: float = 3600) -> dict[Path, list[str]]:
    """Return the errors that one run of a type checker finds in each of the files.

    Raises:
        RuntimeError: It ended without a verdict.
    """
    named = [path.resolve() for path in paths]
    command = [*CHECKERS[checker], *(["--cache-dir", str(cache)] if checker == "mypy" else []), *map(str, named)]
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MYPYPATH": str(ROOT),
        "NODE_OPTIONS": "--max-old-space-size=8000",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False, timeout=limit)
    found: dict[Path, list[str]] = {path: [] for path in named}
    elsewhere = []
    for line in done.stdout.splitlines():
        if ": error" in line or " - error" in line:
            path = Path(line.strip().partition(".py:")[0] + ".py")
            found.get(path, elsewhere).append(line.strip()[-300:])
    if elsewhere or (done.returncode and not any(found.values())):
        raise RuntimeError(f"{checker}: {elsewhere[:3]} {done.stdout[-300:]} {done.stderr[-500:]}")
    return found
