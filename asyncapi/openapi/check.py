"""Say what an OpenAPI document gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document, Problem

__all__ = ["check"]


def check(document: Document) -> list[Problem]:
    """Return what a document gets wrong: errors first, each with where it stands and what to do."""
    return [each for each in document.problems if each.severity != "note"]
