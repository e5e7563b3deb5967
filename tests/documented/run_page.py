"""Runs the parts of one page of documentation in order, in the current directory: `run_page.py PARTS.json`.

All Python blocks of a page share their names, as a reader's session does, and one event loop for what they await at
the top level. `api`, where a page does not make one, is an open client of https://api.example.com. Tracebacks name
the page and the line.
"""

import ast
import asyncio
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import types
from contextlib import suppress
from pathlib import Path

PATIENCE = 90


def main(parts):
    """Run each part; what fails ends the process with a traceback or a message."""
    page = types.ModuleType("__main__")
    sys.modules["__main__"] = page
    sys.path.insert(0, os.getcwd())
    groups = []
    client = None
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        try:
            for part in parts:
                if part["kind"] == "file":
                    Path(part["name"]).write_text(part["text"], encoding="utf-8")
                elif part["kind"] == "shell":
                    groups.append(run_shell(part, folder))
                else:
                    if client is None and "api" not in page.__dict__:
                        client = page.api = runner.run(open_client())
                    run_python(part, page, runner)
        finally:
            for group in groups:
                end(group)
            if client is not None:
                runner.run(client.aclose())


async def open_client():
    """The client that pages call `api`."""
    from asyncapi import Client

    return Client("https://api.example.com")


def run_python(part, page, runner):
    """Run one block; `await` at the top level is allowed, as in `python -m asyncio`."""
    source = "\n" * (part["line"] - 1) + part["text"]  # so that line numbers are the page's
    code = compile(source, part["page"], "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    made = eval(code, page.__dict__)
    if inspect.iscoroutine(made):
        runner.run(made)


def run_shell(part, folder):
    """Run the commands of one block with bash; what they leave in the background lives until the page ends."""
    where = f"{part['page']}:{part['line']}"
    output = Path(folder) / "output"
    with output.open("wb") as file:  # no pipe: something in the background would keep it open
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", part["text"]],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        process.wait(PATIENCE)
        outcome = f"exit {process.returncode} instead of {part['exits']}"
    except subprocess.TimeoutExpired:
        outcome = f"still running after {PATIENCE} s"
    if process.returncode != part["exits"]:
        end(process.pid)
        sys.exit(f"{where}: {outcome}:\n{part['text']}\n{output.read_text(errors='replace')}")
    printed = output.read_text(errors="replace")
    if part["shows"] is not None and not pattern(part["shows"]).fullmatch(printed):
        end(process.pid)
        sys.exit(f"{where}: does not print what the page shows, but:\n{printed}")
    return process.pid


def pattern(shown):
    """What a page shows as a regular expression: `...` is anything in a line, and a line of its own any lines."""
    lines = ["(?:.*\n)*?" if line.strip() == "..." else line_pattern(line) for line in shown.splitlines()]
    return re.compile("".join(lines))


def line_pattern(line):
    """One line, whatever blanks it ends with."""
    return ".*".join(re.escape(part) for part in line.rstrip().split("...")) + " *\n"


def end(group):
    """End a group of processes, if any is left."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
