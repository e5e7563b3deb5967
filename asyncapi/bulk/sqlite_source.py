"""Read the rows of a table of SQLite: `jobs.sqlite` with one table, or `jobs.sqlite::table`.

Rules:
1. The database is opened read-only. A table is read a thousand rows at a time, by its rowid, so that no lock is held
   while the job waits for its requests. A view, and a table without a rowid, is read in one go.
2. The digest is that of the rows: the file itself changes when it is vacuumed, or when a checkpoint is made.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from asyncapi.bulk.lines import InputError, input_error
from asyncapi.bulk.parquet_source import text_of
from asyncapi.bulk.template import missing_name, shown_row
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PAGE = 1000  # rows


class SqliteSource:
    """The rows of a table of SQLite.

    Args:
        path: The file.
        table: The table or view; None for the only one.

    Attributes:
        name: Its name in messages.
        regular: Whether it can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True, also from another thread, to end a pass at its next row.
        columns: The names of its columns.

    Raises:
        ConfigError: It can't be read, or has several tables.
    """

    def __init__(self, path: str | Path, table: str | None = None) -> None:
        self.name: str = str(path)
        self.regular: bool = True
        self.slow: bool = False
        self.closed: bool = False
        self._path = Path(path)
        self._digest = blake2b(digest_size=16)
        with self._opened() as base:
            self._table = _quoted(self._chosen(base, table))
            self.columns: tuple[str, ...] = tuple(self._names(base, f"SELECT * FROM {self._table} LIMIT 0"))  # noqa: S608 - quoted
            self._has_rowid = self._pages(base)

    def _chosen(self, base: sqlite3.Connection, table: str | None) -> str:
        names = [
            name
            for (name,) in base.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' "
                "ESCAPE '\\' ORDER BY type, name"
            )
        ]
        if table is None and len(names) == 1:
            return str(names[0])
        listed = ", ".join(names) or "none"
        if table is None:
            example = f": write {self.name}::{names[0]}" if names else ""
            raise ConfigError(f"the input {self.name} has {len(names)} tables ({listed}){example}")
        found = next((name for name in names if name.lower() == table.lower()), None)
        if found is None:
            hint = missing_name(table, names)
            raise ConfigError(f"the input {self.name} has no table {table!r} (the tables are: {listed}){hint}")
        return str(found)

    @staticmethod
    def _names(base: sqlite3.Connection, query: str) -> Iterator[str]:
        for column in base.execute(query).description:
            yield column[0]

    def _pages(self, base: sqlite3.Connection) -> bool:
        """Whether it has a rowid of SQLite's own: a view has null, a table may have a column of that name."""
        if "rowid" in {name.lower() for name in self.columns}:
            return False
        try:
            row = base.execute(f"SELECT rowid FROM {self._table} LIMIT 1").fetchone()  # noqa: S608 - quoted
        except sqlite3.OperationalError:
            return False
        return row is None or row[0] is not None

    def digest(self) -> str:
        """Return the digest of the rows of the last pass (rule 2)."""
        return self._digest.hexdigest()

    def digest_all(self) -> str:
        """Return the digest of all rows."""
        for _ in self.read():
            pass
        return self.digest()

    def broken(self, number: int, problem: str, row: Mapping[str, Any]) -> InputError:
        """Make the error of a row."""
        return input_error(f"{self.name}:{number}", problem, *shown_row(row))

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number, from 1.

        Args:
            before_read: Called before each read, which may block.

        Raises:
            ConfigError: The table can't be read.
        """
        self._digest = blake2b(repr(self.columns).encode(), digest_size=16)
        update = self._digest.update
        with self._opened() as base:
            for number, row in enumerate(self._rows(base, before_read), 1):
                if self.closed:
                    return
                update(repr(row).encode(errors="surrogatepass"))
                values = [text_of(value) if type(value) is bytes else value for value in row]
                yield number, dict(zip(self.columns, values, strict=True))

    def _rows(self, base: sqlite3.Connection, before_read: Callable[[], object] | None) -> Iterator[tuple[Any, ...]]:
        if not self._has_rowid:
            yield from base.execute(f"SELECT * FROM {self._table}")  # noqa: S608 - quoted
            return
        query = f"SELECT rowid, * FROM {self._table} WHERE rowid > ? ORDER BY rowid LIMIT {_PAGE}"  # noqa: S608 - quoted
        last = -(2**63)
        first = f"SELECT rowid, * FROM {self._table} ORDER BY rowid LIMIT {_PAGE}"  # noqa: S608 - quoted
        page = base.execute(first).fetchall()
        while page:
            for row in page:
                yield row[1:]
            last = page[-1][0]
            if before_read is not None:
                before_read()
            page = base.execute(query, (last,)).fetchall()

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        place = f"file:{quote(str(self._path.resolve()))}?mode=ro"
        try:
            # the job reads on from where its check has ended, in another thread
            with closing(sqlite3.connect(place, uri=True, check_same_thread=False)) as base:
                yield base
        except (sqlite3.Error, UnicodeError) as error:
            raise ConfigError(f"cannot read the input {self.name}: {one_line(str(error), 300)}") from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
