"""Bodies that are still coded as their Content-Encoding says: a recording, or a test, may have them so or decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.sansio.http.codings import CodingError, decoding

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEP = 1 << 20  # bytes


def decoded(content: bytes, codings: Sequence[str]) -> bytes | None:
    """Return a body decoded; None where it is not coded that way (any longer).

    Args:
        content: The body.
        codings: The values of its Content-Encoding.
    """
    coding = decoding((), codings)
    if coding is None or not content:
        return None
    pieces = []
    try:
        pieces.append(coding.step(content, _STEP))
        while coding.pending:
            pieces.append(coding.step(b"", _STEP))
        coding.end()
    except CodingError:
        return None
    return b"".join(pieces)
