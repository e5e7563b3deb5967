"""A batch of encoded rows that is ready to be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Packed(NamedTuple):
    """A batch of rows, as `Sink.pack` makes it.

    Attributes:
        ends: Where the output ends after each row.
        sums: The CRC-32 by which `written` recognizes each row.
        data: What `append` takes.
        whole: Whether the rows are there all or not at all, because they have one end.
    """

    ends: Sequence[int]
    sums: Sequence[int]
    data: Any
    whole: bool = False
