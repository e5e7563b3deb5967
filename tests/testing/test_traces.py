"""Tracebacks end where the code under test has called this package."""

import sys
import traceback

import pytest

from asyncapi import Client
from asyncapi.testing import APIMock, UnmatchedCall
from asyncapi.testing.traces import is_ours, origin, place_of, shorten, within


async def program():
    async with Client("https://h") as api:
        await api.get("/a")


async def failed():
    with pytest.raises(UnmatchedCall) as caught, APIMock():
        await program()
    return caught.value


async def test_a_traceback_ends_at_the_line_that_called():
    error = await failed()
    assert len(traceback.extract_tb(error.__traceback__)) > 8
    line = program.__code__.co_firstlineno + 2
    assert origin(error) == f"test_traces.py:{line}"
    shorten(error)
    frames = traceback.extract_tb(error.__traceback__)
    assert (frames[-1].lineno, frames[-1].name) == (line, "program")


def test_an_error_that_was_never_raised_came_from_nowhere():
    error = ValueError("x")
    shorten(error)
    assert origin(error) == ""


def test_a_frame_is_known_by_its_module():
    frame = sys._getframe()
    assert not is_ours(frame)
    assert place_of(frame).startswith("test_traces.py:")


def test_the_errors_of_a_group_are_found_at_any_depth():
    one, other = ValueError("1"), KeyError("2")
    group = BaseExceptionGroup("a", [one, ExceptionGroup("b", [other])])
    assert within(group) == [group, one, group.exceptions[1], other]
    assert within(one) == [one]
    assert within(None) == []
