"""Say where a parameter of a declared method goes: `team: Annotated[str, Query("team_id")]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """In the path: the placeholder's name, where the parameter is called otherwise."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """In the query, under this name; None is left out, a list repeats it."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header of this name; by default the parameter's with dashes. None is left out."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A field of a form, under this name."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The body: bytes and iterables of bytes as they are, everything else as JSON."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form, under this name: a path, bytes, an open file, or (filename, content[, type])."""

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the call, and no part of the request; by default the one of the parameter's name.

    It is `auth`, `cookies`, `timeout`, `retry`, `redirects`, `idempotency_key`, `idempotent`, `wait`, `priority` or
    `tenant`. None leaves what the decorator or the client says.
    """

    name: str | None = None


Marker = Path | Query | Header | Form | Body | Upload | Option
MARKERS = (Path, Query, Header, Form, Body, Upload, Option)
