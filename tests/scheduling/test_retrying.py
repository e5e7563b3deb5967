"""A scope in which calls make one attempt each ends with its block, also for the tasks started inside."""

from __future__ import annotations

from asyncapi.scheduling.retrying import no_retries, retrying_call


def test_the_scope_is_seen_inside_and_is_over_afterwards():
    assert retrying_call.get() is None
    with no_retries():
        above = retrying_call.get()
        assert above is not None
        assert above.running
    assert retrying_call.get() is None
    assert not above.running
