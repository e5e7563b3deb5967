"""The rows that `make demo` fetches: `asyncapi fetch ... --model examples.models:Item` checks each answer with it."""

from __future__ import annotations

from pydantic import BaseModel


class Item(BaseModel):
    """One item, as `asyncapi serve` answers at `/items/{id}`."""

    id: int
    name: str
    price: float
    tags: list[str]
