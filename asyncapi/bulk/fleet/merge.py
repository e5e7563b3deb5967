"""Make the output of the shards: one after the other, by the chunks' numbers.

Rules:
1. Lines are copied as they are; of CSV, the header once. Other outputs read the rows of the shards and write them again.
2. The output appears whole: it is written beside its place, and renamed.
3. A shard that isn't as long as its `.done` says is an error: nothing is sent again in silence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING

from asyncapi.bulk.sinks import Csv, JsonLines, sink_for
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncapi.bulk.fleet.done import Done
    from asyncapi.bulk.job import Job

_CHUNK = 1 << 20  # bytes at a time
_BATCH = 256  # rows


def shard_ending(job: Job) -> str:
    """Return the ending of the shards: that of the output where lines can be copied (rule 1)."""
    return ".csv" if Path(job.output).suffix.lower() == ".csv" else ".jsonl"


def merge(job: Job, folder: Path, shards: Sequence[Done], is_stopped: Callable[[], bool]) -> bool:
    """Write the output.

    Args:
        job: The job.
        folder: The folder of the parts.
        shards: The chunks, by their number.
        is_stopped: Asked now and then whether to stop.

    Returns:
        Whether it is complete.

    Raises:
        ConfigError: A shard is not whole.
        OSError: The output can't be written.
    """
    output = Path(job.output)
    place = folder / f"merged{output.suffix}"
    place.unlink(missing_ok=True)
    sink = sink_for(place)
    copies = type(sink) in {JsonLines, Csv}
    if not (_copy if copies else _write)(place, folder, shards, is_stopped):
        return False
    place.replace(output)
    return True


def _copy(place: Path, folder: Path, shards: Sequence[Done], is_stopped: Callable[[], bool]) -> bool:
    header = b""
    with place.open("wb") as out:
        for shard in shards:
            with (folder / shard.shard).open("rb") as file:
                if place.suffix == ".csv":
                    first = file.readline()
                    if not header:
                        header = first
                        out.write(header)
                    elif first != header:
                        raise ConfigError(f"{folder / shard.shard} has another header than the first shard")
                if not _pour(file, out, is_stopped):
                    return False
    return True


def _pour(file: IO[bytes], out: IO[bytes], is_stopped: Callable[[], bool]) -> bool:
    while data := file.read(_CHUNK):
        out.write(data)
        if is_stopped():
            return False
    return True


def _write(place: Path, folder: Path, shards: Sequence[Done], is_stopped: Callable[[], bool]) -> bool:
    sink = sink_for(place)
    try:
        sink.open(0)
        batch = []
        for line in _lines(folder, shards):
            batch.append(sink.encode(json.loads(line)))
            if len(batch) >= _BATCH:
                sink.append(batch)
                batch.clear()
                if is_stopped():
                    return False
        sink.append(batch)
        sink.finish()
    finally:
        sink.close()
    return True


def _lines(folder: Path, shards: Sequence[Done]) -> Iterator[bytes]:
    for shard in shards:
        with (folder / shard.shard).open("rb") as file:
            yield from file
