"""Read files of object stores through fsspec: `s3://bucket/key.csv.gz`, `gs://...`, `abfs://...`.

`http://` and `https://` are not among them: those are URLs to fetch.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.redact import one_line, redact_broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*)(?:::|://)")
_CHUNK = 1 << 20  # bytes read at a time


def is_remote(path: str | Path) -> bool:
    """Whether a path is a URL, such as that of an object store."""
    return isinstance(path, str) and "://" in path and _URL.match(path) is not None


class RemoteFile:
    """A file of an object store.

    Args:
        url: Its URL, as fsspec takes it.

    Raises:
        ConfigError: fsspec, or the package for this kind of store, is missing.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = redact_broken(url)
        found = _URL.match(url)
        if found is not None and found[1].lower() in {"http", "https"}:
            raise ConfigError(
                f"the input {self._name} is a URL, not a file: give it in a list to fetch it, or download it first "
                "to fetch what it lists"
            )
        try:
            fsspec = import_module("fsspec")
        except ImportError:
            raise ConfigError(
                f"the input {self._name} needs fsspec: pip install 'asyncapi-sdk[fsspec]', or download the file first"
            ) from None
        try:
            self._file: Any = fsspec.open(url, "rb")
        except (ImportError, ValueError) as error:
            raise ConfigError(f"cannot read the input {self._name}: {self._why(error)}") from None

    def __str__(self) -> str:
        return self._name

    def open(self) -> IO[bytes]:
        """Open the file; close it after use.

        Raises:
            ConfigError: It can't be opened.
        """
        try:
            return self._file.fs.open(self._file.path, "rb")  # type: ignore[no-any-return]
        except Exception as error:  # each store has errors of its own
            raise self._unreadable(error) from None

    def chunks(self, before_read: Callable[[], object] | None = None) -> Iterator[bytes]:
        """Yield its bytes.

        Raises:
            ConfigError: It can't be read.
        """
        if before_read is not None:
            before_read()
        with self.open() as file:
            while True:
                if before_read is not None:
                    before_read()
                try:
                    chunk = file.read(_CHUNK)
                except Exception as error:  # each store has errors of its own
                    raise self._unreadable(error) from None
                if not chunk:
                    return
                yield chunk

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(f"cannot read the input {self._name}: {self._why(error)}")

    def _why(self, error: Exception) -> str:
        if isinstance(error, FileNotFoundError):
            return "there is no such file"
        why = one_line(str(error).replace(self._url, self._name), 300)
        return why or type(error).__name__
