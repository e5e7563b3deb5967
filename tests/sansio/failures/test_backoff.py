"""Full jitter: uniform between zero and an exponential ceiling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.backoff import full_jitter


@pytest.mark.parametrize(
    ("retry", "draw", "expected"),
    [
        (1, 0.5, 0.25),
        (2, 0.5, 0.5),
        (3, 0.5, 1.0),
        (7, 0.5, 15.0),  # 0.5 * 64 = 32 is over the cap
        (1, 0.0, 0.0),
        (10_000, 0.5, 15.0),  # no overflow
    ],
)
def test_the_wait_is_a_share_of_the_ceiling(retry, draw, expected):
    assert full_jitter(retry, draw, base=0.5, cap=30.0) == expected


@given(
    retry=st.integers(1, 10**9),
    draw=st.floats(0, 1, exclude_max=True),
    base=st.floats(0, 1e6),
    cap=st.floats(0, 1e6),
)
def test_a_wait_is_never_negative_and_never_over_its_ceiling(retry, draw, base, cap):
    wait = full_jitter(retry, draw, base=base, cap=cap)
    assert 0 <= wait <= cap
    assert wait <= base * 2.0 ** min(retry - 1, 64)


@given(retry=st.integers(1, 60), draw=st.floats(0, 1, exclude_max=True))
def test_ceilings_only_grow(retry, draw):
    assert full_jitter(retry, draw, base=0.5, cap=30) <= full_jitter(retry + 1, draw, base=0.5, cap=30)
