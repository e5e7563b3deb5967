"""Format the source of a client, the same on every machine: by ruff, without anybody's settings."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from asyncapi.errors import ConfigError
from asyncapi.openapi.docstrings import WIDTH

_LONGEST = 120  # seconds, for a file of any size


@cache
def _ruff() -> str:
    try:
        from ruff import find_ruff_bin  # noqa: PLC0415 - an extra

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError):
        beside = Path(sys.executable).with_name("ruff")
        if beside.is_file():
            return str(beside)
        raise ConfigError("the source is formatted by ruff: pip install 'asyncapi-sdk[generate]'") from None


def formatted(source: str) -> str:
    """Format a source.

    Raises:
        ConfigError: ruff is missing, or the source is not valid Python.
    """
    options = [
        "--isolated",
        "--line-length",
        str(WIDTH),
        "--target-version",
        "py311",
        "--stdin-filename",
        "client.py",
        "-",
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [_ruff(), "format", *options], input=source.encode(), capture_output=True, timeout=_LONGEST, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"ruff can't format the source: {error}") from None
    if done.returncode != 0:
        raise ConfigError(f"ruff can't format the source: {done.stderr.decode(errors='replace').strip()[:300]}")
    return done.stdout.decode()
