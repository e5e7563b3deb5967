"""The file of a cassette: read, merged with what another process has written, and replaced in one step.

Rules:
1. A file is replaced by `os.replace`: whoever reads sees the old one or the new one, and a crash leaves the old one.
2. Processes that write the same file wait for each other (a lock on its folder, where the system has flock), and each
   keeps what the other has recorded.
3. A file that is no cassette is never overwritten: it is an error that says so.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.testing.cassettes.rows import exchange_of
from asyncapi.testing.cassettes.vcr import is_vcr, vcr_exchanges

try:
    import fcntl
except ImportError:  # Windows has no flock: its processes do not wait for each other
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from asyncapi.testing.cassettes.exchange import Exchange

FORMAT = 1
_WIDTH = 10_000  # characters of a line: the emitters of PyYAML, in C and in Python, fold lines in different places


@dataclass(slots=True)
class Recording:
    """What a file has.

    Attributes:
        exchanges: Its exchanges, in their order.
        rows: The same as plain data; empty for a file of vcrpy's.
        unfinished: Whether the run that recorded it failed.
        text: The text of the file; "" where there is none.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    unfinished: bool = False
    text: str = ""


def load(path: Path) -> Recording:
    """Read a cassette, of ours or of vcrpy's (YAML or JSON); an empty one where there is no file.

    Raises:
        ConfigError: It is no cassette, or PyYAML is not installed.
    """
    if path.suffix != ".json":
        _yaml()  # what is missing is told before anything is recorded
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Recording()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read as a cassette: {error}") from error
    data = _parsed(path, text)
    try:
        return _read(data, text)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path}: no cassette: {_short(error)}") from error


def _read(data: Any, text: str) -> Recording:
    if is_vcr(data):
        return Recording(vcr_exchanges(data), text=text)
    if not isinstance(data, dict) or "cassette" not in data:
        raise ValueError("it has neither `cassette:`, as ours begin, nor vcrpy's `interactions:`")
    if data["cassette"] != FORMAT:
        raise ValueError(f"format {data['cassette']!r} is of another version of asyncapi, which reads {FORMAT}")
    rows = list(data.get("exchanges") or ())
    exchanges = [_exchange(number, row) for number, row in enumerate(rows, 1)]
    return Recording(exchanges, rows, bool(data.get("unfinished")), text)


def _parsed(path: Path, text: str) -> Any:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path}: no cassette: {_short(error)}") from None
    yaml = _yaml()
    try:
        return yaml.load(text, Loader=_loader(yaml))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: no cassette: {_short(error)}") from None


def _exchange(number: int, row: Any) -> Exchange:
    try:
        return exchange_of(row)
    except (ValueError, TypeError, KeyError, AttributeError, LookupError) as error:
        raise ValueError(f"exchange {number}: {type(error).__name__}: {error}") from error


def save(path: Path, rows: list[dict[str, Any]], seen: Recording, *, unfinished: bool) -> Recording:
    """Replace a cassette (rule 1), and return what it has now, but for the exchanges.

    Args:
        path: The file; its folder is made where there is none.
        rows: All that it shall have.
        seen: The file as it was when it was read: what has been written since is kept (rule 2).
        unfinished: Whether the run has failed.

    Raises:
        ConfigError: It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            now = load(path)
            if now.text != seen.text:
                rows = _united(now.rows, rows)
            text = dumped(rows, unfinished=unfinished, as_json=path.suffix == ".json")
            _replace(path, text)
    except OSError as error:
        raise ConfigError(f"{path}: the cassette can't be written: {error}") from error
    return Recording(rows=rows, unfinished=unfinished, text=text)


def dumped(rows: list[dict[str, Any]], *, unfinished: bool = False, as_json: bool = False) -> str:
    """Return the text of a cassette."""
    data: dict[str, Any] = {"cassette": FORMAT}
    if unfinished:
        data["unfinished"] = True
    data["exchanges"] = rows
    if as_json:
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    yaml = _yaml()
    text: str = yaml.dump(
        data, Dumper=_dumper(yaml), sort_keys=False, allow_unicode=True, width=_WIDTH, default_flow_style=False
    )
    return text


def _united(theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what another process has written, and what of ours is not among it: as often as each is there."""
    left = Counter(map(_request, theirs))
    rows = list(theirs)
    for row in ours:
        key = _request(row)
        if left[key]:
            left[key] -= 1
        else:
            rows.append(row)
    return rows


def _request(row: dict[str, Any]) -> str:
    return json.dumps(row["request"], sort_keys=True, default=str)


def _replace(path: Path, text: str) -> None:
    written = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with written.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        with suppress(OSError):
            written.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    if fcntl is None:
        yield
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]


def _yaml() -> Any:
    try:
        return import_module("yaml")
    except ImportError:
        raise ConfigError("cassettes need PyYAML: pip install 'asyncapi-sdk[cassettes]'") from None


def _loader(yaml: Any) -> Any:
    """Make the class that reads: plain data, and the text of cassettes that Python 2 has written."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    for kind in ("unicode", "str"):
        Loader.add_constructor(f"tag:yaml.org,2002:python/{kind}", yaml.SafeLoader.construct_yaml_str)
    return Loader


def _dumper(yaml: Any) -> Any:
    """Make the class that writes: no aliases, and several lines as several lines."""

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
            return True

    def written(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text[:-1] else None)

    Dumper.add_representer(str, written)
    return Dumper
