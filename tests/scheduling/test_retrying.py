"""A scope in which calls make one attempt each ends with its block; strategies may be of either kind of function."""

from __future__ import annotations

from asyncapi.scheduling.retrying import no_retries, retrying_call, verdict_of


def test_the_scope_is_seen_inside_and_is_over_afterwards():
    assert retrying_call.get() is None
    with no_retries():
        above = retrying_call.get()
        assert above is not None
        assert above.running
    assert retrying_call.get() is None
    assert not above.running


async def test_strategies_may_be_functions_and_coroutine_functions():
    async def later(state):
        return state

    state = object()
    assert await verdict_of(later, state) is await verdict_of(lambda given: given, state) is state
