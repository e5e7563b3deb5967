"""Hold what a pacer knows of one host: most of it is made once it is needed.

A host that states nothing and refuses nothing needs none of it.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from asyncapi.sansio.limits.background import Background, Sample
from asyncapi.sansio.limits.comeback import Comeback, Holding
from asyncapi.sansio.limits.host_pause import HostPause
from asyncapi.sansio.limits.quota import Quotas
from asyncapi.sansio.limits.rate_estimate import RateEstimate
from asyncapi.sansio.limits.throughput import Flow

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_UNSENT = 256  # numbers remembered of attempts that were not sent


class _PacerState:
    """The state of a `Pacer`, which describes its public part."""

    def __init__(self) -> None:
        self.sent: int = 0
        self._begun = self._ended = 0
        self.active: bool = False
        self.waiting: int = 0
        self.tell: Callable[[float, bool, bool], object] | None = None
        self.sharers: int = 1
        self._flow = Flow()
        self._before = 0  # attempts taken before a limit was stated or an attempt refused
        self._comeback: Comeback | None = None
        self._for_backlog = False  # whether a backlog met the limit of this pause: the rate is learned from it
        self._last, self._weight = -inf, 1.0  # when the last attempt was sent, and its weight: they space the next one
        self._unsent: deque[int] = deque(maxlen=_MOST_UNSENT)

    @cached_property
    def pause(self) -> HostPause:
        """What the host has asked everybody for."""
        return HostPause()

    @cached_property
    def background(self) -> Background:
        """What it refuses at random."""
        return Background(seen=0)

    @cached_property
    def estimate(self) -> RateEstimate:
        """The rate that is inferred from its refusals."""
        return RateEstimate(self._flow, self.background)

    @cached_property
    def holding(self) -> Holding:
        """Whether single calls are held."""
        return Holding()

    @cached_property
    def _quotas(self) -> Quotas:
        return Quotas()

    @cached_property
    def _sample(self) -> Sample:
        return Sample(self._before)
