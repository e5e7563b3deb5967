"""JSON that the fast reader and writer refuse: cut emoji, deep nesting, and numbers that JSON doesn't have."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from asyncapi.messages.json_text import LEVELS, deep, mended, strict, written, written_anyhow


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (rb'"caf\ud83d"', "caf�"),
        (rb'"\ud83d and \uDE00"', "� and �"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud83d"', r"\ud83d"),  # an escaped backslash, no escape
        (rb'"\\\ud83d"', "\\�"),
    ],
)
def test_half_of_a_surrogate_pair_becomes_the_replacement_character(given, read):
    assert json.loads(mended(given)) == read


def test_text_without_halves_is_the_same_object():
    for content in (b'{"a":1}', rb'"\ud83d\ude00"', rb'"\\ud83d"'):
        assert mended(content) is content


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize("levels", [1, 250, LEVELS])
def test_nesting_is_read_up_to_the_limit(levels):
    assert json.dumps(deep(nested(levels))) == nested(levels).decode()


@pytest.mark.parametrize("levels", [LEVELS + 1, 5_000, 200_000])
def test_deeper_nesting_is_an_error_and_no_recursion_error(levels):
    with pytest.raises(ValueError, match="it is nested deeper than 500 levels"):
        deep(nested(levels))


def test_what_is_no_json_is_an_error():
    with pytest.raises(ValueError, match="Expecting"):
        deep(b"[" * 300)


@pytest.mark.parametrize(
    ("content", "is_strict"), [(b"[1.5]", True), (b'["NaN"]', True), (b"[NaN]", False), (b"[-Infinity]", False)]
)
def test_numbers_that_json_does_not_have_are_found_outside_of_texts(content, is_strict):
    assert strict(content) is is_strict


def down(levels: int) -> list:
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_data_deeper_than_the_fast_writer_goes_is_written():
    assert written(down(400)) == nested(400)


def test_data_too_deep_for_any_writer_is_an_error():
    with pytest.raises(ValueError, match="it is nested too deep"):
        written(down(100_000))


def test_dates_are_written_deep_down_as_they_are_above():
    value: object = datetime(2026, 1, 2, tzinfo=UTC)
    shallow = written([value])
    for _ in range(300):
        value = [value]
    assert shallow[1:-1] in written(value)


@pytest.mark.parametrize("value", [{"a": object()}, {1: object}, {("a", "b"): object()}])
def test_what_json_can_not_represent_is_an_error(value):
    with pytest.raises(ValueError, match=r".+"):
        written(value)


class Shown:
    def __str__(self) -> str:
        return "shown"


class Unwritable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([float("nan"), float("inf")], b"[null,null]"),
        (["caf\ud83d"], rb'["caf\ud83d"]'),
        ([Unwritable()], b'["<Unwritable>"]'),
        ([Shown()], b'["shown"]'),
    ],
)
def test_anything_is_written_for_records(value, text):
    assert written_anyhow(value) == text


def test_records_keep_numbers_and_halves_apart_from_texts_that_look_like_them():
    value: object = ["NaN", float("nan"), "\ud83d"]
    for _ in range(300):
        value = [value]
    assert rb'["NaN",null,"\ud83d"]' in written_anyhow(value)
