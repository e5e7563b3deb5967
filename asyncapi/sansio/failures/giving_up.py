"""Say why a call makes no further attempt, and end it with the last failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import TransportError

if TYPE_CHECKING:
    from asyncapi.errors import Phase, RejectedError
    from asyncapi.messages.call import Call
    from asyncapi.messages.response import Response


class GiveUp(Exception):
    """Says why there is no further attempt, and which setting of the client prevented it, if one did."""

    def __init__(
        self, why: str, *, held_by: str | None = None, phase: Phase | None = None, cause: RejectedError | None = None
    ) -> None:
        super().__init__(why)
        self.held_by = held_by if cause is None else cause.held_by
        self.phase = phase
        self.cause = cause

    def end(self, failure: Response | TransportError, call: Call) -> Response:
        """Write down why the call ends with this failure, and return it.

        Raises:
            TransportError: The failure, where it is an error.
        """
        reason = str(self)
        if call.attempts and reason:
            call.attempts[-1].then = f"gave up: {reason}"
        call.ended_by, call.cause, call.held_by = self.phase, self.cause, self.held_by
        if isinstance(failure, TransportError):
            failure.phase = self.phase or failure.phase
            failure.held_by = self.held_by or failure.held_by
            raise failure from (self.cause or failure.__cause__)
        return failure
