"""Say what an OpenAPI document gets wrong.

An error breaks a rule of the specification, so tools may read the document differently, or not at all. A warning is
allowed, but hardly meant: an example that its schema refuses, a word that has no effect. Matters of taste are neither.

1. Everything is looked at as its author wrote it, where it really stands, once, whether something refers to it or not.
2. What reading has found (references that lead nowhere, keys that stand twice) comes first.
3. Values (defaults, enums, examples) are tried by `jsonschema` against the schemas as OpenAPI 3.1 has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.openapi import check_operations, check_parts, check_schemas, check_values
from asyncapi.openapi.files import Files, Place
from asyncapi.openapi.findings import Findings, with_lines
from asyncapi.openapi.reading import walk

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document, Problem

__all__ = ["check"]


def check(document: Document, *, values: bool = True) -> list[Problem]:
    """Return what a document gets wrong: errors first, each with where it stands and what to do.

    Args:
        document: As it was read.
        values: Whether to try defaults, enums and examples too, which takes most of the time.
    """
    findings = Findings()
    parts = _parts(document)
    findings.add(each for each in document.problems if each.severity != "note")
    findings.add(parts.pop("problems"))
    check_parts.check(document, parts, findings)
    check_operations.check(document, parts, findings)
    check_schemas.check(document, parts.get("schema", {}), findings)
    if values:
        check_values.check(document, parts, findings)
    found = with_lines(findings.problems, document)
    return sorted(found, key=lambda each: each.severity != "error")


def _parts(document: Document) -> dict[str, Any]:
    """Return each part by its kind and its place (rule 1), and under "problems" what the walk noticed."""
    seen: dict[str, Any] = {}

    def visit(kind: str, raw: Any, at: Place) -> None:
        seen.setdefault(kind, {}).setdefault(at, raw)

    files = Files(document.raw, document.source or "<bytes>")
    walk(document.raw, document.spec, files, visit)
    seen["problems"] = files.problems
    return seen
