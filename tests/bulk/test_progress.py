"""The state of a job is described for people, and its rate follows the last seconds."""

import pytest

from asyncapi.bulk.progress import RecentRate, ms_text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0 ms"), (42.0, "42 ms"), (999.9, "1.00 s"), (1310.0, "1.31 s")]
)
def test_milliseconds_are_written_for_people(value, text):
    assert ms_text(value) == text


def test_the_rate_follows_the_last_seconds():
    rate = RecentRate(0.0)
    assert rate.update(0.5, 50) == pytest.approx(100)
    for second in range(1, 20):
        rate.update(float(second), 100 * second)
    assert rate.rate == pytest.approx(100)
    for second in range(20, 40):
        rate.update(float(second), 2000)
    assert rate.rate < 1
