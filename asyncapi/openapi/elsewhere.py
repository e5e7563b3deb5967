"""Find the operations that have a server of their own, beside the document's."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document, Operation


def server_of(operation: Operation, document: Document) -> str:
    """Return the base URL of an operation that goes to none of the document's servers, or nothing."""
    known = {one.url.rstrip("/") for one in document.servers}
    base = document.servers[0].url if document.servers else document.source
    found = [urljoin(base, one.url).rstrip("/") for one in operation.servers]
    if not found or known & {*found, *(one.url.rstrip("/") for one in operation.servers)}:
        return ""
    return found[0] if urlsplit(found[0]).scheme in {"http", "https"} and "{" not in found[0] else ""


def origins_of(document: Document) -> list[str]:
    """Return the origins of these servers, where a credential has to go too."""
    found = []
    base = urlsplit(document.servers[0].url) if document.servers else urlsplit("")
    for operation in document.operations:
        parts = urlsplit(server_of(operation, document))
        if parts.netloc and parts[:2] != base[:2]:
            found.append(f"{parts.scheme}://{parts.netloc}")
    return list(dict.fromkeys(found))
