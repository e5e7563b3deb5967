"""Serve a document by Prism, a mock server that refuses requests which the document doesn't allow.

The mock gets the document as its author wrote it, but for what the mock can't do (`for_the_mock`):

1. It sends the headers of responses as they are written, Content-Length too: they are left out.
2. It doesn't read servers with a path: there is one server, "/".
3. It knows no defaults of `consumes` and `produces` (Swagger 2.0), nor that a list in a form has one field for each item
   (OpenAPI 3.0.3, "Encoding Object"): both are written down.
4. It tells no paths apart by what follows `#`, which is never sent: that part becomes a path (`path_at_the_mock`).
5. It stops where a reference leads to a file that isn't there: the reference is left out.
6. It reads no JSON in the fields of a form: it lets them pass, and `forms.py` reads them.
7. It doesn't take `application/form-data` for the form that its author means.
8. It demands header parameters whose names are to be ignored: Accept, Content-Type and Authorization (OpenAPI 3.0.3,
   "Parameter Object").
9. It crashes at some requests: it is started anew for the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from daemons import free_port
from documents.forms import MULTIPART, URL_ENCODED, has_objects

if TYPE_CHECKING:
    from asyncapi.openapi.document import Document

PRISM = Path(__file__).parent.parent / "peers/node_modules/.bin/prism"
MISNAMED = "application/form-data"  # what some call multipart/form-data
HEAP = 7000  # MB: node's own limit is too low for documents of 3 MB


def path_at_the_mock(path: str) -> str:
    """Return the path by which the mock tells an operation apart from others that differ behind `#` alone."""
    head, mark, tail = path.partition("#")
    return f"{head.rstrip('/')}/-/{re.sub('[^A-Za-z0-9]+', '-', tail).strip('-')}" if mark else path


def for_the_mock(document: Document, folder: Path) -> Path:
    """Write the document for the mock server, and return where."""
    raw = document.raw
    parts = ("paths", "info", "components", "definitions")
    if any(isinstance(raw.get(key), dict) and "$ref" in raw[key] for key in parts):
        raw = document.plain  # one of several files
    if document.spec == "2.0" and raw is document.raw:
        raw = {"consumes": ["application/json"], "produces": ["application/json"], **raw}
    if "servers" in raw:
        raw = {**raw, "servers": [{"url": "/"}]}
    paths = raw.get("paths", {}).items()
    raw = {**raw, "paths": {path_at_the_mock(path): _without_servers(item) for path, item in paths}}
    path = folder / "document.json"
    path.write_text(json.dumps(_mended(raw, raw)))
    return path


def _without_servers(item: Any) -> Any:
    """Return a path item that has no servers of its own, nor for its operations."""
    if not isinstance(item, dict):
        return item
    return {
        key: _without_servers(each) if "$ref" not in item else each for key, each in item.items() if key != "servers"
    }


def _mended(value: Any, raw: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_mended(each, raw) for each in value if not _is_ignored(each)]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and not reference.startswith(("#", "http")):
        return {}
    is_response = "description" in value and not {"type", "properties", "in"} & set(value)
    made = {key: _mended(each, raw) for key, each in value.items() if not (key == "headers" and is_response)}
    if MISNAMED in made:
        made[MULTIPART], value = made.pop(MISNAMED), {**value, MULTIPART: value[MISNAMED]}
    for kind in (URL_ENCODED, MULTIPART):
        if isinstance(made.get(kind), dict) and isinstance(made[kind].get("schema"), dict):
            made[kind] = _readable(made[kind], value[kind], raw)
    return made


def _is_ignored(value: Any) -> bool:
    names = {"accept", "content-type", "authorization"}
    return isinstance(value, dict) and value.get("in") == "header" and str(value.get("name")).lower() in names


def _readable(made: dict[str, Any], media: dict[str, Any], raw: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a form with what the mock understands (rules 3 and 6)."""
    schema = _resolved(media["schema"], raw)
    given = {name: {**each, "allowReserved": True} for name, each in media.get("encoding", {}).items()}
    lists: dict[str, Any] = {}
    texts: dict[str, Any] = {}
    for part in [schema, *(_resolved(each, raw) for each in schema.get("allOf", []))]:
        for name, each in (part.get("properties") or {}).items():
            if name in given or not isinstance(each, dict):
                continue
            if has_objects(each, lambda one: _resolved(one, raw)):
                texts[name] = {}
            elif _resolved(each, raw).get("type") == "array":
                lists[name] = {"style": "form", "explode": True, "allowReserved": True}
    made = {**made, "encoding": {**lists, **given}}
    if texts:
        parts = [schema, *(_resolved(each, raw) for each in schema.get("allOf", []))]
        properties = {key: each for part in parts for key, each in (part.get("properties") or {}).items()}
        required = [name for part in parts for name in part.get("required") or []]
        made["schema"] = {"type": "object", "properties": {**properties, **texts}, "required": required}
    return made


def _resolved(schema: Any, raw: dict[str, Any]) -> dict[str, Any]:
    for _ in range(20):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = raw
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(key, {}) if isinstance(schema, dict) else {}
    return schema if isinstance(schema, dict) else {}


class Mock:
    """A mock server of one document."""

    def __init__(self, source: Path, *, patience: float = 600) -> None:
        self.source = source
        self.patience = patience  # seconds in which it has to start
        self.port = free_port()
        self.log = source.with_name("prism.log")
        self.process: subprocess.Popen[bytes] | None = None
        self.suspect = False  # whether a connection broke: it may be about to end

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it.

        Raises:
            RuntimeError: It ended, or did not listen in time.
        """
        command = [
            "node",
            f"--max-old-space-size={HEAP}",
            "--stack-size=3900",
            str(PRISM.resolve()),
            "mock",
            "--errors",
        ]
        with self.log.open("wb") as said:
            self.process = subprocess.Popen(
                [*command, "-p", str(self.port), str(self.source)],
                stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + self.patience
        while b"Prism is listening" not in (found := self.log.read_bytes()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("prism didn't start: " + found.decode(errors="replace")[-800:])
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def revive(self) -> None:
        """Start it anew if it has crashed."""
        if self.suspect:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(3)
        self.suspect = False
        if self.process.poll() is not None:
            self.start()
