"""Make the report of a job afterwards, from its rows: those of a finished output, or of a job that has stopped.

Rules:
1. The rows are read once, one at a time, and memory is constant. They may be in any order: the time line begins at the
   earliest that is known so far, and is moved when an earlier one comes.
2. Of an unfinished output (a journal is beside it) the last row may be torn: it is left out, and the report says so.
   A broken row of a finished output is an error.
3. What only a running job knows is missing, and the report says what.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.delimited import BadTable, records
from asyncapi.bulk.lines import InputError
from asyncapi.bulk.page import Facts, render
from asyncapi.bulk.rows import UNKNOWN
from asyncapi.bulk.scales import duration
from asyncapi.bulk.sources import source_of
from asyncapi.bulk.summary import Summary
from asyncapi.bulk.tally import Tally
from asyncapi.errors import ConfigError
from asyncapi.messages.decoding import from_json
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from asyncapi.bulk.rows import Row

_NEEDED = ("id", "url", "status", "ok", "attempts", "elapsed_ms", "at")
_HOST = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^/?#]*@)?([^/?#]*)")
_WANTED = {*_NEEDED, "error", "bytes"}
_OK = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}  # True is 1, which SQLite has
_UNKNOWN = UNKNOWN.partition(" ")[0]  # "unknown:"
_MOST_ATTEMPTS = 10_000
_LONGEST = 1e12  # milliseconds: also what NaN becomes
_TABLES = (".sqlite", ".db")
_MISSING = (
    "This report was made afterwards, from the rows. Only the report of a running job (asyncapi fetch --report) shows "
    "the requests in flight, the rows that waited, pauses, what held rows back, and why retries were made. "
    "Attempts after a redirect are counted as retries here"
)
_WITHOUT_BYTES = ". The rows have no sizes: --with bytes adds them"


def report_of(path: Path, to: Path | None = None) -> Path:
    """Write the report of an output, or of the output that a journal is beside.

    Args:
        path: The output, or its journal.
        to: Where to write the report; by default beside the output, as `OUT.html`.

    Returns:
        Where the report is.

    Raises:
        ConfigError: It is neither, or a row of it is broken; or the report can't be written.
    """
    rows = _Rows(path)
    target = to or rows.output.with_name(f"{rows.output.name}.html")
    if target.exists() and any(other.exists() and target.samefile(other) for other in (path, rows.output, rows.file)):
        raise ConfigError(f"the report would replace {target}: give it another name with -o")
    history = _History()
    for row in rows.read():
        history.add(row)
    page = render(_facts(rows, history), _summary(rows, history), history.tally)
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write the report {target}: {error.strerror}") from None
    return target


class _Rows:
    """The rows of an output, whatever its format.

    Args:
        path: The output, or its journal.

    Attributes:
        output: The output.
        file: Where its rows are.
        what: What the journal says of the job; None where there is none: the output is whole.
        torn: Why the last rows were left out, or "".
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder: give an output of asyncapi fetch, or its journal")
        journal = path if path.suffix == ".journal" else path.with_name(f"{path.name}.journal")
        self.output: Path = path.with_suffix("") if path == journal else path
        if not path.exists() and not journal.exists():
            raise ConfigError(f"there is no file {path}: give an output of asyncapi fetch, or its journal")
        self.what: Mapping[str, Any] | None = _what(journal) if journal.exists() else None
        spool = self.output.with_name(f"{self.output.name}.part")
        self.file: Path = spool if spool.exists() else self.output
        if not self.file.exists():
            raise ConfigError(f"there are no rows yet: {self.output}, whose journal {journal} is, does not exist")
        if not self.file.is_file():
            raise ConfigError(f"{self.file} is not a file: give an output of asyncapi fetch, or its journal")
        self.torn: str = ""

    def read(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            ConfigError: They are not those of an output, or one is broken (rule 2).
        """
        if not self.file.stat().st_size:
            return
        count = 0
        table = self.file.suffix.lower() in _TABLES
        source: Any = source_of(f"{self.file}::rows" if table else str(self.file))
        if hasattr(source, "wanted"):
            source.wanted = _WANTED & set(source.columns)
        given = source.read() if hasattr(source, "columns") else _cells(source)
        try:
            for number, cells in given:
                yield _row(f"{self.file}:{number}", cells)
                count += 1
        except (InputError, BadTable) as error:
            if self.what is None or not count:
                message = str(error)
                raise ConfigError(message.replace("cannot read the input", "cannot read")) from None
            self.torn = (
                f"The rows after the first {count:,} could not be read: the job was stopped while it wrote them."
            )


def _what(journal: Path) -> Mapping[str, Any]:
    """Read what a journal says of its job.

    Raises:
        ConfigError: It is no journal.
    """
    try:
        with journal.open("rb") as file:
            header = from_json()(file.readline(1 << 20))
        if header["asyncapi_journal"] and isinstance(header["what"], dict):
            what: dict[str, Any] = header["what"]
            return what
    except OSError as error:
        raise ConfigError(f"cannot read {journal}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise ConfigError(f"{journal} is not a journal of asyncapi fetch")


def _cells(source: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Read lines of JSON, or of a table that begins with its header."""
    lines = source.read()
    first = next(lines, None)
    if first is None:
        return
    number, line = first
    if line.lstrip().startswith("{"):
        yield number, _object(source, number, line)
        for number, line in lines:
            if line.strip():
                yield number, _object(source, number, line)
        return
    delimiter = "\t" if "\t" in line else ","
    table = records(_before(first, lines), delimiter)
    _, names = next(table)
    if not set(_NEEDED) <= set(names):
        raise ConfigError(_no_output(source.name, set(_NEEDED) - set(names)))
    for number, fields in table:
        if len(fields) != len(names):
            raise source.broken(number, f"{len(fields)} fields where the header has {len(names)}")
        yield number, {name: value if value != "" else None for name, value in zip(names, fields, strict=True)}


def _before(first: tuple[int, str], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield first
    yield from lines


def _object(source: Any, number: int, line: str) -> Mapping[str, Any]:
    try:
        value = from_json()(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise source.broken(number, "not a JSON object, as each row of an output is")
    return value


def _row(place: str, cells: Mapping[str, Any]) -> Row:
    """Take what the report needs of a row.

    Raises:
        ConfigError: It isn't a row of an output.
    """
    missing = {name for name in _NEEDED if name not in cells}
    if missing:
        raise ConfigError(_no_output(place, missing))
    at, elapsed = cells["at"], cells["elapsed_ms"]
    try:
        when = at.astimezone(UTC) if isinstance(at, datetime) else datetime.fromisoformat(at)
        row = {
            "id": cells["id"], "url": str(cells["url"]), "ok": _OK[cells["ok"]], "status": _number(cells["status"]),
            "attempts": int(cells["attempts"]), "at": f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03}Z",
            "elapsed_ms": None if elapsed is None else min(max(float(elapsed), 0.0), _LONGEST),
            "seconds": when.timestamp(), "bytes": _size(cells.get("bytes")),
        }  # fmt: skip
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ConfigError(f"{place}: not a row of an output: {type(error).__name__}: {error}") from None
    if not row["ok"]:
        row["error"] = str(cells.get("error") or "unknown error")
    return row


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _size(value: Any) -> int | None:
    """Return the size of a body; a column that --select has named `bytes` may hold anything."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _no_output(place: str, missing: set[str]) -> str:
    names = ", ".join(name for name in _NEEDED if name in missing)
    return f"{place}: not a row of an output (it has no {names}): give an output of asyncapi fetch, or its journal"


class _History:
    """Counts rows in any order (rule 1).

    Attributes:
        tally: The figures.
        began: Where the time line begins, seconds since the Unix epoch.
        first: When the first attempt began.
        ended: When the last row ended.
        sized: Whether rows have sizes.
    """

    def __init__(self) -> None:
        self.tally: Tally = Tally()
        self.began: float | None = None
        self.first: float = inf
        self.ended: float = 0.0
        self.sized: bool = False

    def add(self, row: Row) -> None:
        """Count a row."""
        if row.get("error", "").startswith(_UNKNOWN):
            self.tally.add_unknown()
            return
        end, elapsed = row["seconds"], row["elapsed_ms"] or 0.0
        began = end - elapsed / 1000
        if self.began is None:
            self.began = began
        elif began < self.began:
            self.began -= self.tally.timeline.begin_earlier(self.began - began)
        self.first, self.ended = min(self.first, began), max(self.ended, end)
        found = _HOST.match(row["url"])
        self.sized = self.sized or row["bytes"] is not None
        self.tally.count(
            {**row, "elapsed_ms": elapsed}, end - self.began, host=found[1].lower() if found else "",
            size=row["bytes"] or 0, reasons=("",) * (min(row["attempts"], _MOST_ATTEMPTS) - 1),
        )  # fmt: skip

    @property
    def elapsed(self) -> float:
        """Seconds from the first attempt to the end of the last row."""
        return 0.0 if self.began is None else self.ended - self.first


def _summary(rows: _Rows, history: _History) -> Summary:
    tally, elapsed = history.tally, history.elapsed
    figures = tally.figures() | {"retries_by": {}}
    tally.retries_by.clear()  # rule 3
    return Summary(
        total=None if rows.what is not None else tally.done,
        skipped=0,
        skipped_failed=0,
        elapsed=elapsed,
        rate=tally.done / elapsed if elapsed > 0 else 0.0,
        p99=tally.quantile_ms(0.99),
        paused=0.0,
        **figures,
        output=str(rows.output),
        report=None,
        stopped=None,
        exit_code=1 if tally.failed + tally.unknown else 0,
    )


def _facts(rows: _Rows, history: _History) -> Facts:
    notes = [_MISSING + ("." if history.sized or not history.tally.latency.count else f"{_WITHOUT_BYTES}.")]
    if rows.what is not None:
        notes.append(
            "The job is not complete: its journal is still there. The same command with --resume continues it."
        )
    if rows.torn:
        notes.append(rows.torn)
    leads = [f"rows of {rows.file}"]
    if history.began is not None:
        begin, end = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}" for at in (history.first, history.ended))
        leads += [f"began {begin} UTC", f"ended {end} UTC, after {duration(history.elapsed * 1000)}"]
    settings = [
        (name, redact_url(str(value)))
        for name, value in (rows.what or {}).items()
        if name in {"url", "method", "base URL"} and value
    ]
    return Facts(title=f"asyncapi report: {rows.output.name}", leads=leads, notes=notes, settings=settings, live=False)
