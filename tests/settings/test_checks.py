"""Bounds and functions of a setting: pydantic enforces them, in its own words."""

from __future__ import annotations

from math import inf, nan
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from asyncapi.settings.checks import After, Before, Bounds, Nonempty

BOUNDS = st.builds(
    Bounds,
    ge=st.none() | st.integers(-3, 3),
    gt=st.none() | st.integers(-3, 3),
    le=st.none() | st.integers(-3, 3),
    lt=st.none() | st.integers(-3, 3),
    finite=st.booleans(),
)


@given(BOUNDS, st.floats() | st.integers(-4, 4).map(float) | st.sampled_from([inf, -inf, nan]))
def test_bounds_that_hold_hold_for_pydantic_too(bounds, value):
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[float, bounds])
    if bounds.hold(value):
        assert adapter.validate_python(value) == value
    elif -1e300 < value < 1e300:
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (Annotated[int, Bounds(ge=1)], 0, "greater than or equal to 1"),
        (Annotated[int, Bounds(gt=1)], 1, "greater than 1"),
        (Annotated[int, Bounds(le=1)], 2, "less than or equal to 1"),
        (Annotated[int, Bounds(lt=1)], 1, "less than 1"),
        (Annotated[int, Bounds(strict=True)], "1", "valid integer"),
        (Annotated[float, Bounds(finite=True)], inf, "finite number"),
        (Annotated[str, Nonempty()], "", "at least 1 character"),
    ],
)
def test_a_value_out_of_bounds_is_refused_in_pydantic_s_words(hint, value, message):
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(hint).validate_python(value)


def test_a_function_runs_before_or_after_the_type_is_checked():
    assert TypeAdapter(Annotated[int, After(lambda value: value + 1)]).validate_python("1") == 2
    assert TypeAdapter(Annotated[int, Before(lambda value: value + "1")]).validate_python("1") == 11


def test_an_error_of_a_function_is_pydantic_s():
    def refuse(value: Any) -> Any:
        raise ValueError(f"not {value}")

    for check in (After(refuse), Before(refuse)):
        with pytest.raises(ValidationError, match="not 1"):
            TypeAdapter(Annotated[int, check]).validate_python(1)
