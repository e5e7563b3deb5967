"""A part of a job, which one worker runs: a slice of the input, with an output and a journal of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

    from asyncapi.bulk.prepare import Noted, Observer
    from asyncapi.bulk.reader import Reader
    from asyncapi.bulk.store import Store
    from asyncapi.client.client import Client


class JoinedClient(Protocol):
    """A client that several parts share.

    Attributes:
        client: The client.
    """

    client: Client

    def joined(
        self,
        first_row: int,
        rows: int,
        note: Callable[[int], Noted],
        observer: Observer,
        synced: Callable[[], Awaitable[None]],
    ) -> AbstractContextManager[Client]:
        """Take part with `rows` rows from `first_row` on."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a job.

    Attributes:
        job_id: The id of the whole job: idempotency keys are made of it.
        reader: Reads the slice; its rows have the numbers of the whole input. It was checked before.
        first_row: The number of its first row.
        rows: How many rows it has.
        may_send: Asked before a request that must not be sent twice is noted, and again right before its head is
            written; it raises where that is forbidden.
        shared: The client to use, with the job's settings; None to make one.
        store: Where rows go instead of `Job.output`.
        give_up: Send nothing, for this reason: rows that are not there yet become failed ones, or unknown ones if they
            were in flight.
    """

    job_id: str
    reader: Reader
    first_row: int
    rows: int
    may_send: Callable[[], object]
    shared: JoinedClient | None = None
    store: Store | None = None
    give_up: str | None = None

    def noted(self, start: Callable[[], object], release: Callable[[], object]) -> Callable[[], object]:
        """Note a request that must not be sent twice, if it may be sent.

        Args:
            start: Writes the note.
            release: Takes it back.

        Returns:
            What is to be called right before the head is written: it asks again, and takes back the note of a request
            that may no longer be sent.
        """
        self.may_send()
        start()

        def look() -> None:
            try:
                self.may_send()
            except Exception:
                release()
                raise

        return look
