"""Check the schemas of a document: their words, for the version that it is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document
    from asyncapi.openapi.files import Place
    from asyncapi.openapi.findings import Findings

__all__ = ["check"]


def check(document: Document, schemas: dict[Place, Any], findings: Findings) -> None:
    """Check each schema by itself."""
