"""The markers: values that may be written as a class, compared and shared."""

from __future__ import annotations

from typing import Annotated

import pytest

from asyncapi.declared.annotations import notes
from asyncapi.declared.markers import MARKERS, Body, Option, Path, Query


@pytest.mark.parametrize("marker", MARKERS)
def test_a_marker_may_be_its_class_or_an_instance(marker):
    assert notes(Annotated[str, marker]) == notes(Annotated[str, marker()]) == [marker()]


@pytest.mark.parametrize("marker", [marker for marker in MARKERS if marker is not Body])
def test_a_marker_may_name_the_place(marker):
    assert marker("other").name == "other"
    assert marker().name is None
    assert marker("other") == marker("other") != marker("another")


def test_markers_can_not_be_changed():
    with pytest.raises(AttributeError):
        Query("a").name = "b"


def test_other_notes_of_an_annotation_are_no_markers():
    assert notes(Annotated[str, "text", 5, Option("wait"), Path]) == [Option("wait"), Path()]
