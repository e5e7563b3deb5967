"""The reorder buffer: every outcome leaves once, in the order of the source."""

from __future__ import annotations

import random

import pytest

from asyncapi.fanout.reorder import ReorderBuffer
from asyncapi.messages.response import Outcome


def outcome(index: int) -> Outcome:
    return Outcome(index, "/", None, None, (), 0.0, 200)


def test_an_outcome_waits_for_those_before_it():
    buffer = ReorderBuffer()
    left = [[each.index for each in buffer.put(outcome(index))] for index in (1, 3, 0, 2)]
    assert left == [[], [], [0, 1], [2, 3]]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_comes_out_sorted_and_whole(seed):
    indexes = list(range(100))
    random.Random(seed).shuffle(indexes)
    buffer = ReorderBuffer()
    assert [each.index for index in indexes for each in buffer.put(outcome(index))] == list(range(100))


def test_a_cleared_buffer_holds_nothing():
    buffer = ReorderBuffer()
    list(buffer.put(outcome(1)))
    buffer.clear()
    assert [each.index for each in buffer.put(outcome(0))] == [0]
