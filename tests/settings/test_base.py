"""Settings are frozen and validated once: a wrong value is one line that names the setting and says what to give."""

from __future__ import annotations

import dataclasses

import pytest
from pydantic import field_validator

from asyncapi.errors import ConfigError
from asyncapi.settings.base import Seconds, settings


@settings
class Inner:
    """Settings inside of others."""

    size: int = 1


@settings
class Example:
    """Some of everything."""

    first: Seconds
    _: dataclasses.KW_ONLY
    second: int = 2
    inner: Inner | None = None
    several: tuple[int, ...] = ()

    @field_validator("second")
    @classmethod
    def _even(cls, second: int) -> int:
        if second % 2:
            raise ValueError("give an even number")
        return second


@pytest.mark.parametrize(
    ("arguments", "named", "message"),
    [
        ((0,), {}, "Example(first=0): Input should be greater than 0"),
        ((float("inf"),), {}, "Example(first=inf): Input should be a finite number"),
        ((), {}, "Example: give first="),
        ((1, 2), {}, "Example(second=2): give it by name"),
        ((1,), {"secund": 2}, "Example(secund=2): there is no such setting; did you mean second=?"),
        ((1,), {"zzz": 2}, "Example(zzz=2): there is no such setting"),
        ((1,), {"second": 3}, "Example(second=3): give an even number"),
        ((1,), {"inner": True}, "Example(inner=True): give Inner(...)"),
        (
            (1,),
            {"several": (1, "x")},
            "Example(several.1='x'): Input should be a valid integer, unable to parse string",
        ),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(arguments, named, message):
    with pytest.raises(ConfigError) as caught:
        Example(*arguments, **named)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_settings_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Example(1.0).second = 4


def test_equal_settings_are_equal_and_hash_alike():
    assert Example(1.0) == Example(1)
    assert hash(Example(1.0)) == hash(Example(1.0, second=2))
    assert Example(1.0) != Example(1.0, second=4)


def test_settings_can_be_copied_with_a_change_that_is_validated_too():
    assert dataclasses.replace(Example(1.0), second=4).second == 4
    with pytest.raises(ConfigError, match="give an even number"):
        dataclasses.replace(Example(1.0), second=5)


def test_a_class_may_be_shown_under_another_name():
    class Hidden:
        shown_as = "Face"
        size: int = 1

    with pytest.raises(ConfigError, match=r"^Face\(size='x'\)"):
        settings(Hidden)(size="x")
