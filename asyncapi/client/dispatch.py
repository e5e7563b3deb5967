"""Send a built request down the chain that its options need.

    the usual chain    has no layer for a concern that the client's settings switch off
    the own chain      for calls with a credential or redirects of their own (`auth=`, `redirects=`): it has the layers
                       for both, and knows that such a call may act for anybody; composed at the first of them

Both share their state, and the layers that they have in common. Layers of the user's own are composed once, around
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.client.chain import chain, own_chain
from asyncapi.types import UNSET, stack

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from asyncapi.client.chain import Step
    from asyncapi.client.state import ClientState
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Send


class Dispatch:
    """The chains of one client.

    Args:
        state: Behind their layers.
        bare: The transport's `send`.

    Attributes:
        steps: The usual chain, the user's own layers included, outermost first.
        usual: Sends a request without options of that kind.
        own: Sends any other.
    """

    __slots__ = ("own", "steps", "usual")

    def __init__(self, state: ClientState, bare: Send) -> None:
        self.steps: list[Step] = chain(state)
        around = len(state.settings.layers) and len(state.settings.layers) + 1  # and the one that returns to the task
        fork = _Fork(state, bare, self.steps[around:])
        self.usual: Send = fork.usual
        self.own: Send = fork.send_own
        if around:
            self.usual = self.own = stack(fork.send, *(step.layer for step in self.steps[:around]))


class _Fork:
    __slots__ = ("_bare", "_own", "_state", "_steps", "usual")

    def __init__(self, state: ClientState, bare: Send, steps: list[Step]) -> None:
        self._state = state
        self._bare = bare
        self._own: Send | None = None
        self._steps = steps
        self.usual = stack(bare, *(step.layer for step in steps))

    def send(self, request: Request) -> Awaitable[Response]:
        if request.auth is UNSET and request.redirects is None:
            return self.usual(request)
        return self.send_own(request)

    def send_own(self, request: Request) -> Awaitable[Response]:
        if self._own is None:
            steps = own_chain(self._state, self._steps)
            self._own = stack(self._bare, *(step.layer for step in steps))
        return self._own(request)
