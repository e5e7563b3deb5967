"""The rows of a job that are still to be sent: the input without what earlier runs have written."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from asyncapi.bulk.feed import feed
from asyncapi.bulk.prepare import unsafe_to_repeat
from asyncapi.sansio.failures.resend import IDEMPOTENT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.journal import Past
    from asyncapi.bulk.reader import Item, Reader
    from asyncapi.bulk.weights import Weights

_SKIP = 1000  # rows of an earlier run skipped at a time


class DueRows:
    """The rows to send.

    Args:
        job: The job.
        reader: Reads its input.
        ended: Called with the number of rows at the end of a stream.
        first_row: The number of the row that the journal counts from.
        note: Called with each row that must not be sent twice; None where the transport notes them.

    Attributes:
        is_wanted: Whether to send a row at all, or None for all rows; set before `open`.
        claim: Called with every row of the input, in order, or None; set before `open`.
        passed: Called with each row that an earlier run has written, or None; set before `open`.
        weights: Takes the weight of each row that is handed out, or None; set before `open`.
        pulled: Rows that were handed out.
        drained: Called when the last row of a file has been handed out.
        lost: Rows that were in flight when an earlier run died, and must not be sent again.
    """

    def __init__(
        self,
        job: Job,
        reader: Reader,
        *,
        ended: Callable[[int], object],
        first_row: int = 0,
        note: Callable[[int], object] | None = None,
    ) -> None:
        self.is_wanted: Callable[[Item], bool] | None = None
        self.claim: Callable[[Item], object] | None = None
        self.passed: Callable[[Item], object] | None = None
        self.weights: Weights | None = None
        self.pulled: int = 0
        self.drained: Callable[[], object] | None = None
        self.lost: deque[Item] = deque()
        self._reader = reader
        self._all_keys = job.idempotency_key is not None
        self._ended = ended
        self._first_row = first_row
        self._note = note
        self._past: Past
        self._key = ""

    async def open(self, past: Past, key: str) -> Iterator[Item] | AsyncIterator[Item]:
        """Return the rows from the first that is due on.

        Args:
            past: What earlier runs did.
            key: The job's id: idempotency keys are made of it.
        """
        self._past, self._key = past, key
        return self._stream() if self._reader.slow else self._rows(await self._first())

    async def _first(self) -> Iterator[Item]:
        """Return the input from its first row that is not done, without blocking the loop on the way there."""
        items, done, first = self._reader.items(), self._past.done, self._first_row
        for item in items:
            if item.index - first not in done:
                return chain((item,), items)
            self._pass_over(item)
            if item.index % _SKIP == 0:
                await asyncio.sleep(0)
        return items

    def _rows(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            if self._is_due(item):
                yield item
        if self.drained is not None:
            self.drained()

    async def _stream(self) -> AsyncIterator[Item]:
        count = 0
        async for item in feed(self._reader):
            count += 1
            if self._is_due(item):
                yield item
        self._ended(count)

    def _is_due(self, item: Item) -> bool:
        """Whether to send a row."""
        past, row = self._past, item.index - self._first_row
        if row in past.done:
            self._pass_over(item)
            return False
        if self.claim is not None:
            self.claim(item)
        if self.is_wanted is not None and not self.is_wanted(item):
            return False
        if row in past.started:
            self.lost.append(item)
            return False
        if item.method not in IDEMPOTENT or item.idempotent is False:
            if item.idempotency_key is True or (self._all_keys and not item.idempotency_key):
                item.idempotency_key = str(uuid5(UUID(self._key), str(item.index)))
            if self._note is not None and unsafe_to_repeat(item):
                self._note(item.index)
        if self.weights is not None:
            self.weights.add(item)
        self.pulled += 1
        return True

    def _pass_over(self, item: Item) -> None:
        """Take note of a row that an earlier run has written."""
        if self.claim is not None:
            self.claim(item)
        if self.passed is not None:
            self.passed(item)
