"""What is taken without pydantic is what pydantic makes of it; everything else is pydantic's to judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk import Job
from asyncapi.client.layer_settings import LayerSettings
from asyncapi.errors import ConfigError
from asyncapi.settings import (
    HTTP2,
    TLS,
    Adaptive,
    Breaker,
    Budget,
    Cache,
    Chaos,
    CostBudget,
    Cursor,
    Egress,
    Fallback,
    Hedge,
    LinkHeader,
    NextUrl,
    Offset,
    PageNumber,
    RateLimit,
    Retry,
    Timeout,
)  # fmt: skip
from asyncapi.settings.base import Seconds, _set, _validator, settings
from asyncapi.settings.checks import After, Bounds, Nonempty
from asyncapi.settings.plain import Unsure, plain_values

CLASSES = [
    HTTP2, TLS, Adaptive, Breaker, Budget, Cache, Chaos, CostBudget, Cursor, Egress, Fallback, Hedge, LinkHeader, NextUrl,
    Offset, PageNumber, RateLimit, Retry, Timeout, LayerSettings, Job,
]  # fmt: skip
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2000), st.sampled_from([10**400, 0.0, -0.0, 0.5, 1e9, 1e301]),
    st.floats(allow_nan=True), st.text(max_size=3), st.sampled_from(["p95", "client", "1.2", "learn", "aimd", b"x"]),
    st.sampled_from([(), [], (1,), (RateLimit(5),), (print,), {}, {"X-A": "b"}, {"a": 1}, {500: 0.1}, Path("x"), PurePath("x"),
                     frozenset({500}), frozenset({1}), frozenset({True}), frozenset(), frozenset({"x"}), Retry(), Budget(), Timeout(), Adaptive(), print]),
)  # fmt: skip


validator = cache(_validator)


def by_pydantic(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    value = made.__new__(made)
    validator(made)(value, args, kwargs)
    return value


def plainly(made: Any, values: dict[str, Any]) -> Any:
    """Make it as at the first time, before anything was given to pydantic."""
    value = made.__new__(made)
    _set(made, made.__init__.__wrapped__, value, values)
    return value


def said(make: Callable[..., Any], *given: Any) -> str:
    """The value as text, or its error."""
    try:
        return repr(make(*given))
    except ConfigError as error:
        return str(error)


@pytest.mark.parametrize("made", CLASSES, ids=lambda made: made.__name__)
@given(data=st.data())
def test_what_is_plain_becomes_what_pydantic_makes_of_it(made, data):
    names = [field.name for field in dataclasses.fields(made)]
    kwargs = data.draw(st.dictionaries(st.sampled_from(names), VALUES, max_size=3))
    args = tuple(data.draw(st.lists(VALUES, max_size=1)))
    try:
        values = plain_values(made, args, kwargs)
    except Unsure:
        return
    assert said(plainly, made, values) == said(by_pydantic, made, args, kwargs)


@settings
class Example:
    """Some of everything."""

    first: Seconds
    _: dataclasses.KW_ONLY
    count: Annotated[int, Bounds(ge=1, le=9, strict=True)] | None = None
    either: float | str = "x"
    kind: Literal["a", "b"] = "a"
    name: Annotated[str, Nonempty()] = "n"
    even: Annotated[int, After(lambda value: value)] = 2
    inner: Budget | None = None
    several: tuple[Budget, ...] = ()
    call: Callable[[], None] | None = None
    anything: Any = None


@pytest.mark.parametrize(
    ("args", "kwargs", "values"),
    [
        ((1.5,), {}, {"first": 1.5}),
        ((2,), {}, {"first": 2.0}),
        ((), {"first": 2.5, "count": 9, "kind": "b"}, {"first": 2.5, "count": 9, "kind": "b"}),
        (
            (1.0,),
            {"inner": Budget(), "several": (Budget(),)},
            {"first": 1.0, "inner": Budget(), "several": (Budget(),)},
        ),
        ((1.0,), {"either": 1.5, "anything": [1]}, {"first": 1.0, "either": 1.5, "anything": [1]}),
    ],
)
def test_the_very_type_within_its_bounds_is_plain(args, kwargs, values):
    taken = plain_values(Example, args, kwargs)
    assert taken == values
    assert [type(value) for value in taken.values()] == [type(value) for value in values.values()]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {}),
        ((0.0,), {}),
        ((True,), {}),
        (("1",), {}),
        ((float("nan"),), {}),
        ((10**400,), {}),
        ((1.0, 2), {}),
        ((1.0,), {"first": 1.0}),
        ((1.0,), {"nothing": 1}),
        ((1.0,), {"count": 10}),
        ((1.0,), {"count": True}),
        ((1.0,), {"either": 1}),
        ((1.0,), {"kind": "c"}),
        ((1.0,), {"name": "x"}),
        ((1.0,), {"even": 4}),
        ((1.0,), {"several": [Budget()]}),
        ((1.0,), {"several": (1,)}),
        ((1.0,), {"call": print}),
    ],
)
def test_what_needs_a_closer_look_is_left_to_pydantic(args, kwargs):
    with pytest.raises(Unsure):
        plain_values(Example, args, kwargs)
