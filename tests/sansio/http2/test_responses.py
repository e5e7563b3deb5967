"""The lines of a head are read as RFC 9113 section 8 says: each rule by itself."""

from __future__ import annotations

import pytest

from asyncapi.sansio.http2.responses import TOO_LARGE, CheckedSections, Section, Sections, wrong

OK = (b":status", b"200")


def read(*lines: tuple[bytes, bytes], most: int = 1_000) -> Section:
    return Sections(most).read(lines)


def test_a_head_has_a_status_and_fields_in_their_order():
    section = read(OK, (b"b", b"1"), (b"a", b"h\xc3\xa9\xff"), (b"b", b""))
    assert section == Section(200, (("b", "1"), ("a", "h\u00e9\udcff"), ("b", "")), None, "")


def test_trailers_have_no_status():
    assert read((b"a", b"b")) == Section(0, (("a", "b"),), None, "")


def test_content_length_is_read_and_kept():
    assert read(OK, (b"content-length", b"12")) == Section(200, (("content-length", "12"),), 12, "")


@pytest.mark.parametrize(
    "lines",
    [
        (OK, OK),
        ((b"a", b"b"), OK),
        (OK, (b":path", b"/")),
        ((b":status", b""),),
        ((b":status", b"20"),),
        ((b":status", b"2000"),),
        ((b":status", b"099"),),
        ((b":status", b"+20"),),
        ((b":status", "\u0662\u0660\u0660".encode()),),
        (OK, (b"content-length", b"1"), (b"content-length", b"1")),
        (OK, (b"content-length", b"")),
        (OK, (b"content-length", b"-1")),
        (OK, (b"content-length", b"1, 1")),
        (OK, (b"content-length", b"9" * 19)),
        (OK, (b"Upper", b"x")),
        (OK, (b"connection", b"x")),
    ],
)
def test_what_is_malformed_is_told(lines):
    section = read(*lines)
    assert section.why
    assert section.fields == ()


@pytest.mark.parametrize("name", [b"", b"A", b"a b", b"a:", b"\xc3\xa9", b"a\0", b"\x7f", b"(a)"])
def test_names_that_no_field_may_have(name):
    assert wrong(name, b"x")


@pytest.mark.parametrize("value", [b"\0", b"a\nb", b"a\rb", b"\x01", b"\x7f", b" a", b"a ", b"\ta", b"a\t"])
def test_values_that_no_field_may_have(value):
    assert wrong(b"a", value)


@pytest.mark.parametrize("value", [b"", b"a b", b"a\tb", b"\x80\xff", b"!~"])
def test_values_that_a_field_may_have(value):
    assert wrong(b"a", value) == ""


@pytest.mark.parametrize(
    "name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"]
)
def test_fields_of_http_1_connections(name):
    assert wrong(name, b"x")
    assert wrong(b"te", b"trailers") == ""


def test_size_counts_names_values_and_32_a_field():
    assert read(OK, (b"a", b"b"), most=42 + 34).why == ""
    assert read(OK, (b"a", b"b"), most=42 + 33).why is TOO_LARGE


def test_few_lines_are_remembered():
    sections = Sections(1_000)
    for at in range(2_000):
        assert sections.read((OK, (b"a", b"%d" % at))).fields == (("a", str(at)),)
    assert len(sections._known) <= 256


def test_checked_sections_are_read_as_all_others():
    checked, sections = CheckedSections(42 + 34 * 20), Sections(42 + 34 * 20)
    for count in (0, 1, 5, 20, 21):
        for first in ((OK,), ()):
            lines = (*first, *[(b"a", b"\xff")] * count)
            assert checked.read(lines) == checked.read(lines) == sections.read(lines)


def test_few_checked_sections_are_remembered_and_no_long_ones():
    checked = CheckedSections(10_000)
    lines = (OK, (b"a", b"b"))
    assert checked.read(lines) is checked.read((OK, (b"a", b"b")))
    for at in range(2_000):
        checked.read((OK, (b"a", b"%d" % at)))
    assert len(checked._known) <= 256
    long = (OK, *[(b"a", b"b")] * 20)
    checked.read(long)
    assert long not in checked._known


def test_a_remembered_line_still_counts():
    sections = Sections(42 + 34)
    assert sections.read((OK, (b"a", b"b"))).why == ""
    assert sections.read((OK, (b"a", b"b"), (b"a", b"b"))).why is TOO_LARGE
