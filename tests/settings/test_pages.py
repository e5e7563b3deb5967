"""The settings of pagination: defaults, what is refused, and the strategy that each makes."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError
from asyncapi.settings import Cursor, LinkHeader, NextUrl, Offset, PageNumber

PLACE = "write it like 'data.items' or 'header:X-Next'"


def test_the_defaults_are_the_usual_names():
    assert (PageNumber().param, PageNumber().start, PageNumber().total) == ("page", 1, "total")
    assert (Offset().param, Offset().start, Offset().size_param) == ("offset", 0, "limit")
    assert (Cursor().param, Cursor().at) == ("cursor", "next_cursor")
    assert (LinkHeader().rel, NextUrl().at) == ("next", "next")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PageNumber(""), "PageNumber(param=''): String should have at least 1 character"),
        (lambda: PageNumber(size=0), "PageNumber(size=0): Input should be greater than or equal to 1"),
        (lambda: PageNumber(start=-1), "PageNumber(start=-1): Input should be greater than or equal to 0"),
        (lambda: PageNumber(total="a..b"), "PageNumber(total='a..b'): 'a..b' "),
        (lambda: Offset(start=-1), "Offset(start=-1): Input should be greater than or equal to 0"),
        (lambda: Offset(total=""), "Offset(total=''): '' "),
        (lambda: Cursor(""), "Cursor(param=''): String should have at least 1 character"),
        (lambda: Cursor(at="header:"), "Cursor(at='header:'): 'header:' "),
        (lambda: Cursor(more="a..b"), "Cursor(more='a..b'): 'a..b' "),
        (lambda: LinkHeader(""), "LinkHeader(rel=''): String should have at least 1 character"),
        (lambda: NextUrl(""), "NextUrl(at=''): '' "),
        (lambda: PageNumber(size_param="n").strategy(), "PageNumber(size_param='n'): give size= too"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, message):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(message)
    if message.endswith("' "):
        assert str(caught.value).endswith(PLACE)


@pytest.mark.parametrize("chosen", [PageNumber(), Offset(size=50), Cursor(), LinkHeader(), NextUrl()])
def test_each_run_has_a_strategy_of_its_own(chosen):
    assert chosen.strategy() is not chosen.strategy()


def test_an_offset_sends_a_page_size_only_where_one_is_given():
    assert Offset().strategy().ask({"offset": None}) == (None, {"offset": 0})
    assert Offset(size=50).strategy().ask({"offset": 100}) == (None, {"limit": 50, "offset": 100})
