"""Read a job file: the options of a command, written down as TOML.

Rules:
1. A key is the long name of an option, with - or _; settings of `Job` that are called otherwise are known also.
2. Paths are relative to the folder of the file.
3. A key or value that is wrong is an error with its line.
4. What is given on the command line overrides the file; headers are added up, by name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from asyncapi.cli.options import Opt, Table

# Of each group the command line gives all, or the file (rule 4).
_GROUPS = (
    {"json", "data"}, {"ca", "insecure"}, {"input", "source"}, {"auth_env", "user", "api_key_env"},
    {"resume", "overwrite"}, {"retry_failed", "overwrite"}, {"proxy", "proxy_env"}, {"quiet", "verbose"},
)  # fmt: skip


def with_file(path: str, table: Table, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a job file, overridden by those that are given.

    Raises:
        click.UsageError: The file can't be read, or has a key or a value that is wrong.
    """
    settings = _File(path, table).settings()
    for group in _GROUPS:
        if any(given.get(name) for name in group):
            for name in group - given.keys():
                settings.pop(name, None)
    headers = {
        name.lower(): (name, value) for each in (settings, given) for name, value in each.get("headers", {}).items()
    }
    merged = {**settings, **given}
    return {**merged, "headers": dict(headers.values())} if headers else merged


class _File:
    def __init__(self, path: str, table: Table) -> None:
        import tomllib

        self._path = path
        self._rows = {key: row for rows in table.values() for row in rows for key in _keys(row)}
        try:
            self._text = Path(path).read_text(encoding="utf-8-sig")
            self._values: dict[str, Any] = tomllib.loads(self._text)
        except OSError as error:
            raise click.UsageError(f"cannot read the job file {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise click.UsageError(f"the job file {path} is not UTF-8 text") from None
        except tomllib.TOMLDecodeError as error:
            raise click.UsageError(f"the job file {path} is not valid TOML: {error}") from None

    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for key, value in self._values.items():
            if key == "input":
                name, found = "input", self._input(value)
            else:
                row = self._row(key)
                name, found = row.name, self._value(row, key, value)
            if name in settings:
                raise self._wrong(key, f"{key!r} is there twice, under two names")
            settings[name] = found
        return settings

    def _row(self, key: str) -> Opt:
        row = self._rows.get(key.replace("_", "-"))
        if row is not None and row.name != "job":
            return row
        from asyncapi.cli.foreign import instead_of

        name = key.replace("_", "-")
        hint = instead_of(name, (*self._rows, "input"), f"--{name}")
        raise self._wrong(key, f"no such option {key!r}{hint}")

    def _value(self, row: Opt, key: str, value: Any) -> Any:
        if row.name == "headers" and isinstance(value, dict):
            astray = next((name for name in value if name in self._rows and name != "from"), None)
            if astray is not None:
                raise self._wrong(astray, f"{astray!r} is an option: move it above [{key}]")
        if row.kind.files and isinstance(value, str):
            value = self._beside(value)
        if row.kind.at_file:
            value = _each(value, lambda text: f"@{self._beside(text[1:])}" if text.startswith("@") else text)
        try:
            return row.kind.read(value)
        except (ValueError, TypeError, AttributeError) as error:
            problem = str(error) if isinstance(error, ValueError) else f"{value!r} is no value of this option"
            raise self._wrong(key, f"{key}: {problem}") from None

    def _input(self, value: Any) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(each, str) and each for each in values):
            raise self._wrong("input", "input: give the name of a file, or a list of URLs")
        return tuple(self._beside(each) for each in values)

    def _beside(self, path: str) -> str:
        """Return a path that is relative to the file as one that is relative to the working directory (rule 2)."""
        if path == "-" or "://" in path or Path(path).is_absolute():
            return path
        return str(Path(self._path).parent / path)

    def _wrong(self, key: str, problem: str) -> click.UsageError:
        found = re.search(rf"""^[ \t]*(?:\[[ \t]*)?["']?{re.escape(key)}["']?[ \t]*[.=\]]""", self._text, re.MULTILINE)
        line = f":{self._text.count(chr(10), 0, found.end()) + 1}" if found is not None else ""
        return click.UsageError(f"{self._path}{line}: {problem}")


def _keys(row: Opt) -> set[str]:
    """Return the names of an option in a job file (rule 1), with - for _."""
    return {row.long.removeprefix("--"), row.name.replace("_", "-")}


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    return [_each(each, change) for each in value] if isinstance(value, list) else value
