"""A plot is SVG that stretches, with labels that don't; it loads nothing, and nothing in it is markup from outside."""

import re
import xml.dom.minidom

from asyncapi.bulk.plots import Band, Mark, Series, distribution, over_time
from asyncapi.bulk.scales import compact, logarithmic

EDGES = [0.0, 1.0, 2.0, 3.0]


def svg(html):
    found = re.search(r"<svg.*</svg>", html, re.DOTALL)
    return xml.dom.minidom.parseString(found[0]).documentElement


def paths(html, kind):
    return [path for path in svg(html).getElementsByTagName("path") if path.getAttribute("class") == kind]


def test_one_drawing_fits_every_width():
    root = svg(over_time(EDGES, [Series("ok", "--good", [1, 2, 3])], text=compact))
    assert root.getAttribute("preserveAspectRatio") == "none"
    assert not root.getElementsByTagName("text")


def test_a_line_breaks_off_where_there_is_no_value():
    html = over_time(EDGES, [Series("p50", "--calm", [1.0, None, 3.0])], text=compact)
    assert len(paths(html, "line")) == 2
    assert len(paths(over_time(EDGES, [Series("x", "--calm", [1.0, 2.0, 3.0])], text=compact), "line")) == 1
    assert not paths(over_time(EDGES, [Series("x", "--calm", [None] * 3)], text=compact), "line")


def test_bands_lie_where_something_was_so_and_held_rows_are_strips():
    bands = [Band("paused", "--pause", [0, 1, 0]), Band("held back by pace", "--third", [1, 0, 0.5], strip=0)]
    html = over_time(EDGES, [Series("ok", "--good", [1, 0, 2], filled=True)], text=compact, bands=bands)
    (paused,) = paths(html, "band")
    assert paused.getAttribute("d") == "M333.3 0H666.7V100H333.3z"
    assert [strip.getAttribute("d") for strip in paths(html, "strip")] == [
        "M0.0 0H333.3V4H0.0z",
        "M666.7 0H1000.0V4H666.7z",
    ]
    assert "paused</span>" in html


def test_a_pointer_shows_the_figures_of_a_span():
    html = over_time(
        EDGES, [Series("ok", "--good", [1, 20, 3])], text=compact, bands=[Band("paused", "--pause", [0, 1, 0])]
    )
    titles = [path.getElementsByTagName("title")[0].firstChild.data for path in paths(html, "over")]
    assert titles == ["0: ok 1", "1 s: ok 20, paused", "2 s: ok 3"]


def test_a_limit_far_above_the_figures_does_not_flatten_them():
    near, far = (
        over_time(EDGES, [Series("ok", "--good", [1, 2, 3])], text=compact, mark=Mark("limit", "--text", value))
        for value in (4, 1000)
    )
    assert paths(near, "mark")
    assert not paths(far, "mark")
    assert ">1,000<" not in far


def test_names_are_escaped():
    html = over_time(
        EDGES, [Series("<b>x", "--good", [1, 2, 3])], text=compact, bands=[Band("<i>", "--bad", [1, 1, 1])]
    )
    assert "<b>" not in html
    assert "<i>" not in html
    svg(html)


def test_a_distribution_marks_its_quantiles():
    bins = [(1.0, 2.0, 3), (2.0, 4.0, 10), (64.0, 128.0, 1)]
    html = distribution(bins, [Mark("p50", "--calm", 3.0), Mark("p99", "--bad", 100.0)], logarithmic(1, 128))
    assert len(paths(html, "bin")) == 3
    assert len(paths(html, "mark")) == 2
    assert "p99 100 ms" in html
    assert "2 ms to 4 ms: 10" in html
