"""Tracebacks of a test's failures, as far as they lead through the test's own code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

_OURS = "asyncapi."


def place_of(frame: FrameType) -> str:
    """Return the file and the line that a frame is at."""
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


def origin(error: BaseException) -> str:
    """Return the file and the line outside of this package that an error came from; "" where that isn't known."""
    own = [each for each in _each(error) if not is_ours(each.tb_frame)]
    return f"{Path(own[-1].tb_frame.f_code.co_filename).name}:{own[-1].tb_lineno}" if own else ""


def shorten(error: BaseException) -> None:
    """Have the traceback of an error end where the code of the test has called this package."""
    own = [each for each in _each(error) if not is_ours(each.tb_frame)]
    if own:
        own[-1].tb_next = None


def within(error: BaseException | None) -> list[BaseException]:
    """Return an error, and those of a group."""
    if isinstance(error, BaseExceptionGroup):
        return [error, *(inner for each in error.exceptions for inner in within(each))]
    return [] if error is None else [error]


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs code of this package."""
    return str(frame.f_globals.get("__name__", "")).startswith(_OURS)


def _each(error: BaseException) -> Iterator[TracebackType]:
    tb = error.__traceback__
    while tb is not None:
        yield tb
        tb = tb.tb_next
