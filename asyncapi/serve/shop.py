"""What the documentation's samples ask of https://api.example.com, beside its users, payments and tokens.

The documentation's own tests run every sample against this server (tests/test_docs.py), so a sample can be pasted and
run with no more than its base URL changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic_core import to_json

from asyncapi.serve import bodies
from asyncapi.serve.items import Listing
from asyncapi.serve.query import json_object, seconds_in, whole, whole_in
from asyncapi.serve.replies import Refusal, Reply, Script, json_reply, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

_EVENTS = "text/event-stream"
_ETAG = '"export-1"'
_EXPORT = bytes(range(250)) * 400
_FIRST_PRICE, _HIGHEST = 101, 10**12
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}

orders: Listing = Listing(total=8, per_page=3)


async def rows(request: web.BaseRequest, _rest: str) -> Script:
    """`/rows`: fifty JSON lines."""
    return await bodies.stream(request, "50")


async def prices(request: web.BaseRequest, _rest: str) -> Script:
    """`/prices`: server-sent events from behind Last-Event-ID; a connection sends `?events=` of them, then ends."""
    last = request.headers.get("Last-Event-ID")
    first = _FIRST_PRICE if last is None else whole(last, "Last-Event-ID", 0, _HIGHEST) + 1
    count, pause = whole_in(request.query, "events", 10, 0, 1_000_000), seconds_in(request.query, "pause", 0.1)
    return streamed(request, _EVENTS, _prices(range(first, first + count), pause))


def _prices(numbers: range, pause: float) -> Iterator[tuple[float, bytes]]:
    yield 0.0, b"retry: 100\n\n"
    for number in numbers:
        yield pause, b'id: %d\ndata: {"cents": %d}\n\n' % (number, number)


async def chat(request: web.BaseRequest, _rest: str) -> Script:
    """`/chat`: a reply to `{"prompt": ...}`, word by word as server-sent events, then `[DONE]`."""
    prompt = (await json_object(request, "a chat message")).get("prompt")
    if not isinstance(prompt, str):
        raise Refusal(400, 'send {"prompt": "some text"}')
    return streamed(request, _EVENTS, _words(f"You said: {prompt}", seconds_in(request.query, "pause", 0.02)))


def _words(text: str, pause: float) -> Iterator[tuple[float, bytes]]:
    for place, word in enumerate(text.split()):
        yield pause, b"data: %b\n\n" % to_json({"text": f" {word}" if place else word})
    yield 0.0, b"data: [DONE]\n\n"


async def export(request: web.BaseRequest, _rest: str) -> Reply:
    """`/export`: 100,000 bytes with an ETag; a part of them for `Range` (RFC 9110 section 14), so downloads resume."""
    headers = [("Content-Type", "application/octet-stream"), ("ETag", _ETAG), ("Accept-Ranges", "bytes")]
    if request.headers.get("If-Range", _ETAG) != _ETAG:
        return Reply(200, headers, _EXPORT)
    try:
        wanted = request.http_range
    except ValueError:  # RFC 9110 section 14.2: a Range that is not understood is ignored
        return Reply(200, headers, _EXPORT)
    start, stop, _ = wanted.indices(len(_EXPORT))
    if wanted == slice(None, None, 1):
        return Reply(200, headers, _EXPORT)
    if start >= stop:
        return Reply(416, [*headers, ("Content-Range", f"bytes */{len(_EXPORT)}")])
    part = ("Content-Range", f"bytes {start}-{stop - 1}/{len(_EXPORT)}")
    return Reply(206, [*headers, part], _EXPORT[start:stop])


async def photos(request: web.BaseRequest, _rest: str) -> Reply:
    """`/photos`: takes a form with files, and responds with its fields and what came in each file."""
    fields, files = await _form(request)
    return json_reply({"id": 1, **fields, "files": files}, 201)


async def login(request: web.BaseRequest, _rest: str) -> Reply:
    """`/login`: takes the form fields `name` and `password`, any of them."""
    fields, _ = await _form(request)
    if not fields.get("name") or not fields.get("password"):
        raise Refusal(400, "send the form fields name and password")
    return json_reply({"name": fields["name"], "logged_in": True})


async def _form(request: web.BaseRequest) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if request.content_type not in _FORMS:
        raise Refusal(415, f"send a form, not {request.content_type}")
    fields: dict[str, Any] = {}
    files: list[dict[str, Any]] = []
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            files.append({"name": name, "filename": value.filename, "length": len(value.file.read())})
        else:
            fields[name] = value if isinstance(value, str) else bytes(value).decode("utf-8", "replace")
    return fields, files
