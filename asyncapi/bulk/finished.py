"""Recognize the output of a finished job, so that resuming it is nothing to do.

A finished job has no journal. Its output is that of an input if both have the same rows: the same number of them, and
the same sum of a 128-bit hash of each row's id and URL. The sum doesn't depend on the order, so memory is constant.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from asyncapi.bulk.places import journal_path
from asyncapi.bulk.rows import id_text
from asyncapi.bulk.sinks import FAILURES
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.reader import Reader
    from asyncapi.bulk.sinks import Sink

_MODULUS = 1 << 128


class Finished:
    """What is in a finished output.

    Attributes:
        total: Its rows.
        failed: Those that have no data.
    """

    __slots__ = ("failed", "total")

    def __init__(self, total: int, failed: int) -> None:
        self.total: int = total
        self.failed: int = failed


def finished(sink: Sink, columns: Columns, reader: Reader) -> Finished | None:
    """Return what is in the output, if it is that of a finished job with this input; else None.

    Args:
        sink: The output, not open.
        columns: Its columns.
        reader: The input, which is read once more.
    """
    if not sink.resumable or not reader.regular or journal_path(sink).exists() or not sink.exists():
        return None
    sink.columns = columns
    failed = 0

    def keys() -> Iterable[tuple[str, str]]:
        nonlocal failed
        for row in sink.rows():
            failed += not row.ok
            yield row.name, row.url

    try:
        there = digest_of(keys())
    except (ConfigError, *FAILURES):
        return None
    finally:
        sink.close()
    items = reader.items()
    wanted = digest_of((id_text(item.index if item.name is None else item.name), item.given) for item in items)
    return Finished(there[0], failed) if there == wanted else None


def digest_of(keys: Iterable[tuple[str, str]]) -> tuple[int, int]:
    """Return the number of ids with their URLs, and a digest that is the same in any order."""
    count = total = 0
    for name, url in keys:
        text = f"{len(name)}:{name}{url}".encode("utf-8", "surrogatepass")
        total += int.from_bytes(blake2b(text, digest_size=16).digest(), "big")
        count += 1
    return count, total % _MODULUS
