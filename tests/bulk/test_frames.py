"""Frames of each kind are read in rows of Python's own types, and made of typed columns."""

from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from asyncapi.bulk.columns import Column
from asyncapi.bulk.frames import FrameRows, frame_of, values


def rows(data):
    return [row for _, row in FrameRows(frame_of(data)).read()]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_rows_are_read_in_batches_with_python_values(make):
    data = make({"i": list(range(2500)), "s": [f"t{n}" for n in range(2500)]})
    found = rows(data)
    assert len(found) == 2500
    assert found[2400] == {"i": 2400, "s": "t2400"}
    assert type(found[0]["i"]) is int


def test_values_of_pandas_become_those_of_python():
    data = pd.DataFrame(
        {
            "o": [np.int64(3)],
            "a": [np.array([1, 2])],
            "t": [pd.Timestamp("2024-01-02")],
            "n": [pd.NA],
            "x": [Decimal(1)],
            5: [1.0],
        },
        dtype=object,
    )
    [row] = rows(data)
    assert row == {"o": 3, "a": [1, 2], "t": datetime(2024, 1, 2), "n": None, "x": Decimal(1), "5": 1.0}
    assert type(row["o"]) is int


@pytest.mark.parametrize(
    ("found", "kind", "cells"),
    [
        ([1, None, 2], "int", [1, None, 2]), ([1, 2.5], "real", [1, 2.5]), ([True, None], "bool", [True, None]),
        (["a", 1, True], "text", ["a", "1", "true"]), ([[1], "x"], "text", ["[1]", "x"]), ([None], "text", [None]),
        ([1, True], "text", ["1", "true"]), ([2**70, "x"], "text", [str(2**70), "x"]),
    ],
)  # fmt: skip
def test_a_selected_column_has_the_type_that_all_its_values_have(found, kind, cells):
    made = [{"ok": True, "k": value} for value in found]
    assert values(Column("k", "any", "k"), made, [], objects=False) == (kind, cells)


def test_nested_values_are_objects_where_a_column_may_hold_them():
    made = [{"ok": True, "k": value} for value in ([1], None, "x")]
    assert values(Column("k", "any", "k"), made, [], objects=True) == ("object", [[1], None, "x"])


def test_data_that_is_null_is_told_from_no_data():
    made = [{"ok": True, "data": None}, {"ok": False}]
    assert values(Column("data", "json", "data"), made, [], objects=False) == ("json", ["null", None])
