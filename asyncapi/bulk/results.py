"""Take the outcomes of a job: each becomes a row of the output, and counts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.columns import RowMaker, row_maker
from asyncapi.bulk.journal import FAILED, OK, UNKNOWN
from asyncapi.bulk.rows import not_sent_row, unknown_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.commentary import Commentary
    from asyncapi.bulk.engine import Engine
    from asyncapi.bulk.item import Item
    from asyncapi.bulk.rows import Row
    from asyncapi.messages.response import Outcome

_AT_ONCE = 1000  # rows that are written off without a pause for other tasks


class Results:
    """Takes the outcomes of one run.

    Args:
        engine: The run.
        model: The job's model, or None.
        first_row: The number of the row that the journal counts from.
        commentary: Says which rows failed, or None.
    """

    def __init__(self, engine: Engine, model: Any, *, first_row: int, commentary: Commentary | None) -> None:
        self._engine = engine
        self._job = engine.job
        self._store, self._tally, self._lost = engine.store, engine.tally, engine.due.lost
        self._weights = engine.due.weights
        self._first_row = first_row
        self._commentary = commentary
        self._make = row_maker(engine.job, model)

    def take(self, outcome: Outcome[Any]) -> None:
        """Take the outcome of a row, after the rows before it that an earlier run left in flight."""
        item: Item = outcome.request  # type: ignore[assignment]  # the source yields items
        lost = self._lost
        while lost and (not self._job.ordered or lost[0].index < item.index):
            self.take_lost()
        if self._weights is not None:
            self._weights.remove(item)
        row = self._make(item, outcome)
        self._store.add(item.index - self._first_row, OK if row["ok"] else FAILED, row, item)
        self._tally.add(row, outcome, time.monotonic() - self._engine.began)
        if not row["ok"]:
            self._look_at_failure(row, item)

    def take_lost(self) -> None:
        """Write a row that an earlier run left in flight, and that must not be sent again."""
        item = self._lost.popleft()
        self._store.add(item.index - self._first_row, UNKNOWN, self._whole(item, unknown_row(item)), item)
        self._tally.add_unknown()

    async def write_off(self, items: Iterator[Item], why: str) -> None:
        """Write rows without sending them."""
        for count, item in enumerate(items):
            row = self._whole(item, not_sent_row(item, why))
            self._store.add(item.index - self._first_row, FAILED, row, item)
            self._tally.count({**row, "elapsed_ms": 0.0}, 0.0, host=item.target.host)
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
        while self._lost:
            self.take_lost()

    def _whole(self, item: Item, row: Row) -> Row:
        """Add the carried columns to a row that was not sent."""
        return self._make.carry(item, row) if isinstance(self._make, RowMaker) else row

    def _look_at_failure(self, row: Row, item: Item) -> None:
        """Stop the job if this failure, or the number of failures, is reason enough."""
        job, failed = self._job, self._tally.failed
        if self._commentary is not None:
            self._commentary.failed(item, row)
        if row["status"] in job.fail_fast:
            self._engine.stop(f"a row got {row['status']} (fail_fast): {row['error']}", 1)
        elif job.max_errors is not None and failed >= job.max_errors:
            self._engine.stop(f"{failed} rows have failed (max_errors)", 1)
