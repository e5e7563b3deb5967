"""The circuit breaker: stop sending to a host that fails, then probe it with one attempt at a time.

What an attempt says about its host:

    failure      a status of the settings (5xx), or a TransportError: no usable response
    success      any other response, 4xx and 429 too: the host is alive
    slow         an attempt that took longer than the settings' bound, whatever its response; without our own queues
    no verdict   cancelled, refused by us, never sent (no attempt record was made), a kept-alive connection that was
                 closed or a request that the server has not begun (they are replayed), a body larger than `max_body`

The layer is above rate and concurrency, so that a refusal costs neither token nor place. A call that passed it while
all was well may then wait in a queue for a long time: `breaker_again`, below the queues, refuses it if the circuit has
opened meanwhile. Otherwise the whole queue would run into a host that is known to be down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import CircuitOpen, TransportError
from asyncapi.sansio.failures.resend import blames_host

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from asyncapi.clock import Clock
    from asyncapi.messages.call import Call
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.sansio.failures.circuit import Circuit
    from asyncapi.sansio.limits.keyed import Keyed
    from asyncapi.settings import Breaker
    from asyncapi.types import Layer, Send


def breaker(circuits: Keyed[Circuit], settings: Breaker, clock: Clock) -> Layer:
    """Refuse attempts while their circuit is open, and record the verdict of the others.

    Args:
        circuits: The circuit of each key.
        settings: Say what counts as a failure.
        clock: Times the circuits.

    Raises (from the layer):
        CircuitOpen: Nothing was sent; `.retry_after` says when the next probe may go.
    """
    now, statuses, slow = clock.now, settings.statuses, settings.slow
    key_of = settings.key or _host

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            key, call = key_of(request), request.call
            circuit = circuits[key]
            permit = circuit.permit if circuit.state == "closed" else _probe(circuit, key, call, now())
            records_before = len(call.attempts)
            try:
                response = await inner(request)
            except TransportError as error:
                # without an attempt record nothing was sent: no verdict on the host
                if len(call.attempts) > records_before and blames_host(error):
                    elapsed = call.attempts[-1].elapsed
                    circuit.record(permit, call, now(), failed=True, slow=slow is not None and elapsed > slow)
                else:
                    circuit.release(call)
                raise
            except BaseException:
                circuit.release(call)
                raise
            if len(call.attempts) > records_before:
                is_slow = slow is not None and call.attempts[-1].elapsed > slow
                circuit.record(permit, call, now(), failed=_is_failure(response, statuses), slow=is_slow)
            else:
                circuit.release(call)
            return response

        return send

    return layer


def breaker_again(circuits: Keyed[Circuit], settings: Breaker, clock: Clock) -> Layer:
    """Refuse attempts whose circuit has opened while they waited in our queues; the probe goes through.

    Args:
        circuits: Those of the `breaker` layer above.
        settings: Those of the `breaker` layer above.
        clock: Times the circuits.

    Raises (from the layer):
        CircuitOpen: Nothing was sent.
    """
    key_of = settings.key or _host

    def layer(inner: Send) -> Send:
        async def send(request: Request) -> Response:
            call = request.call
            if call.queued:
                key = key_of(request)
                circuit = circuits[key]
                if circuit.state != "closed" and call not in circuit.probing:
                    raise _refusal(circuit, key, clock.now())
            return await inner(request)

        return send

    return layer


def _host(request: Request) -> str:
    return request.target.host


def _probe(circuit: Circuit, key: str, call: Call, now: float) -> int:
    """Get the permit of a probe, and write it into the reason of the attempt.

    Raises:
        CircuitOpen: No probe is due.
    """
    permit = circuit.enter(now, call)
    if not permit:
        raise _refusal(circuit, key, now)
    call.why += f" (probe: the circuit of {key} is half-open, {circuit.reason})"
    return permit


def _refusal(circuit: Circuit, key: str, now: float) -> CircuitOpen:
    wait = circuit.retry_after(now)
    if circuit.state == "open":
        what = f"the circuit of {key} is open ({circuit.reason}): next probe in {wait:.3g} s"
    else:
        what = f"the circuit of {key} is half-open, its probe is under way: ask again in {wait:.3g} s at the latest"
    refusal = CircuitOpen(what, retry_after=wait)
    refusal.probe_in = circuit.probe_in(now)
    return refusal


def _is_failure(response: Response, statuses: AbstractSet[int]) -> bool:
    meaning = response.meaning
    if meaning is None or meaning.failed is None:
        return response.effective_status in statuses
    return meaning.failed
