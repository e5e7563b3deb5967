"""What a job shows of itself while it runs: its `Progress`, and samples of it for the report."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

from asyncapi.bulk.progress import Progress, RecentRate
from asyncapi.bulk.words import HOLD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.engine import Engine

_LOOK = 1.0  # seconds between looks at the pauses, and from which a lock is worth a note


class Gauges:
    """Reads the state of an engine.

    Args:
        engine: The engine.
        show: Called with the state of the job.

    Attributes:
        callback: The same.
    """

    def __init__(self, engine: Engine, show: Callable[[Progress], object] | None) -> None:
        self._engine = engine
        self.callback: Callable[[Progress], object] | None = show
        self._limit = engine.job.limits_text()
        self._recent_rate = RecentRate(engine.began)
        self._paused, self._paused_at = 0.0, -inf  # seconds, and when they were looked up

    def restart(self) -> None:
        """Begin to measure the rate: the first row is about to be sent."""
        self._recent_rate = RecentRate(self._engine.began)

    def sample(self) -> None:
        """Note the state of the job for the report, and show it."""
        engine, now = self._engine, time.monotonic()
        in_flight, queued = self._rows_under_way()
        engine.tally.sample(
            now - engine.began, in_flight=in_flight, queued=queued, paused=self._pause(now), held=self._held()
        )
        self.show()

    def show(self) -> None:
        """Show the state of the job."""
        if self.callback is None:
            return
        engine, now = self._engine, time.monotonic()
        tally, reading = engine.tally, engine.phase == "reading"
        done = tally.done
        skipped = 0 if reading else len(engine.store.past.done)
        rate = self._recent_rate.update(now, done)
        left = None if engine.total is None else engine.total - skipped - done
        in_flight, queued = self._rows_under_way()
        self.callback(
            Progress(
                phase=engine.phase,
                total=engine.total,
                done=skipped + done,
                skipped=skipped,
                in_flight=in_flight,
                queued=queued,
                elapsed=now - engine.began,
                rate=rate,
                eta=left / rate if left is not None and rate > 0 else None,
                paused=0.0 if reading else self._pause(now),
                limit=self._limit,
                held=self._held(),
                notes=tuple(self._notes()),
                hosts=tally.top_hosts(),
                warnings=tuple(engine.notes),
                **tally.figures(),
            )
        )

    def _rows_under_way(self) -> tuple[int, int]:
        """Count the attempts that are being sent, and the rows that wait for their turn."""
        engine = self._engine
        unsettled = max(0, engine.due.pulled + engine.tally.unknown - engine.tally.done)
        sending = engine.sending()
        if sending is None:  # a client of the user's: those that are not held back
            sending = unsettled - sum(engine.turns.waiting.values())
        sending = max(0, min(sending, unsettled))
        return sending, unsettled - sending

    def _held(self) -> dict[str, int]:
        """Count the rows that are held back, by the word for what holds them: by the job, or in the client's queue."""
        held = {word: rows for word, rows in self._engine.turns.waiting.items() if rows}
        if refused := min(self._engine.refused(), self._rows_under_way()[1]):  # chunks of a worker share a client
            held[HOLD] = held.get(HOLD, 0) + refused
        return held

    def _pause(self, now: float) -> float:
        """Return the seconds until the server lets the job continue; looked up once a second: a snapshot is costly."""
        if now - self._paused_at >= _LOOK:
            self._paused, self._paused_at = max(self._engine.stats().paused.values(), default=0.0), now
        return max(0.0, self._paused - (now - self._paused_at))

    def _notes(self) -> Iterator[str]:
        engine = self._engine
        for host, until in engine.turns.asked.items():
            yield f"{host or 'the host'} asks to wait until {time.strftime('%H:%M:%S', time.localtime(until))}"
        if engine.phase != "reading" and engine.store.locked >= _LOOK:
            yield "another program locks the output"
