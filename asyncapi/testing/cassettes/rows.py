"""Exchanges as the plain rows of a cassette's file, and back."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from asyncapi.testing.cassettes.bodies import content_of, holds_text, readable
from asyncapi.testing.cassettes.exchange import RECEIVED, SENT, Closing, Exchange, Frame
from asyncapi.testing.failures import Failure

if TYPE_CHECKING:
    from asyncapi.testing.cassettes.exchange import Fields


def row_of(exchange: Exchange) -> dict[str, Any]:
    """Return the row of an exchange whose secrets are masked; what says nothing is left out."""
    request: dict[str, Any] = {"method": exchange.method, "url": exchange.url}
    if exchange.websocket:
        request["websocket"] = True
    if exchange.headers:
        request["headers"] = _mapping(exchange.headers)
    if exchange.digest:
        request["digest"] = exchange.digest
    else:
        request |= readable(exchange.body, exchange.first("content-type", sent=True))
    if exchange.partial:
        request["partial"] = True
    if exchange.filtered:
        request["filtered"] = True
    row: dict[str, Any] = {"request": request}
    if exchange.status:
        row["response"] = _response(exchange)
    if exchange.frames or exchange.closing is not None:
        row["conversation"] = [_frame(frame) for frame in exchange.frames]
        if exchange.closing is not None:
            row["conversation"].append({"closed": _said(asdict(exchange.closing))})
    if exchange.failure is not None:
        row["error"] = _said(asdict(exchange.failure))
    return row


def exchange_of(row: dict[str, Any]) -> Exchange:
    """Read an exchange from its row.

    Raises:
        ValueError, TypeError, KeyError: It is none.
    """
    request, response = row["request"], row.get("response") or {}
    exchange = Exchange(
        str(request["method"]),
        str(request["url"]),
        _fields(request.get("headers")),
        content_of(request),
        str(request.get("digest", "")),
        bool(request.get("partial")),
        bool(request.get("websocket")),
        int(response.get("status", 0)),
        str(response.get("http_version", "")),
        _fields(response.get("headers")),
        content_of(response),
        _fields(response.get("trailers")),
        bool(response.get("cut")),
        read=True,
        finished=True,
        filtered=bool(request.get("filtered")),
    )
    if row.get("error"):
        exchange.failure = Failure(**row["error"])
    for entry in row.get("conversation") or ():
        if "closed" in entry:
            exchange.closing = Closing(**entry["closed"])
        else:
            exchange.frames.append(_frame_of(entry))
    if not exchange.status and exchange.failure is None:
        raise ValueError("it has neither a response nor an error")
    return exchange


def _response(exchange: Exchange) -> dict[str, Any]:
    row: dict[str, Any] = {"status": exchange.status}
    if exchange.version:
        row["http_version"] = exchange.version
    if exchange.fields:
        row["headers"] = _mapping(exchange.fields)
    row |= readable(exchange.content, exchange.first("content-type"))
    if exchange.trailers:
        row["trailers"] = _mapping(exchange.trailers)
    if exchange.cut:
        row["cut"] = True
    return row


def _frame(frame: Frame) -> dict[str, Any]:
    if isinstance(frame.data, bytes):
        return {frame.direction: _binary(frame.data)}
    return {frame.direction: readable(frame.data) or {"text": ""}}


def _binary(data: bytes) -> dict[str, Any]:
    row = readable(data)
    return {**row, "binary": True} if holds_text(row) else row


def _frame_of(entry: dict[str, Any]) -> Frame:
    direction = SENT if SENT in entry else RECEIVED
    row = entry[direction]
    content = content_of(row)
    if holds_text(row) and not row.get("binary"):
        return Frame(direction, content.decode())
    return Frame(direction, content)


def _mapping(fields: Fields) -> dict[str, Any]:
    """Return header fields by name; a name that comes several times has a list."""
    rows: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, value in fields:
        name = names.setdefault(name.lower(), name)
        if name not in rows:
            rows[name] = value
        elif isinstance(rows[name], list):
            rows[name].append(value)
        else:
            rows[name] = [rows[name], value]
    return rows


def _fields(rows: Any) -> Fields:
    fields: Fields = []
    for name, value in (rows or {}).items():
        fields += [(str(name), str(one)) for one in (value if isinstance(value, list) else [value])]
    return fields


def _said(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in ("", False)}
