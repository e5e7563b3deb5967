"""One client for all chunks of a worker: connections and what was learned of hosts outlive a chunk.

Each chunk has an engine of its own with a journal of its own, so each note goes to the engine that the row belongs to,
which its number in the input tells.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asyncapi.bulk.prepare import client_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.prepare import Noted, Observer
    from asyncapi.client.client import Client
    from asyncapi.messages.response import Response


@dataclass(frozen=True, slots=True)
class _Open:
    """A chunk that is being sent."""

    rows: range
    note: Callable[[int], Noted]
    observer: Observer
    synced: Callable[[], Awaitable[None]]


class SharedClient:
    """The client of a worker.

    Args:
        job: The job whose settings it has.

    Attributes:
        client: The client.

    Raises:
        ConfigError: A setting is wrong, such as an environment variable that is not set on this worker.
    """

    def __init__(self, job: Job) -> None:
        self._chunks: list[_Open] = []  # one or two
        self._noted: _Open | None = None
        self.client: Client = client_for(job, self._note, self, synced=self._synced if job.durable else None)

    @contextmanager
    def joined(
        self,
        first_row: int,
        rows: int,
        note: Callable[[int], Noted],
        observer: Observer,
        synced: Callable[[], Awaitable[None]],
    ) -> Iterator[Client]:
        """Take part with a chunk of `rows` rows from `first_row` on: its notes go to `note`."""
        chunk = _Open(range(first_row, first_row + rows), note, observer, synced)
        self._chunks.append(chunk)
        try:
            yield self.client
        finally:
            self._chunks.remove(chunk)

    def answered(self, key: str, response: Response, began: float, now: float) -> None:
        """Note that an attempt to this host has got a response."""
        for chunk in self._chunks:
            chunk.observer.answered(key, response, began, now)

    def failed(self, key: str, why: str, began: float, now: float) -> None:
        """Note that an attempt to this host has got no response."""
        for chunk in self._chunks:
            chunk.observer.failed(key, why, began, now)

    async def aclose(self) -> None:
        """Close the client."""
        await self.client.aclose()

    async def _synced(self) -> None:
        """Wait until the note that was just made is safe: nothing comes between the two."""
        if self._noted is not None:
            await self._noted.synced()

    def _note(self, index: int) -> Noted:
        for chunk in self._chunks:
            if index in chunk.rows:
                self._noted = chunk
                return chunk.note(index)
        raise RuntimeError(f"row {index} belongs to no chunk that is open: it must not be sent")
