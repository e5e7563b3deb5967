"""`/echo`: the request as the server saw it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic_core import from_json

from asyncapi.serve.replies import Refusal, Reply, json_reply

if TYPE_CHECKING:
    from multidict import MultiMapping

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


async def echo(request: web.BaseRequest, _rest: str) -> Reply:
    """Method, path, query, headers, and the body: text or base64, and as JSON or as form fields and files."""
    data: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "query": _grouped(request.query),
        "headers": _grouped(request.headers),
    }
    if request.content_type == _MULTIPART:
        data |= await _form(request)
    else:
        body = await request.read()
        data |= {"length": len(body), **_text_or_base64(body)}
        if request.content_type == _FORM:
            data |= await _form(request)
        elif request.content_type.endswith("json"):
            data["json"] = _json_or_none(body)
    return json_reply(data)


def _grouped(pairs: MultiMapping[str]) -> dict[str, str | list[str]]:
    every = {name: pairs.getall(name) for name in pairs}
    return {name: values[0] if len(values) == 1 else values for name, values in every.items()}


def _text_or_base64(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _json_or_none(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError:
        return None


async def _form(request: web.BaseRequest) -> dict[str, Any]:
    try:
        fields = await request.post()
    except (ValueError, AssertionError) as error:
        raise Refusal(400, f"not a form: {error}") from None
    form: dict[str, list[str]] = {}
    files: list[dict[str, Any]] = []
    for name, value in fields.items():
        if isinstance(value, web.FileField):
            content = value.file.read()
            about = {"name": name, "filename": value.filename, "content_type": value.content_type}
            files.append({**about, "length": len(content), **_text_or_base64(content)})
        else:
            form.setdefault(name, []).append(value if isinstance(value, str) else bytes(value).decode("latin-1"))
    return {"form": {name: values[0] if len(values) == 1 else values for name, values in form.items()}, "files": files}
