"""Codes have names, and events of one kind compare by what they say."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2 import events as ev


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "NO_ERROR"),
        (7, "REFUSED_STREAM"),
        (0xB, "ENHANCE_YOUR_CALM"),
        (0xD, "HTTP_1_1_REQUIRED"),
        (99, "error 0x63"),
    ],
)
def test_codes_are_named_as_rfc_9113_names_them(code, name):
    assert ev.code_name(code) == name


def test_events_of_different_kinds_are_never_equal():
    assert ev.Interim(1, 103, ()) == ev.Interim(1, 103, ())
    assert ev.Trailers(1, ()) != ev.Window(1)
    assert ev.Reset(1, 8) != ev.Reset(1, 8, ours=True)


def test_a_fault_inside_an_engine_says_its_code_and_why():
    fault = ev.ConnectionFault(1, "so")
    assert (fault.code, fault.why, str(fault)) == (1, "so", "so")
