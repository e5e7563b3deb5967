"""Try the values of a document (defaults, enums, examples) against its schemas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document
    from asyncapi.openapi.findings import Findings

__all__ = ["check"]


def check(document: Document, parts: dict[str, Any], findings: Findings) -> None:
    """Check the values that the document itself gives."""
