"""The one answer that every server gives and every contestant reads: a typical JSON row, and its pydantic model."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it

from pydantic import BaseModel


class Address(BaseModel):
    street: str
    city: str
    postcode: str


class Row(BaseModel):
    id: int
    name: str
    email: str
    active: bool
    score: float
    tags: list[str]
    created_at: datetime
    address: Address


BODY = (
    b'{"id": 4711, "name": "Ada Lovelace", "email": "ada@example.com", "active": true, "score": 98.5, '
    b'"tags": ["analytical", "engine", "poetry"], "created_at": "2026-01-15T09:30:00Z", '
    b'"address": {"street": "12 St James\\u0027s Square", "city": "London", "postcode": "SW1Y 4JH"}}'
)
