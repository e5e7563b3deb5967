"""The endpoints of a client that has several: how they begin, and how `stats` and the records of attempts show them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from asyncapi.client.stats import EndpointStats
from asyncapi.layers.balance import EndpointSet
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncapi.client.state import ClientState
    from asyncapi.settings.endpoints import Endpoints


def endpoint_set(state: ClientState, settings: Endpoints) -> EndpointSet:
    """Start the endpoints of a client."""
    return EndpointSet(settings, state.clock, partial(_holds_back, state))


def _holds_back(state: ClientState, host: str) -> bool:
    """Whether an attempt to this host would be refused by its circuit, or wait because the host asks for it."""
    now, breaker = state.clock.now(), state.settings.breaker
    if state.circuits and breaker is not None and breaker.key is None:
        circuit = state.circuits.get(host)
        if circuit is not None and circuit.state != "closed" and circuit.retry_after(now) > 0:
            return True
    if state.paces and not callable(state.settings.pace):
        pace = state.paces.get(host)
        return pace is not None and pace.pacer.retry_after(now) > 0
    return False


def snapshots(endpoints: EndpointSet, now: float) -> dict[str, EndpointStats]:
    """The state of each endpoint, by its base URL."""
    return {
        redact_url(member.key): EndpointStats(
            state="starting" if not member.out and member.share(now) < member.weight else member.state(now),
            in_flight=member.in_flight,
            latency=member.latency,
            picked=member.picks,
            failures=member.failures,
            ejections=member.ejections,
            zone=member.zone,
            weight=member.weight,
            priority=member.priority,
        )
        for member in endpoints.balancer.members
    }


def described(endpoints: EndpointSet, host: str, now: float) -> str:
    """Say how the endpoint at a host is, for the record of an attempt; "" if there is none."""
    member = endpoints.member(host)
    if member is None:
        return ""
    latency = "" if member.latency is None else f", {member.latency:.3g} s"
    return f"{member.state(now)}, {member.in_flight} in flight{latency}"
