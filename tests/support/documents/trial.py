"""Try one document: read it, check it, write its client, check the client's types, import it, call all of it.

    python tests/support/documents/trial.py NAME ... [--no-calls] [--table]

prints a row for each document, and writes the details to `.documents/results/NAME.json`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parent.parent))

from asyncapi.openapi.check import check
from asyncapi.openapi.generating import generate
from asyncapi.openapi.reading import read
from daemons import free_port
from documents.calling import call_all, facade, load
from documents.catalogue import DOCUMENTS
from documents.fetching import STORE, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.openapi.document import Document

PRISM = Path(__file__).parent.parent / "peers/node_modules/.bin/prism"
ROOT = Path(__file__).parents[3]


@dataclass
class Result:
    """What became of one document."""

    name: str
    spec: str = ""
    kilobytes: int = 0
    operations: int = 0
    lines: int = 0
    read_seconds: float = 0.0
    write_seconds: float = 0.0
    errors: int = 0
    warnings: int = 0
    mypy: str = ""
    pyright: str = ""
    imported: str = ""
    calls: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def row(self) -> str:
        """Return the row of the table of results."""
        calls = self.calls
        tried = sum(calls.values()) - calls.get("not tried", 0)
        done = f"{calls.get('accepted', 0)} of {tried}" if calls else "-"
        return (
            f"| {self.name} | {self.spec} | {self.kilobytes:,} | {self.operations} | {self.lines:,} | "
            f"{self.read_seconds:.1f} | {self.write_seconds:.1f} | {self.errors} / {self.warnings} | "
            f"{self.mypy or '-'} | {self.pyright or '-'} | {self.imported or '-'} | {done} |"
        )


HEAD = (
    "| document | version | KB | operations | lines | read s | written s | `--check` errors / warnings | mypy --strict | "
    "pyright | imports | calls accepted |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def attempt(name: str, source: Path, folder: Path, *, types: bool = True, calls: bool = True) -> Result:
    """Try one document; what fails is said in the result."""
    result = Result(name, kilobytes=source.stat().st_size // 1024)
    started = time.perf_counter()
    document = read(source)
    result.read_seconds = time.perf_counter() - started
    result.spec, result.operations = document.spec, len(document.operations)
    found = check(document)
    result.errors = sum(each.severity == "error" for each in found)
    result.warnings = len(found) - result.errors
    result.troubles += [f"check: {each}" for each in found[:40]]
    started = time.perf_counter()
    text = generate(document)
    result.write_seconds = time.perf_counter() - started
    result.lines = text.count("\n")
    module_name = "client_" + "".join(each if each.isalnum() else "_" for each in name)
    path = folder / f"{module_name}.py"
    path.write_text(text)
    if types:
        result.mypy, said = tool(
            ["mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder / ".mypy"), str(path)]
        )
        result.troubles += said
        result.pyright, said = tool(["pyright", str(path)])
        result.troubles += said
    try:
        module = load(path, module_name)
        facade(module)
        result.imported = "ok"
    except BaseException as error:
        result.imported = type(error).__name__
        result.troubles.append(f"import: {type(error).__name__}: {' '.join(str(error).split())[:500]}")
        return result
    if calls:
        try:
            with tempfile.TemporaryDirectory() as own, prism(mocked(document, Path(own)), Path(own)) as base_url:
                record(result, module, document, base_url)
        except Exception as error:
            result.troubles.append(f"calls: {type(error).__name__}: {' '.join(str(error).split())[:900]}")
    return result


def record(result: Result, module: Any, document: Document, base_url: str) -> None:
    """Call every method, and count what became of the calls."""
    for call in asyncio.run(call_all(module, document, base_url)):
        result.calls[call.outcome] = result.calls.get(call.outcome, 0) + 1
        if call.outcome != "accepted":
            result.troubles.append(f"{call.outcome}: {call.operation} {call.method}: {call.detail}")


def tool(command: list[str]) -> tuple[str, list[str]]:
    """Run a type checker: "ok" or the number of errors, and the first of them."""
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MYPYPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env, check=False, timeout=1200)
    errors = [line for line in done.stdout.splitlines() if ": error" in line or " - error" in line]
    if done.returncode == 0:
        return "ok", []
    return str(len(errors) or done.stderr[-200:]), [f"{command[0]}: {line[-300:]}" for line in errors[:25]]


def mocked(document: Document, folder: Path) -> Path:
    """Return the document as the mock server gets it: as its author wrote it, but for what the mock can't do.

    It sends the headers of responses as they are written, Content-Length too; knows no default for `consumes`; and reads
    only what really is OpenAPI, so a document of several files is put together.
    """
    raw = document.raw
    if any(
        isinstance(raw.get(key), dict) and "$ref" in raw[key] for key in ("paths", "info", "components", "definitions")
    ):
        raw = document.plain
    if document.spec == "2.0" and raw is document.raw:
        raw = {"consumes": ["application/json"], "produces": ["application/json"], **raw}
    if "servers" in raw:
        raw = {**raw, "servers": [{"url": "/"}]}
    path = folder / "mocked.json"
    path.write_text(json.dumps(without_headers(raw)))
    return path


def without_headers(value: Any) -> Any:
    """Return a document without the headers of its responses."""
    if isinstance(value, dict):
        is_response = "description" in value and ("content" in value or "schema" in value)
        return {key: without_headers(each) for key, each in value.items() if not (key == "headers" and is_response)}
    return [without_headers(each) for each in value] if isinstance(value, list) else value


@contextlib.contextmanager
def prism(source: Path, folder: Path) -> Iterator[str]:
    """Run a mock server of the document, which refuses requests that the document doesn't allow."""
    port = free_port()
    with (folder / "prism.log").open("wb") as said:
        process = subprocess.Popen(
            ["node", "--max-old-space-size=3000", str(PRISM.resolve()), "mock", "--errors", "-p", str(port), str(source)],
            stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 240
            while b"Prism is listening" not in (folder / "prism.log").read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        "prism didn't start: " + (folder / "prism.log").read_text(errors="replace")[-800:]
                    )
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> None:
    """Try the documents that are named, or all."""
    names = [each for each in sys.argv[1:] if not each.startswith("--")]
    folder = STORE / "results"
    folder.mkdir(parents=True, exist_ok=True)
    print(HEAD)
    for entry in DOCUMENTS:
        if names and entry.name not in names:
            continue
        if not place_of(entry).is_file():
            print(f"| {entry.name} | not fetched |", flush=True)
            continue
        if "--table" in sys.argv:
            if (saved := folder / f"{entry.name}.json").is_file():
                print(Result(**json.loads(saved.read_text())).row())
            continue
        try:
            result = attempt(
                entry.name,
                place_of(entry),
                folder,
                types="--no-types" not in sys.argv,
                calls="--no-calls" not in sys.argv,
            )
        except Exception as error:
            result = Result(
                entry.name,
                imported="failed",
                troubles=[f"{type(error).__name__}: {' '.join(str(error).split())[:900]}"],
            )
        (folder / f"{entry.name}.json").write_text(json.dumps(asdict(result), indent=1))
        print(result.row(), flush=True)
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
