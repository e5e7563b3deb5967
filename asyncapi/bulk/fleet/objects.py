"""A folder of an object store, by fsspec (extra `fsspec`): objects appear whole or not at all, and never grow.

Rules:
1. `create` fails where the object exists (If-None-Match), so that of two workers one wins. A store whose package can't
   do that is refused: two workers could begin the same epoch.
2. Listings are never cached: another machine may have written in the meantime.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

from asyncapi.errors import ConfigError
from asyncapi.redact import redact_broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TRIES = 5
_PAUSE = 0.2  # seconds before the second attempt; it doubles


class Upload:
    """An object that is being written."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._discarded = False

    def write(self, data: bytes) -> int:
        """Write a piece.

        Raises:
            OSError: It can't be written.
        """
        try:
            return int(self._file.write(data))
        except Exception as error:  # each store has errors of its own
            raise OSError(str(error) or type(error).__name__) from None

    def discard(self) -> None:
        """Write nothing after all."""
        if not self._discarded:
            self._discarded = True
            with suppress(Exception):  # some stores write at once: nothing can be discarded there
                self._file.discard()
                self._file.closed = True  # else it would be completed when it is freed

    def close(self) -> None:
        """Complete it.

        Raises:
            OSError: It can't be completed.
        """
        if self._discarded:
            return
        try:
            self._file.close()
        except Exception as error:  # each store has errors of its own
            raise OSError(str(error) or type(error).__name__) from None


class Objects:
    """A folder of an object store. All methods block.

    Args:
        url: Its URL, such as `s3://bucket/out.jsonl.parts`.

    Attributes:
        shown: The URL without secrets.

    Raises:
        ConfigError: fsspec, or the package for this kind of store, is missing.
    """

    def __init__(self, url: str) -> None:
        self.shown: str = redact_broken(url)
        try:
            fsspec = import_module("fsspec")
        except ImportError:
            raise ConfigError(f"{self.shown} needs fsspec: pip install 'asyncapi-sdk[fsspec]'") from None
        try:
            self._fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(f"cannot use {self.shown}: {error}") from None
        self._path: str = path.rstrip("/")
        self._url = url

    def __str__(self) -> str:
        return self._url

    def put(self, name: str, data: bytes) -> None:
        """Write an object.

        Raises:
            OSError: It can't be written.
        """
        self._kept(lambda: self._fs.pipe_file(self._of(name), data))

    def create(self, name: str, data: bytes) -> bool:
        """Write an object if there is none (rule 1); False if there is one, unless it is ours.

        Raises:
            OSError: It can't be written.
            ConfigError: The store can't do that.
        """
        try:
            self._kept(lambda: self._fs.pipe_file(self._of(name), data, mode="create"))
        except FileExistsError:
            return self.read(name) == data  # of an attempt whose response was lost
        except (TypeError, ValueError, NotImplementedError) as error:
            raise ConfigError(f"{self.shown}: this store has no conditional writes ({error})") from None
        return True

    def read(self, name: str) -> bytes | None:
        """Return the content of an object; None if there is none.

        Raises:
            OSError: It can't be read.
        """
        try:
            return bytes(self._kept(lambda: self._fs.cat_file(self._of(name))))
        except FileNotFoundError:
            return None

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the objects in a folder and below it, sorted.

        Raises:
            OSError: It can't be listed.
        """
        try:
            found = self._kept(lambda: self._fs.find(self._of(folder) if folder else self._path))
        except FileNotFoundError:
            return []
        return sorted(path.removeprefix(f"{self._path}/") for path in found)

    def open(self, name: str) -> IO[bytes]:
        """Open an object to read it piece by piece.

        Raises:
            OSError: It can't be opened.
        """
        return self._kept(lambda: self._fs.open(self._of(name), "rb"))  # type: ignore[no-any-return]

    @contextmanager
    def upload(self, name: str) -> Iterator[Upload]:
        """Write an object piece by piece; it appears at the end of the block, unless that is left by an exception.

        Raises:
            OSError: It can't be written.
        """
        file = Upload(self._kept(lambda: self._fs.open(self._of(name), "wb")))
        try:
            yield file
        except BaseException:
            file.discard()
            raise
        file.close()

    def read_size(self, name: str) -> int | None:
        """Return the size of an object; None if there is none.

        Raises:
            OSError: It can't be looked up.
        """
        try:
            found = self._kept(lambda: self._fs.info(self._of(name)))
        except FileNotFoundError:
            return None
        return None if found["type"] == "directory" else int(found["size"])

    def remove(self) -> None:
        """Remove the folder with all that is in it.

        Raises:
            OSError: It can't be removed.
        """
        try:
            self._kept(lambda: self._fs.rm(self._path, recursive=True))
        except FileNotFoundError:
            return

    def _of(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _kept(self, work: Callable[[], Any]) -> Any:
        """Do something; try again where the store is at fault."""
        for attempt in range(_TRIES):
            try:
                return work()
            except (FileNotFoundError, FileExistsError, PermissionError, TypeError, ValueError, NotImplementedError):
                raise
            except Exception as error:  # each store has errors of its own
                if attempt == _TRIES - 1:
                    raise OSError(str(error) or type(error).__name__) from None
                time.sleep(_PAUSE * 2**attempt)
        return None  # never reached
