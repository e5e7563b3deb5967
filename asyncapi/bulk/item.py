"""A request with its place in the input: what a job sends for one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.messages.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping


class Item(Request):
    """A request, with its place in the input.

    Attributes:
        index: Its row, from 0; also its `id`, by which the transport recognizes it.
        name: The id in the input, or None.
        held: What held it back first (words.py), or "".
        given: Its URL as the input or the filled template has it.
        columns: The input's columns that its output row repeats; None where it repeats none.
        weight: How many tokens it takes from the job's second limit.
        row: The whole row as it was read.
    """

    __slots__ = ("columns", "given", "held", "index", "name", "row", "weight")
    held: str
    index: int
    name: Any  # with a template the id may be any JSON value
    given: str
    columns: Mapping[str, Any] | None
    weight: float
    row: Mapping[str, Any]
