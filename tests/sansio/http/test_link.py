"""Link headers, read as RFC 8288 says, and as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.http.link import Link, link_to, links

NEXT = "https://h/items?page=2"

CASES = [
    # GitHub's, and the examples of RFC 8288 section 3.5
    ('<https://h/items?page=2>; rel="next", <https://h/items?page=9>; rel="last"', NEXT),
    ('<https://h/items?page=1>; rel="prev", <https://h/items?page=2>; rel="next"', NEXT),
    ('<https://h/items?page=2>; rel="previous next"', NEXT),
    ("<https://h/items?page=2>; rel=next", NEXT),
    ("<https://h/items?page=2>;rel=NEXT", NEXT),
    ("<https://h/items?page=2> ; REL = Next ; title=x", NEXT),
    ('<https://h/items?page=2>; title="a, b; rel=\\"prev\\" <x>"; rel="next"', NEXT),
    ('<https://h/a,b;c>; rel="next"', "https://h/a,b;c"),
    ('</items?page=2>; rel="next"', "/items?page=2"),
    ('<?page=2>; rel="next"', "?page=2"),
    ('<>; rel="next"', ""),
    ('< https://h/items?page=2 >; rel="next"', NEXT),
    (',, ,<https://h/items?page=2>; rel="next",', NEXT),
    ("<https://h/items?page=2>; rel='next'", NEXT),
    # no next page
    ("", None),
    ("<https://h/items?page=2>", None),
    ('<https://h/items?page=1>; rel="prev"', None),
    ('<https://h/items?page=2>; rel="nextish"', None),
    # only the first rel counts; a link about something else is none of ours
    ("<https://h/1>; rel=prev; rel=next", None),
    ('<https://h/1>; rel="next"; anchor="#part", <https://h/items?page=2>; rel="next"', NEXT),
    # the first of several
    ("<https://h/items?page=2>; rel=next, <https://h/3>; rel=next", NEXT),
    # what is no link is passed over
    ("nonsense, <https://h/items?page=2>; rel=next", NEXT),
    ("<https://h/broken; rel=prev", None),
    ('<https://h/1>; rel="prev, <https://h/items?page=2>; rel=next', NEXT),
]


@pytest.mark.parametrize(("field", "found"), CASES)
def test_the_next_page_is_found_wherever_the_header_has_it(field, found):
    assert link_to([field], "next") == found


def test_several_fields_make_one_list():
    fields = ["<https://h/1>; rel=prev", '<https://h/items?page=2>; rel="next"']
    assert link_to(fields, "next") == NEXT
    assert [link.target for link in links(fields)] == ["https://h/1", NEXT]


def test_relations_of_ones_own_are_urls():
    field = '<https://h/2>; rel="https://example.com/rels/More next"'
    assert link_to([field], "https://example.com/rels/more") == "https://h/2"


def test_escapes_in_quoted_values_are_resolved():
    assert next(links(['<https://h/>; title="say \\"hi\\""'])) == Link("https://h/", (), {"title": 'say "hi"'})


@given(st.text(alphabet='<>;,="\\ relnxtp/', max_size=200))
def test_any_text_is_read_to_its_end(field):
    for link in links([field]):
        assert isinstance(link.target, str)


TARGETS = st.text(alphabet="abc/?=&,;:", min_size=1, max_size=20)
TITLES = st.text(alphabet='ab,;<>="\\ ', max_size=20)


@given(st.lists(st.tuples(TARGETS, TITLES, st.sampled_from(["next", "prev", "last"])), max_size=6))
def test_what_is_written_is_read_again(written):
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    field = ", ".join(f"<{target}>; title={quoted(title)}; rel={quoted(rel)}" for target, title, rel in written)
    read = [(link.target, link.params["title"], link.rels) for link in links([field])]
    assert read == [(target, title, (rel,)) for target, title, rel in written]


@pytest.mark.parametrize("part", [",<", "<>;", '<>;a="', ",", "<>; rel=x,", " "])
def test_a_hostile_header_costs_no_more_than_its_length(part):
    assert link_to([part * 200_000 + ">"], "next") is None
