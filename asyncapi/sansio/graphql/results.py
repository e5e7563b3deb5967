"""Read what a GraphQL response says (graphql.github.io/graphql-over-http, "Response", and spec.graphql.org, section 7).

Rules:
1. A response whose media type is `application/graphql-response+json` is the GraphQL server's, whatever its status.
2. With another media type, a 2xx is; anything else may come from a gateway before it, and is judged by its status.
3. It is well-formed if it is an object with `data` or `errors`. What servers write into `errors` is taken as it comes:
   a text or an object in place of the list, texts in the list, an empty list or null for no error.
4. Where there are errors and no `data` at all, nothing was executed (section 7.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "application/graphql-response+json"
ACCEPT = f"{MEDIA_TYPE}, application/json;q=0.9"


@dataclass(frozen=True, slots=True)
class Result:
    """One result: what the server made of an operation.

    Attributes:
        data: The data, whole or in part; None where there is none.
        errors: One object for each error, as the server sent it; empty where all went well.
        extensions: What the server adds to the response.
        executed: Whether the execution may have begun (rule 4).
    """

    data: Any
    errors: list[dict[str, Any]]
    extensions: dict[str, Any]
    executed: bool


def is_from_server(status: int, content_type: str) -> bool:
    """Whether a response with a well-formed body is the GraphQL server's (rules 1 and 2)."""
    return 200 <= status < 300 or content_type.partition(";")[0].strip().lower() == MEDIA_TYPE  # noqa: PLR2004 - RFC 9110 section 15.3


def result_of(body: Any) -> Result | None:
    """Read a body, as plain data; None where it isn't well-formed (rule 3)."""
    if not isinstance(body, dict) or not ("data" in body or "errors" in body):
        return None
    added = body.get("extensions")
    extensions = added if isinstance(added, dict) else {}
    return Result(body.get("data"), _errors(body.get("errors")), extensions, "data" in body)


def _errors(given: Any) -> list[dict[str, Any]]:
    if not given:
        return []
    entries = given if isinstance(given, list) else [given]
    return [entry if isinstance(entry, dict) else {"message": str(entry)} for entry in entries]


def code_of(error: dict[str, Any]) -> Any:
    """The code of an error: in its extensions, or beside its message (GitHub, AWS AppSync); None where it has none."""
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    if code is None:
        code = next((error[key] for key in ("code", "type", "errorType") if error.get(key) is not None), None)
    return code if isinstance(code, str | int) and not isinstance(code, bool) else None


def summary(errors: list[dict[str, Any]]) -> str:
    """Say in a line what went wrong: the first message, its code, its place, and how many more there are."""
    if not errors:
        return "the response has no errors"
    first = errors[0]
    path = first.get("path")
    place = ".".join(str(part) for part in path) if isinstance(path, list) else ""
    code = code_of(first)
    about = " at ".join(filter(None, ["" if code is None else str(code), place]))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{first.get('message') or 'no message'}{f' ({about})' if about else ''}{more}"
