"""Exchanges as they are written: secrets masked, bodies bounded, headers that are true of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asyncapi.testing.cassettes.conditions import LARGEST, digest, normal, normal_kind
from asyncapi.testing.cassettes.exchange import Exchange, Fields, Frame
from asyncapi.testing.cassettes.recording import consistent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.testing.cassettes.masking import Secrets


def masked(exchanges: Sequence[Exchange], secrets: Secrets) -> list[Exchange]:
    """Return copies without secrets: first those that are known by name, then these wherever else they stand."""
    named = [_named(exchange, secrets) for exchange in exchanges]
    return [_swept(exchange, secrets) for exchange in named]


def _named(exchange: Exchange, secrets: Secrets) -> Exchange:
    kind = exchange.first("content-type", sent=True)
    body = normal(exchange.body, kind)
    large = len(body) > LARGEST
    cut = not exchange.finished or exchange.cut
    return replace(
        exchange,
        url=secrets.url(exchange.url),
        headers=secrets.fields(
            [(name, normal_kind(value)) for name, value in exchange.headers if name.lower() != "content-length"]
        ),
        body=b"" if large else secrets.content(body, kind),
        digest=digest(body) if large else "",
        fields=secrets.fields(exchange.fields),
        content=secrets.content(exchange.content, exchange.first("content-type")),
        trailers=secrets.fields(exchange.trailers),
        frames=[Frame(frame.direction, _frame(frame.data, secrets)) for frame in exchange.frames],
        cut=cut and not exchange.websocket,
    )


def _frame(data: str | bytes, secrets: Secrets) -> str | bytes:
    return secrets.text(data) if isinstance(data, str) else secrets.content(data)


def _swept(exchange: Exchange, secrets: Secrets) -> Exchange:
    swept = replace(
        exchange,
        url=secrets.swept(exchange.url),
        headers=_fields(exchange.headers, secrets),
        body=secrets.swept(exchange.body),
        content=secrets.swept(exchange.content),
        fields=_fields(exchange.fields, secrets),
        trailers=_fields(exchange.trailers, secrets),
        frames=[Frame(frame.direction, secrets.swept(frame.data)) for frame in exchange.frames],
        read=True,
        played=exchange.played,
    )
    if exchange.failure is not None:
        swept.failure = replace(exchange.failure, message=secrets.swept(secrets.text(exchange.failure.message)))
    if exchange.closing is not None:
        swept.closing = replace(
            exchange.closing, reason=secrets.swept(exchange.closing.reason), why=secrets.swept(exchange.closing.why)
        )
    swept.fields = consistent(swept, swept.content)
    return swept


def _fields(fields: Fields, secrets: Secrets) -> Fields:
    return [(name, secrets.swept(value)) for name, value in fields]
