"""Make the output of the shards: one after the other, by the chunks' numbers.

Rules:
1. Lines are copied as they are, compressed ones too: members of gzip may follow each other (RFC 1952 section 2.2), and
   so may frames of zstd (RFC 8878 section 3.1). Of a table, the header is copied once. SQLite and Parquet are made of
   shards of JSON lines.
2. The output appears whole: it is written beside its place, and renamed.
3. A shard that isn't as long as its `.done` says is an error: nothing is sent again in silence.
4. An output that is a folder gets the shards themselves, `000042.jsonl`: nothing is merged.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from asyncapi.bulk import disk
from asyncapi.bulk.columns import columns_of
from asyncapi.bulk.compression import codec_of, first_member
from asyncapi.bulk.fleet.remote_parts import RemoteShards, hand_over, pour, temporary, upload
from asyncapi.bulk.line_files import LinesFile
from asyncapi.bulk.sinks import file_sink
from asyncapi.bulk.spools import Parquet
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.job import Job

_PIECE = 1 << 20  # bytes at a time
_BATCH = 1000  # rows
_LINES = ".jsonl"


def shard_ending(job: Job) -> str:
    """Return the ending of the shards: that of the output where lines can be copied (rule 1)."""
    name = Path(job.output).name.lower()
    if is_folder(job.output):
        return _LINES
    packing = Path(name).suffix if codec_of(Path(name).suffix) is not None else ""
    ending = Path(name.removesuffix(packing)).suffix
    return _LINES if ending in {".sqlite", ".db", ".parquet"} else f"{ending or _LINES}{packing}"


def is_folder(output: str | Path) -> bool:
    """Whether an output is a folder of shards (rule 4)."""
    return str(output).endswith(os.sep) or Path(output).is_dir()


class Merge:
    """Makes the output of a job.

    Args:
        job: The job.
        folder: The folder of the parts.
        carried: The input's columns that the output repeats.
        is_stopped: Asked now and then whether to stop.
    """

    def __init__(self, job: Job, folder: Any, carried: Sequence[str], is_stopped: Callable[[], bool]) -> None:
        self._job = job
        self._folder = folder
        self._carried = carried
        self._is_stopped = is_stopped

    def run(self, shards: Sequence[Done], run: str) -> bool:
        """Write the output; `run` names this attempt.

        Returns:
            Whether it is complete; False if it was stopped.

        Raises:
            ConfigError: A shard is not whole.
            OSError: The output can't be written (or `sqlite3.Error`).
        """
        if not isinstance(self._folder, Path):
            return self._remote(RemoteShards(self._folder, shards), shards, str(self._job.output))
        for shard in shards:
            self._check(shard)
        output = Path(self._job.output)
        if is_folder(self._job.output):
            return self._hand_over(output, shards)
        place = self._folder / f"{run}.{output.name}"
        sink: Any = file_sink(place, output.name)
        try:
            whole = self._lines(sink, shards) if isinstance(sink, LinesFile) else self._rows(sink, self._read(shards))
            if not whole:
                return False
        finally:
            sink.close()
        if self._job.durable:
            disk.sync_path(place)
        place.replace(output)
        return True

    def _remote(self, rows: RemoteShards, shards: Sequence[Done], output: str) -> bool:
        """Write an output in an object store."""
        if output.endswith("/"):
            return hand_over(rows, shards, output, self._is_stopped)
        if output.endswith((_LINES, ".ndjson")):
            return pour(rows, shards, output, self._is_stopped)
        folder, place = temporary(output)
        with folder:
            sink: Any = file_sink(place, place.name)
            try:
                if not self._rows(sink, rows.rows()):
                    return False
            finally:
                sink.close()
            upload(place, output)
        return True

    def _check(self, shard: Done) -> None:
        """Check that a shard is as its `.done` says (rule 3)."""
        path = self._folder / shard.shard
        try:
            size = path.stat().st_size
        except OSError as error:
            raise ConfigError(f"the shard {path} is gone: {error.strerror}; start again with --overwrite") from None
        if size != shard.size:
            raise ConfigError(
                f"the shard {path} has {size} bytes where {shard.size} were written: it was changed or cut off; "
                "restore it, or start again with --overwrite"
            )

    def _hand_over(self, output: Path, shards: Sequence[Done]) -> bool:
        output.mkdir(exist_ok=True)
        for shard in shards:
            path, target = self._folder / shard.shard, output / f"{shard.chunk:06d}{_LINES}"
            target.unlink(missing_ok=True)
            os.link(path, target)  # a merge that is killed begins again
        return True

    def _lines(self, sink: LinesFile, shards: Sequence[Done]) -> bool:
        """Copy lines (rule 1)."""
        sink.columns = self._columns()
        if not shards:
            sink.open(0)
        with sink.path.open("ab") as out:
            for place, shard in enumerate(shards):
                with (self._folder / shard.shard).open("rb") as file:
                    if place and sink.delimiter:
                        _skip_header(sink, file)
                    if not self._pour(file, out):
                        return False
        if isinstance(sink, Parquet):
            sink.finish()
        return True

    def _pour(self, file: IO[bytes], out: IO[bytes]) -> bool:
        while data := file.read(_PIECE):
            out.write(data)
            if self._is_stopped():
                return False
        return True

    def _rows(self, sink: Any, rows: Iterator[Any]) -> bool:
        """Write the rows of shards of JSON lines."""
        sink.columns = self._columns()
        end = sink.open(0)
        batch = []
        for row in rows:
            batch.append(sink.encode(row))
            if len(batch) >= _BATCH:
                end = _append(sink, batch, end)
                batch = []
                if self._is_stopped():
                    return False
        _append(sink, batch, end)
        sink.finish()
        return True

    def _columns(self) -> Any:
        return columns_of(self._job, self._job.model_type(), self._carried)

    def _read(self, shards: Sequence[Done]) -> Iterator[Any]:
        for shard in shards:
            with (self._folder / shard.shard).open("rb") as file:
                for line in file:
                    yield json.loads(line)


def _skip_header(sink: LinesFile, file: IO[bytes]) -> None:
    """Go to the end of the header: a line, or where lines are compressed the first member."""
    codec = codec_of(sink.path.suffix.lower())
    if codec is None:
        file.readline()
    else:
        _, size = first_member(codec, file)
        file.seek(size)


def _append(sink: Any, batch: list[Any], end: int) -> int:
    """Write a batch of encoded rows; return where the output ends."""
    if not batch:
        return end
    packed = sink.pack(batch, end)
    sink.append(packed.data)
    return int(packed.ends[-1])
