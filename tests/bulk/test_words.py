"""What holds a row back is one word; a failure that waiting can't help has none."""

import pytest

from asyncapi.bulk.words import refusal, word
from asyncapi.errors import (
    BudgetSpent,
    CircuitOpen,
    ConnectError,
    DeadlineExceeded,
    QueueFull,
    RateExceeded,
)  # fmt: skip
from asyncapi.types import Response


def exceeded(message, held_by):
    error = RateExceeded(message, response=Response(429, {}), retry_after=None)
    error.held_by = held_by
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BudgetSpent("spent"), "budget"), (CircuitOpen("open"), "breaker"), (QueueFull("full"), "queue"),
        (exceeded("the client's limit would hold it", "wait"), "rate"),
        (exceeded("the server's limit would hold it", "wait"), "pace"),
        (exceeded("the server asks to wait", "max_retry_after"), "pace"),
        (ConnectError("refused"), None), (DeadlineExceeded("over"), None), (None, None),
    ],
)  # fmt: skip
def test_each_refusal_has_its_word(error, expected):
    assert word(error) == expected


def test_a_failure_whose_retry_was_refused_has_the_word_of_the_refusal():
    error = ConnectError("refused")
    error.__cause__ = BudgetSpent("spent")
    assert word(error) == "budget"
    assert refusal(error) is error.__cause__
