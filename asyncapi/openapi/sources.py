"""Fetch the text of documents: files, URLs, standard input, and the other files that a document refers to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from asyncapi.errors import AsyncAPIError, ConfigError
from asyncapi.openapi import json_text, yaml_text
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncapi.openapi.yaml_text import Parsed

__all__ = ["MAX_BYTES", "beside", "is_url", "load", "parse"]

MAX_BYTES = 128 * 1024 * 1024  # of one file; the largest public documents have about 15 MB
MAX_SECONDS = 60.0  # for one file from a URL


def is_url(place: str) -> bool:
    """Say whether a place is on the network."""
    return place.startswith(("http://", "https://"))


def load(source: str | Path) -> bytes:
    """Read a file, a URL, or standard input ("-").

    Raises:
        ConfigError: It can't be read; the message says why.
    """
    place = str(source)
    if place == "-":
        return _bounded(sys.stdin.buffer.read(MAX_BYTES + 1), "standard input")
    if is_url(place):
        return _fetched(place)
    path = Path(source)
    try:
        if path.is_dir():
            raise ConfigError(f"{path} is a folder: name the file of the OpenAPI document in it")
        with path.open("rb") as file:
            return _bounded(file.read(MAX_BYTES + 1), place)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error


def _fetched(url: str) -> bytes:
    from asyncapi.blocking import Client  # noqa: PLC0415 - most documents are files

    try:
        with Client(max_body=MAX_BYTES) as client:
            return client.get(url, timeout=MAX_SECONDS).content
    except ConfigError:
        raise
    except AsyncAPIError as error:
        raise ConfigError(f"{redact_url(url)} can't be fetched: {error}") from error


def _bounded(data: bytes, place: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{place} is larger than {MAX_BYTES // 1024**2} MB, so it is hardly one OpenAPI document")
    return data


def beside(place: str, reference: str) -> str:
    """Return the place of a reference's file (its part before the `#`), seen from the file at `place`.

    Raises:
        ConfigError: The reference leads where a document may not send a reader.
    """
    if not reference:
        return place
    if is_url(place):
        joined = urljoin(place, reference)
        if urlsplit(joined)[:2] != urlsplit(place)[:2]:
            raise ConfigError(f"it is on another server than the document: download {reference}, and refer to the file")
        return joined
    if is_url(reference) or (urlsplit(reference).scheme not in {"", "file"} and not Path(reference).exists()):
        raise ConfigError(f"a file may only refer to files: download {reference}, and refer to the copy")
    if place in {"", "<bytes>"}:
        raise ConfigError("the document came as bytes, so nothing stands beside it: give the path of its file")
    folder = Path() if place == "-" else Path(place).parent
    return str((folder / unquote(reference.removeprefix("file://"))).resolve())


def parse(data: bytes, place: str) -> Parsed:
    """Read JSON or YAML.

    Raises:
        ConfigError: It is neither; the message says where it breaks.
    """
    name = {"": "the document", "<bytes>": "the document", "-": "standard input"}.get(place, redact_url(place))
    text = _text(data, name)
    head = text.lstrip()[:200].lower()
    if not head:
        raise ConfigError(f"{name} is empty")
    if head.startswith("<"):
        what = "an HTML page" if "html" in head else "XML"
        raise ConfigError(f"{name} is {what}, not an OpenAPI document: give the address of the JSON or YAML itself")
    broken: ConfigError | None = None
    if head[0] in "{[":
        try:
            return json_text.parse(text)
        except ConfigError as error:
            broken = error
    try:
        if broken and (_file_name(place).endswith(".json") or "nested" in broken.message):
            raise broken
        return yaml_text.parse(text)
    except ConfigError as error:
        if broken:  # it begins as JSON, so that is what its author wrote
            raise ConfigError(f"{name} isn't valid JSON: {broken.message}") from broken
        raise ConfigError(f"{name} isn't valid YAML: {error.message}") from error
    except ImportError as error:
        raise ConfigError('YAML needs the extra "generate": pip install "asyncapi-sdk[generate]"') from error


def _file_name(place: str) -> str:
    return place.lower().partition("?")[0]


def _text(data: bytes, name: str) -> str:
    if data[:2] == b"\x1f\x8b" or data[:2] == b"PK":
        raise ConfigError(f"{name} is compressed: unpack it first")
    try:
        return data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte {error.start} is {data[error.start]:#04x}, on line {line}"
        raise ConfigError(f"{name} isn't text in UTF-8: {found}. Save it as UTF-8") from error
