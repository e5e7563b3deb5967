"""Outputs in object stores, through fsspec: `s3://bucket/out.jsonl`, `gs://...`, `abfs://...`.

An object can't be appended to. So rows are collected in a file of the current folder, `NAME.HASH.part`, with its
journal, and the object is written as a whole at the end. A resume continues on the same machine, in the same folder.
"""
# ruff: noqa: D102 - the methods' contract is that of `Sink`

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from asyncapi.bulk import disk
from asyncapi.bulk.around import Around
from asyncapi.errors import ConfigError
from asyncapi.redact import one_line, redact_broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.kept import Kept
    from asyncapi.bulk.sinks import Sink

# Here an object is there once its upload has ended, not before. Elsewhere it gets another name until then.
_WHOLE_AT_ONCE = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "oci", "memory"})
_READ_ONLY = frozenset({"http", "https", "data", "github"})


class Upload(Around):
    """A sink whose result is uploaded.

    Args:
        url: Where it goes, as fsspec takes it.
        make: Makes the sink of a local file, by the ending of the second argument.

    Raises:
        ConfigError: fsspec, or the package for this kind of store, is missing.
    """

    def __init__(self, url: str, make: Callable[[Path, str], Sink]) -> None:
        self._url = url
        self._make = make
        self._shown = redact_broken(url)
        self._store, self._path = self._opened()
        name = PurePosixPath(self._path).name
        is_bucket = "/" not in self._path and self._is_whole_at_once() and "memory" not in self._protocols()
        if not name or url.endswith("/") or is_bucket:
            raise ConfigError(f"the output {self._shown} is a folder: name a file in it")
        mark = blake2b(url.encode(), digest_size=4).hexdigest()
        super().__init__(make(Path(f"{name}.{mark}.part"), name))
        self.name: str = self._shown
        self._finished = False

    def _opened(self) -> tuple[Any, str]:
        protocol = re.split("::|://", self._url, maxsplit=1)[0].lower()
        if protocol in _READ_ONLY:
            raise ConfigError(f"cannot write to {self._shown}: {protocol}:// can only be read")
        try:
            import fsspec  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigError(f"the output {self._shown} needs fsspec: pip install 'asyncapi-sdk[fsspec]'") from None
        try:
            store, path = fsspec.core.url_to_fs(self._url)
        except (ImportError, ValueError) as error:  # the package for this kind of store, or no such kind
            raise ConfigError(f"cannot write to {self._shown}: {one_line(str(error))}") from None
        return store, str(path)

    def _protocols(self) -> set[str]:
        protocol = self._store.protocol
        return {protocol} if isinstance(protocol, str) else set(protocol)

    def _is_whole_at_once(self) -> bool:
        return not _WHOLE_AT_ONCE.isdisjoint(self._protocols())

    def exists(self) -> bool:
        try:
            self._store.invalidate_cache()
            return bool(self._store.exists(self._path))
        except Exception as error:  # each store has its own
            raise ConfigError(f"cannot look for {self._shown}: {self._why(error)}") from None

    def finish(self) -> None:
        self.inner.finish()
        try:
            if self._is_whole_at_once():
                self._store.put_file(str(self.files[0]), self._path)
            else:
                self._store.put_file(str(self.files[0]), f"{self._path}.part")
                self._store.mv(f"{self._path}.part", self._path)
        except Exception as error:  # each store has its own
            raise OSError(
                f"the upload to {self._shown} failed: {self._why(error)}; the rows are in {self.files[0]}, "
                "and --resume uploads them"
            ) from error
        self._finished = True

    def close(self) -> None:
        self.inner.close()
        if self._finished:
            for file in self.files:
                disk.remove(file)

    def rows(self) -> Iterator[Kept]:
        """Read the rows of the object, through a copy of it beside the spool."""
        copy = self.files[0].with_name(self.files[0].name + ".read")
        try:
            try:
                self._store.get_file(self._path, str(copy))
            except Exception as error:  # each store has its own
                raise ConfigError(f"cannot read {self._shown}: {self._why(error)}") from None
            reader = self._make(copy, PurePosixPath(self._path).name)
            reader.columns = self.columns
            try:
                yield from reader.rows()
            finally:
                reader.close()
        finally:
            disk.remove(copy)

    def _why(self, error: Exception) -> str:
        return one_line(str(error).replace(self._url, self._shown)) or type(error).__name__
