"""Decide what to send where a server may know a document by its hash (automatic persisted queries, APQ).

A request with the hash alone saves the upload of the document, and fits into the URL of a GET that a CDN can cache. A
server that knows no such hash says so, and gets the document with its hash, once. How servers say it:

    Apollo Server           200, code PERSISTED_QUERY_NOT_FOUND; switched off: PERSISTED_QUERY_NOT_SUPPORTED
    graphql-yoga, plugin    404 or 200, message "PersistedQueryNotFound"
    gqlgen, Absinthe, Hot Chocolate, graphql-java: the same message
    graphql-yoga without it 400, "Must provide query string."
    Strawberry              400, text/plain

The last two don't say that they know no hashes. So a request error to a hash that the server hasn't been seen to know
is a doubt: the document is sent without a hash, and if that succeeds, no hash is sent again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from asyncapi.sansio.graphql.results import code_of

if TYPE_CHECKING:
    from asyncapi.sansio.graphql.document import Operation
    from asyncapi.sansio.graphql.results import Result

Verdict = Literal["taken", "unknown", "refused", "doubtful"]

_MOST = 10_000  # hashes that are remembered
_REQUEST_ERRORS = frozenset({400, 404, 405, 415, 422})
_OK = 200


class PersistedQueries:
    """What is known of a server's persisted queries.

    Attributes:
        supported: Whether hashes are sent to it.
    """

    __slots__ = ("_known", "supported")

    def __init__(self, *, supported: bool) -> None:
        self.supported: bool = supported
        self._known: set[str] = set()

    def verdict(self, operation: Operation, status: int, result: Result | None) -> Verdict:
        """Judge the response to a hash alone.

        Args:
            operation: What was asked for.
            status: The HTTP status of the response.
            result: What the response says; None where it isn't well-formed.

        Returns:
            "taken": it is the response to the operation. "unknown": the document is to be sent with its hash.
            "refused": without, from now on. "doubtful": without, and `concluded` is to be told what came of it.
        """
        signs = {_letters(text) for error in result.errors for text in _texts(error)} if result is not None else set()
        if any(sign.startswith(("PERSISTEDQUERYNOTFOUND", "PERSISTEDOPERATIONNOTFOUND")) for sign in signs):
            return "unknown"
        if any(sign.startswith("PERSISTEDQUERYNOTSUPPORTED") for sign in signs):
            self.supported = False
            return "refused"
        if result is not None and result.executed and result.data is not None:
            self.known(operation)
            return "taken"
        failed = status in _REQUEST_ERRORS or (status == _OK and result is not None and bool(result.errors))
        return "doubtful" if failed and operation.sha256 not in self._known else "taken"

    def known(self, operation: Operation) -> None:
        """Remember that the server knows the document."""
        if len(self._known) < _MOST:
            self._known.add(operation.sha256)

    def concluded(self, *, good: bool) -> None:
        """Take in what came of a document that was sent without its hash after a doubt."""
        if good:
            self.supported = False


def extension(operation: Operation) -> dict[str, Any]:
    """The extension that carries the hash of a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": operation.sha256}}


def _texts(error: dict[str, Any]) -> tuple[str, str]:
    return str(error.get("message")), str(code_of(error))


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text[:80])).upper()
