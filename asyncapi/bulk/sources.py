"""Find out what kind of input a job has been given, and open it.

Rules:
1. What the user says wins: with a `format` a file is read as that.
2. Else the first bytes decide (Parquet, SQLite, gzip, zstd), and then the ending.
3. `FILE::TABLE` is a table of SQLite, unless there is a file of that very name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from asyncapi.bulk.lines import InputError, Lines, input_error
from asyncapi.bulk.mappings import Rows
from asyncapi.bulk.remote import RemoteFile, is_remote
from asyncapi.errors import ConfigError

_LOCAL = "file://"
_PARQUET = b"PAR1"
_SQLITE = b"SQLite format 3\0"
_PARQUET_ENDINGS = (".parquet", ".pq")
_SQLITE_ENDINGS = (".sqlite", ".sqlite3", ".db")


class Source(Protocol):
    """What a reader reads.

    Attributes:
        name: Its name in messages.
        closed: Set it to True, also from another thread, to end a pass.
    """

    name: str
    closed: bool

    @property
    def regular(self) -> bool:
        """Whether it can be read twice."""
        ...

    @property
    def slow(self) -> bool:
        """Whether reading it may block for long."""
        ...

    def digest(self) -> str:
        """Return the digest of the last pass, if that was a whole one."""
        ...

    def digest_all(self) -> str:
        """Return the digest of everything in it."""
        ...


class LineSource(Source, Protocol):
    """Lines of text."""

    plain_name: str

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, str]]:
        """Yield each line with its number."""
        ...

    def broken(self, number: int, problem: str, line: str = "", secrets: Iterable[str] = ()) -> InputError:
        """Make the error of a line."""
        ...


class RowSource(Source, Protocol):
    """Rows of columns.

    Attributes:
        columns: The names of its columns, or None: each row has its own.
    """

    columns: Any

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number."""
        ...

    def broken(self, number: int, problem: str, row: Mapping[str, Any]) -> InputError:
        """Make the error of a row."""
        ...


class Arguments:
    """URLs that were given one by one.

    Args:
        urls: The URLs.

    Attributes:
        name: Its name in messages.
        plain_name: The same.
        regular: Whether it can be read twice.
        slow: Whether reading it may block for long.
        closed: Set it to True to end a pass.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.name: str = "argument"
        self.plain_name: str = ""
        self.regular: bool = True
        self.slow: bool = False
        self.closed: bool = False
        self._urls = urls

    def digest(self) -> str:
        """Return the digest of all URLs."""
        from hashlib import blake2b  # noqa: PLC0415 - small jobs start quicker

        return blake2b("\n".join(self._urls).encode(errors="surrogatepass"), digest_size=16).hexdigest()

    digest_all = digest

    def broken(self, number: int, problem: str, line: str = "", secrets: Iterable[str] = ()) -> InputError:
        """Make the error of a URL."""
        return input_error(f"{self.name}:{number}", problem, line, secrets)

    def read(self, before_read: Callable[[], object] | None = None) -> Iterator[tuple[int, str]]:  # noqa: ARG002
        """Yield each URL with its number, from 1."""
        for number, url in enumerate(self._urls, 1):
            if self.closed:
                return
            if not url.strip():
                raise self.broken(number, "it is empty: give a URL")
            yield number, url


def source_of(given: Any, *, plain: bool = False) -> LineSource | RowSource:
    """Open what a job has as its `input`.

    Args:
        given: A path, `-`, a URL of an object store; URLs; or mappings.
        plain: Whether it is text, whatever it looks like (rule 1).

    Raises:
        ConfigError: It can't be read, or is none of these.
    """
    if isinstance(given, str | Path):
        return _file(given, plain=plain)
    if isinstance(given, Sequence) and given and all(isinstance(each, str) for each in given):
        return Arguments(given)
    if hasattr(given, "read") and hasattr(given, "digest_all"):
        return given  # type: ignore[no-any-return]  # a source already
    if isinstance(given, Iterable) and not isinstance(given, Mapping | bytes):
        return Rows(given)
    raise ConfigError(f"input={type(given).__name__}: give a file, a list of URLs, or an iterable of mappings")


def local_file(given: Any) -> str | Path:
    """Return the file of this machine that an input is read from; `-` if it is none."""
    if not isinstance(given, str | Path):
        return "-"
    if isinstance(given, str) and given.startswith(_LOCAL):
        return given.removeprefix(_LOCAL)
    if is_remote(str(given)):
        return "-"
    return _split(str(given))[0]


def _file(given: str | Path, *, plain: bool) -> LineSource | RowSource:
    remote = RemoteFile(given) if isinstance(given, str) and is_remote(given) else None
    name = str(given)
    low = name.lower()
    if remote is not None:
        if plain or not low.endswith((*_PARQUET_ENDINGS, *_SQLITE_ENDINGS)):
            return Lines(remote)
        if low.endswith(_SQLITE_ENDINGS):
            raise ConfigError(f"cannot read the input {remote}: SQLite needs a file on this machine: download it first")
        return _parquet(remote)
    if name == "-" or plain:
        return Lines(given)
    path, table = _split(name)
    begin = _begin(path)
    if begin.startswith(_SQLITE) or table is not None:
        return _sqlite(path, table)
    if begin.startswith(_PARQUET):
        return _parquet(path)
    ending = Path(low).suffix
    if Path(path).is_file() and (ending in _PARQUET_ENDINGS or ending in _SQLITE_ENDINGS):
        kind = "Parquet" if ending in _PARQUET_ENDINGS else "SQLite"
        raise ConfigError(f"cannot read the input {name}: it is not a {kind} file, as its name says")
    return Lines(given)


def _split(name: str) -> tuple[str, str | None]:
    """Split `FILE::TABLE` (rule 3)."""
    path, colons, table = name.rpartition("::")
    if not colons or not path or not table or Path(name).exists():
        return name, None
    return path, table


def _begin(path: str) -> bytes:
    """Return the first bytes of a regular file, and nothing of anything else."""
    try:
        if Path(path).is_file():
            with Path(path).open("rb", buffering=0) as file:
                return file.read(len(_SQLITE))
    except OSError:  # whoever opens it next says so
        pass
    return b""


def _parquet(path: str | RemoteFile) -> RowSource:
    from asyncapi.bulk.parquet_source import ParquetSource  # noqa: PLC0415 - it needs an extra

    return ParquetSource(path)


def _sqlite(path: str, table: str | None) -> RowSource:
    from asyncapi.bulk.sqlite_source import SqliteSource  # noqa: PLC0415 - few jobs need it

    if not Path(path).is_file():
        raise ConfigError(f"cannot read the input {path}: there is no such file")
    return SqliteSource(path, table)
