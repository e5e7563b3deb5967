"""Read the GraphQL operations of a request: of its body, a batch of them, or its query (GraphQL over HTTP)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"(?:^|[}\s])(?:query|mutation|subscription)\s+([_A-Za-z][_0-9A-Za-z]*)")
_COMMENT = re.compile(r"#[^\n\r]*")


def operations_of(content: bytes, params: Mapping[str, str]) -> list[tuple[str, str, Any]]:
    """Return the name, the document and the variables of each operation; an empty list where there is none.

    Args:
        content: The body, or the `operations` field of a multipart body.
        params: The query parameters of the URL.
    """
    if not content:
        told: Any = dict(params)
        if "variables" in told:
            told["variables"] = _loaded(told["variables"])
    else:
        told = _loaded(content)
    each = told if isinstance(told, list) else [told]
    return [_operation(one) for one in each if isinstance(one, dict) and _is_operation(one)]


def _is_operation(told: Mapping[str, Any]) -> bool:
    return isinstance(told.get("query"), str) or "operationName" in told or "persistedQuery" in str(told)


def _operation(told: Mapping[str, Any]) -> tuple[str, str, Any]:
    document = told.get("query") or ""
    name = told.get("operationName")
    if not name:
        found = _NAME.search(_COMMENT.sub("", document))
        name = found[1] if found else ""
    return name, document, told.get("variables") or {}


def _loaded(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
