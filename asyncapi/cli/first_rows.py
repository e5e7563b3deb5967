"""Show requests before they are sent: method, URL, headers and body of a row, secrets masked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from multidict import CIMultiDict

from asyncapi.bulk.bodies import HeaderFields
from asyncapi.redact import MASK, is_secret_field, one_line, redact_headers, redact_pairs, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk import Job
    from asyncapi.bulk.item import Item

_LONGEST = 200  # characters of a header or a body


def shown(job: Job, item: Item) -> Iterator[str]:
    """Yield the lines that show a row."""
    name = "" if item.name is None else f"   (id {item.name})"
    yield f"{item.method} {redact_url(item.target)}{name}"
    headers = CIMultiDict(HeaderFields(job.headers).fixed)
    headers.update(item.headers or {})
    for header, value in redact_headers(headers).items():
        yield f"  {header}: {one_line(value, _LONGEST)}"
    body = _body(item)
    if body:
        yield f"  {one_line(body, _LONGEST)}"
    if item.columns:
        yield f"  carries {one_line(', '.join(f'{key}={value}' for key, value in item.columns.items()), _LONGEST)}"


def _body(item: Item) -> str:
    if item.json is not None and isinstance(item.json, (str, int, float, bool, list, dict)):
        return json.dumps(_without_secrets(item.json), ensure_ascii=False)
    if isinstance(item.data, dict):
        return redact_pairs(urlencode(item.data, doseq=True))
    content = item.content if item.content is not None else item.data
    if isinstance(content, bytes):
        content = content.decode("utf-8", "backslashreplace")
    return _text(content) if isinstance(content, str) else ""


def _text(text: str) -> str:
    """Mask the secrets of a body of text, which may be JSON or a form."""
    try:
        value = json.loads(text)
    except ValueError:
        return redact_pairs(text) if "=" in text else text
    return json.dumps(_without_secrets(value), ensure_ascii=False) if isinstance(value, (dict, list)) else text


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if isinstance(each, str) and is_secret_field(str(key)) else _without_secrets(each)
            for key, each in value.items()
        }
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value
