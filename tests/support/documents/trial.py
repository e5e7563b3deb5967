"""Try documents: read, check, write a client, check the client's types, import it, call all of it.

    python tests/support/documents/trial.py [NAME ...] [--no-types] [--no-calls] [--again] [--seconds=N] [--table]

writes what it finds to `.documents/results/NAME.json`, and prints the table of results. Another run goes on where the last
one ended: what the present generator would write in the same way is not tried again, unless `--again` says so. `--table`
only prints the rows that are of the present generator. The calls of one document get N seconds (900).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

if __package__ in {None, ""}:
    sys.path.insert(0, str(Path(__file__).parent.parent))

import asyncapi
from asyncapi.openapi.check import check
from asyncapi.openapi.generating import generate
from asyncapi.openapi.reading import read
from documents.calling import call_all, facade, load
from documents.catalogue import DOCUMENTS
from documents.checkers import CHECKERS, errors_of
from documents.fetching import STORE, place_of
from documents.mocking import Mock, for_the_mock

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document

BATCH = 60_000  # lines of clients that go through a type checker in one run


@dataclass
class Result:
    """What became of one document."""

    name: str
    digest: str = ""  # of the client's text, and of what runs its calls
    spec: str = ""
    operations: int = 0
    lines: int = 0
    seconds: float = 0.0  # to read it, and to write the client
    errors: int = 0
    warnings: int = 0
    types: dict[str, str] = field(default_factory=dict)  # by checker: "ok", or the number of errors
    imported: str = ""
    calls: dict[str, int] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def row(self) -> str:
        """Return the row of the table of results."""
        tried = sum(self.calls.values()) - self.calls.get("not tried", 0)
        done = f"{self.calls.get('accepted', 0):,} of {tried:,}" if tried else "-"
        types = " | ".join(self.types.get(each, "-") for each in CHECKERS)
        found = f"{self.errors} / {self.warnings}"
        return (
            f"| {self.name} | {self.spec} | {self.operations:,} | {found} | {types} | {self.imported or '-'} | {done} |"
        )

    def save(self, folder: Path) -> None:
        """Keep it for another run."""
        (folder / f"{self.name}.json").write_text(json.dumps(asdict(self), indent=1))


HEAD = (
    "| document | version | operations | `--check`: errors / warnings | mypy --strict | pyright | imports | "
    "calls accepted |\n|---|---|---|---|---|---|---|---|"
)


def saved(name: str, folder: Path) -> Result | None:
    """Return what an earlier run has found."""
    known = {each.name for each in fields(Result)}
    try:
        found = json.loads((folder / f"{name}.json").read_text())
    except FileNotFoundError:
        return None
    return Result(**found) if set(found) == known else None


def path_of(name: str, folder: Path) -> Path:
    """Return where the client of a document is written."""
    return folder / f"client_{''.join(each if each.isalnum() else '_' for each in name)}.py"


def digest_of(text: str) -> str:
    """Return what tells a client from that of another version."""
    made = hashlib.sha256(text.encode())
    for path in sorted((Path(asyncapi.__file__).parent / "declared").glob("*.py")):
        made.update(path.read_bytes())
    return made.hexdigest()[:16]


def write(name: str, source: Path, folder: Path, *, again: bool = True) -> tuple[Result, Document | None]:
    """Read and check a document, write its client and import it; what fails is said in the result."""
    result = Result(name)
    started = time.perf_counter()
    try:
        document = read(source)
        text = generate(document)
    except Exception as error:
        result.imported = "not written"
        result.troubles.append(f"{type(error).__name__}: {' '.join(str(error).split())[:900]}")
        return result, None
    result.seconds = time.perf_counter() - started
    result.digest, result.lines = digest_of(text), text.count("\n")
    if not again and (before := saved(name, folder)) is not None and before.digest == result.digest:
        return before, document
    result.spec, result.operations = document.spec, len(document.operations)
    found = check(document)
    result.errors = sum(each.severity == "error" for each in found)
    result.warnings = len(found) - result.errors
    result.troubles += [f"check: {each}" for each in found[:40]]
    path = path_of(name, folder)
    path.write_text(text)
    try:
        facade(load(path, path.stem))
        result.imported = "ok"
    except BaseException as error:
        result.imported = type(error).__name__
        result.troubles.append(f"import: {type(error).__name__}: {' '.join(str(error).split())[:500]}")
    return result, document


def type_check(results: list[Result], folder: Path, cache: Path) -> None:
    """Run the type checkers over all clients that have no verdict yet, many at a time."""
    for checker in CHECKERS:
        batch: list[Result] = []
        wanted = [each for each in results if each.lines and checker not in each.types]
        for at, each in enumerate(wanted):
            batch.append(each)
            if at + 1 == len(wanted) or sum(one.lines for one in [*batch, wanted[at + 1]]) > BATCH:
                found = errors_of(checker, [path_of(one.name, folder) for one in batch], cache)
                for one in batch:
                    errors = found[path_of(one.name, folder).resolve()]
                    one.types[checker] = str(len(errors)) if errors else "ok"
                    one.troubles += [f"{checker}: {error}" for error in errors[:25]]
                    one.save(folder)
                batch = []


def call(result: Result, document: Document, folder: Path, limit: float = 900) -> None:
    """Call every method against a mock server, and count what became of the calls."""
    path = path_of(result.name, folder)
    try:
        module = sys.modules.get(path.stem) or load(path, path.stem)
        with tempfile.TemporaryDirectory() as own, Mock(for_the_mock(document, Path(own)), patience=limit) as mock:
            made = asyncio.run(call_all(module, document, mock.base_url, mock, limit=limit))
    except Exception as error:
        result.troubles.append(f"calls: {type(error).__name__}: {' '.join(str(error).split())[:900]}")
        result.calls = {"not tried": result.operations}
        return
    for each in made:
        result.calls[each.outcome] = result.calls.get(each.outcome, 0) + 1
        if each.outcome != "accepted":
            result.troubles.append(f"{each.outcome}: {each.operation} {each.method}: {each.detail}")


def attempt(name: str, source: Path, folder: Path, *, calls: bool = True) -> Result:
    """Try one document, but for its types."""
    result, document = write(name, source, folder)
    if document is not None and result.imported == "ok" and calls:
        call(result, document, folder)
    return result


def summary(results: list[Result]) -> str:
    """Return what the rows come to."""
    accepted = sum(each.calls.get("accepted", 0) for each in results)
    tried = sum(sum(each.calls.values()) - each.calls.get("not tried", 0) for each in results)
    sound = ", ".join(f"{sum(each.types.get(one) == 'ok' for each in results)} {one}" for one in CHECKERS)
    operations = sum(each.operations for each in results)
    return (
        f"{len(results)} documents, {operations:,} operations; {sound}; {accepted:,} of {tried:,} calls of "
        f"{sum(1 for each in results if each.calls.get('accepted'))} documents accepted"
    )


def main() -> None:
    """Try the documents that are named, or all."""
    options = {each for each in sys.argv[1:] if each.startswith("--")}
    names = set(sys.argv[1:]) - options
    seconds = next((float(each.partition("=")[2]) for each in options if each.startswith("--seconds=")), 900.0)
    folder = STORE / "results"
    folder.mkdir(parents=True, exist_ok=True)
    chosen = [each for each in DOCUMENTS if place_of(each).is_file() and (not names or each.name in names)]
    chosen.sort(key=lambda each: place_of(each).stat().st_size)
    results: list[Result] = []
    for entry in chosen:
        result, document = write(entry.name, place_of(entry), folder, again="--again" in options)
        results.append(result)
        if "--table" in options:
            continue
        if document is not None and result.imported == "ok" and not result.calls and "--no-calls" not in options:
            call(result, document, folder, seconds)
        result.save(folder)
        print(result.row(), flush=True)
        waiting = sum(each.lines for each in results if len(each.types) < len(CHECKERS))
        if waiting > BATCH and "--no-types" not in options:
            type_check(results, folder, folder / ".mypy")
    if not options & {"--table", "--no-types"}:
        type_check(results, folder, folder / ".mypy")
    results.sort(key=lambda each: each.name)
    print("\n".join([HEAD, *(each.row() for each in results), "", summary(results)]))


if __name__ == "__main__":
    main()
