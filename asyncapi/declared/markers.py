"""Say where a parameter of a declared method goes: `team: Annotated[str, Query("team_id")]`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass


@dataclass(frozen=True, slots=True)
class Path:
    """In the path: the placeholder's name, where the parameter is called otherwise.

    `style` ("simple", "label", "matrix", "json") and `explode` say how lists and objects are written
    (`asyncapi/declared/styles.py` has the table).
    """

    name: str | None = None
    _: KW_ONLY
    style: str | None = None
    explode: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """In the query, under this name; None is left out, a list repeats it.

    `style` ("form", "spaceDelimited", "pipeDelimited", "tabDelimited", "deepObject", "json") and `explode` say how
    lists and objects are written; with a style, a model or a mapping may be in the query.
    """

    name: str | None = None
    _: KW_ONLY
    style: str | None = None
    explode: bool | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """A header of this name; by default the parameter's with dashes. None is left out, a list is separated by commas.

    With a `style` ("simple", "json"), a model or a mapping may be in it.
    """

    name: str | None = None
    _: KW_ONLY
    style: str | None = None
    explode: bool = False


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of this name, for this call alone; None is left out. `style` ("form", "json") is as in `Query`."""

    name: str | None = None
    _: KW_ONLY
    style: str | None = None
    explode: bool | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A field of a form, under this name; a list repeats it, a model or a mapping is written as JSON.

    `style` and `explode` are as in `Query`: with "deepObject", `{"a": 1}` is `name[a]=1`.
    """

    name: str | None = None
    _: KW_ONLY
    style: str | None = None
    explode: bool | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """The body: bytes and iterables of bytes as they are, everything else as JSON.

    `media_type` is its Content-Type. What is not JSON by it goes out as it is: text, bytes, a path, an open file, an
    iterable of bytes.
    """

    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a multipart form, under this name: a path, bytes, an open file, or (filename, content[, type]).

    A list has several files of this name; a mapping has each under its key.
    """

    name: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """An option of the call, and no part of the request; by default the one of the parameter's name.

    It is `auth`, `cookies`, `timeout`, `retry`, `redirects`, `idempotency_key`, `idempotent`, `wait`, `priority` or
    `tenant`. None leaves what the decorator or the client says.
    """

    name: str | None = None


Marker = Path | Query | Header | Cookie | Form | Body | Upload | Option
MARKERS = (Path, Query, Header, Cookie, Form, Body, Upload, Option)
