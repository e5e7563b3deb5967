"""The report's style sheet has a dark page and a narrow one, and names only colours that both pages have."""

import re

from asyncapi.bulk.style import CSS


def test_a_dark_page_has_a_colour_for_everything_that_a_light_one_has():
    light, dark = re.findall(r":root\{(.*?)\}", CSS, re.DOTALL)
    names = set(re.findall(r"(--[\w-]+):", light))
    assert "prefers-color-scheme:dark" in CSS
    assert names == set(re.findall(r"(--[\w-]+):", dark))
    assert set(re.findall(r"var\((--[\w-]+)\)", CSS)) - {"--c"} <= names


def test_it_loads_nothing_and_has_a_layout_for_phones():
    assert "url(" not in CSS
    assert "@import" not in CSS
    assert "@media (max-width:760px)" in CSS
