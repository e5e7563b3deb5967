"""A `grpc-timeout` never says more than there is, and never nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.failures.propagation import read_timeout
from asyncapi.sansio.rpc.timeouts import write


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "250000u"), (1.0, "1000m"), (29.99999, "29999m"), (86_400, "86400000m"), (1e6, "1000000S"),
        (1e-7, "100n"), (0.0, "1n"), (-3.0, "1n"), (1e12, "99999999S"),
    ],
)  # fmt: skip
def test_a_timeout_is_written_in_a_unit_that_fits(seconds, text):
    assert write(seconds) == text


@given(st.floats(1e-6, 9e7))
def test_a_timeout_is_rounded_down_by_little(seconds):
    stated = read_timeout({"grpc-timeout": write(seconds)})
    assert stated is not None
    assert seconds * 0.998 - 1e-6 <= stated <= seconds * (1 + 1e-12)
