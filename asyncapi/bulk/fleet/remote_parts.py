"""The parts of a job whose output is in an object store: `s3://bucket/out.jsonl.parts/` (its content: segments.py).

Rules:
1. `job.json` is created once: the first coordinator wins.
2. Lines go from the segments into the output piece by piece, as an upload that appears when it is whole. Other formats
   are made in a temporary file, and uploaded.
3. An output that is a folder gets an object for each chunk.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.fleet.objects import Objects
from asyncapi.bulk.remote import is_remote
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.job import Job

JOB = "job.json"

_PIECE = 1 << 20  # bytes at a time


def remote_output(job: Job) -> str | None:
    """Return the URL of a job's output; None if it is a file."""
    return job.output if isinstance(job.output, str) and is_remote(job.output) else None


def remote_folder(output: str) -> Objects:
    """Return the folder of an output's parts."""
    return Objects(f"{output.rstrip('/')}.parts")


def is_written(output: str) -> bool:
    """Whether an output exists: it appears when it is whole."""
    place, _, name = output.rstrip("/").rpartition("/")
    names = Objects(output.rstrip("/")).names() if output.endswith("/") else []
    return bool(names) or Objects(place).read_size(name) is not None


def check_remote(job: Job, output: str) -> None:
    """Refuse to overwrite or mix outputs.

    Raises:
        ConfigError: The output exists, or can't be resumed; the message says what to pass.
    """
    if job.shared is None:
        raise ConfigError(f"{output} is in an object store, which has no locks: with --on give --shared redis://...")
    if job.resume or job.overwrite:
        return
    try:
        if remote_folder(output).read(JOB) is not None:
            raise ConfigError(f"{output} belongs to a stopped job: --resume continues it, --overwrite starts again")
        if is_written(output):
            raise ConfigError(f"{output} exists: --overwrite replaces it, --resume continues a job that was stopped")
    except OSError as error:
        raise ConfigError(f"cannot use {output}: {error}") from None


def open_remote(job: Job, output: str) -> tuple[Objects, dict[str, Any] | None]:
    """Open the folder of the parts, and return it with what `job.json` says, if it is there.

    Raises:
        ConfigError: It can't be read.
    """
    folder = remote_folder(output)
    try:
        if job.overwrite:
            folder.remove()
        found = folder.read(JOB)
    except OSError as error:
        raise ConfigError(f"cannot use {folder.shown}: {error}") from None
    return folder, None if found is None else json.loads(found)


def begun_chunks(folder: Objects) -> set[int]:
    """Return the numbers of the chunks that have begun."""
    return {int(name.partition("/")[0]) for name in folder.names() if name.endswith("/begun")}


class RemoteShards:
    """The rows of the chunks.

    Args:
        folder: The folder of the parts.
        shards: The chunks, in order.
    """

    def __init__(self, folder: Objects, shards: Sequence[Done]) -> None:
        self._folder = folder
        self._shards = shards

    def pieces(self, shard: Done) -> Iterator[bytes]:
        """Yield the lines of a chunk, in pieces.

        Raises:
            ConfigError: A segment is gone.
        """
        names = json.loads(self._folder.read(shard.shard) or b"[]")
        if len(names) != shard.size:
            raise ConfigError(
                f"{self._folder.shown}/{shard.shard} was changed or removed: start again with --overwrite"
            )
        for name in names:
            try:
                with self._folder.open(name) as file:
                    file.readline()  # the numbers of the rows
                    while data := file.read(_PIECE):
                        yield data
            except FileNotFoundError:
                raise ConfigError(
                    f"{self._folder.shown}/{name} is gone: restore it, or start again with --overwrite"
                ) from None

    def rows(self) -> Iterator[Any]:
        """Yield the rows of all chunks."""
        for shard in self._shards:
            rest = b""
            for data in self.pieces(shard):
                *lines, rest = (rest + data).split(b"\n")
                yield from map(json.loads, lines)


def hand_over(shards: RemoteShards, chunks: Sequence[Done], output: str, is_stopped: Callable[[], bool]) -> bool:
    """Write an object for each chunk (rule 3); returns False if it was stopped."""
    folder = Objects(output)
    for chunk in chunks:
        with folder.upload(f"{chunk.chunk:06d}.jsonl") as file:
            for data in shards.pieces(chunk):
                file.write(data)
        if is_stopped():
            return False
    return True


def pour(shards: RemoteShards, chunks: Sequence[Done], output: str, is_stopped: Callable[[], bool]) -> bool:
    """Write all lines to one object (rule 2); returns False if it was stopped."""
    place, _, name = output.rpartition("/")
    with Objects(place).upload(name) as file:
        for chunk in chunks:
            for data in shards.pieces(chunk):
                if is_stopped():
                    file.discard()
                    return False
                file.write(data)
    return True


def upload(path: Path, output: str) -> None:
    """Upload a file that is whole."""
    place, _, name = output.rpartition("/")
    with path.open("rb") as source, Objects(place).upload(name) as file:
        shutil.copyfileobj(source, file, _PIECE)


def temporary(output: str) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    """Return a temporary folder, and the path in it of a file of the output's name."""
    folder = tempfile.TemporaryDirectory(prefix="asyncapi-")
    return folder, Path(folder.name) / output.rpartition("/")[2]
