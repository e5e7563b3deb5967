"""The state behind the layers: made of the settings, shared by both chains, and gone with the client."""

from __future__ import annotations

import pytest

from asyncapi import Adaptive, Bearer, Breaker, Client, RateLimit
from asyncapi.client.layer_settings import LayerSettings
from asyncapi.client.state import ClientState
from asyncapi.sansio.failures.idempotency import UsedKeys
from asyncapi.testing import FakeClock, MockTransport, reply


async def bare(request):
    return reply()


def state_of(**settings) -> ClientState:
    return ClientState(LayerSettings(**settings), FakeClock(), bare, UsedKeys())


@pytest.mark.parametrize("name", ["keyring", "principals", "gate", "gates", "circuits", "hedges", "flights", "cached"])
def test_a_concern_that_is_off_has_no_state(name):
    assert getattr(state_of(), name) is None


def test_a_learned_limit_is_kept_for_each_host_and_a_fixed_one_for_the_client():
    fixed, learned = state_of(concurrency=3), state_of(concurrency=Adaptive())
    assert (fixed.gate.limit, fixed.gates) == (3, None)
    assert learned.gate is None
    assert learned.gates["a"] is learned.gates["a"] is not learned.gates["b"]


def test_calls_with_options_of_their_own_share_all_limits_and_counts():
    state = state_of(concurrency=3, breaker=Breaker(), rate=(RateLimit(5),))
    own = state.for_own_options()
    assert (own.own, state.own) == (True, False)
    for name in ("gate", "circuits", "limiters", "budgets", "meter", "answers", "fetching", "paces"):
        assert getattr(own, name) is getattr(state, name)
    assert own.principals is not None
    assert state.principals is None


async def test_what_credentials_of_calls_have_begun_ends_with_the_client():
    api = Client("https://h", transport=MockTransport(lambda _: reply()))
    await api.get("/", auth=Bearer("x"))
    await api.aclose()
    assert api._state.keyring.context.closed


async def test_an_attempt_is_shown_the_limits_as_they_are():
    seen = []
    api = Client(
        "https://h", concurrency=3, rate=(RateLimit(5),), breaker=Breaker(), transport=MockTransport(lambda _: reply(503)),
        clock=FakeClock(), hooks=[seen.append], retry=None, raise_for_status=False,
    )  # fmt: skip
    await api.get("/")
    assert seen[0].state["concurrency"] == "1 of 3, 0 waiting"
    assert seen[0].state["rate (client)"] == "4 left, 0 waiting"
    assert seen[0].state["breaker"].startswith("closed")
