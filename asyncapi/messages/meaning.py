"""What a response means to retries, limits, the breaker and credentials where its HTTP status alone does not say it.

A gRPC response has the status 200 and its outcome in a trailer; a GraphQL response may ask for a fresh token with the
status 200; a mesh tells of its own retries in headers. Whoever knows such a protocol reads a response into a `Meaning`
(`Call.reading`), and every layer goes by that: no protocol needs retries, limits or a breaker of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.messages.response import Response

Reading = Callable[["Response"], "Meaning | None"]
"""Reads what a response means, and changes nothing; None for what its status says."""

Refining = Callable[["Response", "Meaning | None"], "Meaning | None"]
"""Refines what the protocol of a call has read, which may be None, by what a proxy tells in the same response."""


class Meaning:
    """What one response means.

    Attributes:
        status: The HTTP status whose treatment it gets: 401 renews the credential, 429 pauses the host, a status of
            `Retry(statuses=)` is retried, one of `Breaker(statuses=)` counts as a failure.
        text: The failure as records show it, beginning with the class of its error: "RPCError: UNAVAILABLE: no
            backend". "" where there is nothing to add to the HTTP status.
        retry: Whether another attempt may succeed, whatever the status says. The safety of sending it again, the
            attempts, the budget and the deadline still have their say.
        failed: Whether the breaker counts it as a failure of the host, whatever the status says.
        unprocessed: Whether it proves that the server did nothing: any request may be sent again. None for what the
            status says; False where the status (429) would prove it, and this response does not.
        wait: Seconds that the server asks to wait, in place of what `Retry-After` says.
        attempts: How many attempts were made for it, those of a proxy behind this one included: they count as ours.
        more: The most attempts that may follow it; None for as many as the policy allows.
        out: Whether this endpoint wants no more requests for now.
    """

    __slots__ = ("attempts", "failed", "more", "out", "retry", "status", "text", "unprocessed", "wait")

    def __init__(
        self,
        status: int,
        text: str = "",
        *,
        retry: bool | None = None,
        failed: bool | None = None,
        unprocessed: bool | None = None,
        wait: float | None = None,
        attempts: int = 1,
        more: int | None = None,
        out: bool = False,
    ) -> None:
        self.status: int = status
        self.text: str = text
        self.retry: bool | None = retry
        self.failed: bool | None = failed
        self.unprocessed: bool | None = unprocessed
        self.wait: float | None = wait
        self.attempts: int = attempts
        self.more: int | None = more
        self.out: bool = out

    def as_dict(self) -> dict[str, Any]:
        """Return what makes the same one again, as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def shown(self) -> int | str:
        """What it is in a word, as the records of retries show it."""
        return ": ".join(self.text.split(": ", 2)[:2]) if self.text else self.status

    def __repr__(self) -> str:
        return f"<Meaning {self.status} {self.text}>"
