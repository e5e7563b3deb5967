"""The plots: SVG that stands alone, from the figures of a job."""

import xml.dom.minidom

import pytest

from asyncapi.bulk import plots
from asyncapi.bulk.tally import Tally


def tally(rows=200):
    counted = Tally()
    for number in range(rows):
        row = {
            "id": number,
            "ok": number % 10 != 0,
            "status": 200,
            "elapsed_ms": 1.0 + number,
            "error": "ServerError: 503",
        }
        counted.add(row, number / 20, retries=number % 3)
    return counted


@pytest.mark.parametrize("draw", [lambda t: plots.throughput(t, 10.0), lambda t: plots.retries(t, 10.0), plots.latency])
@pytest.mark.parametrize("rows", [1, 200])
def test_a_plot_is_svg_that_loads_nothing(draw, rows):
    svg = draw(tally(rows))
    assert xml.dom.minidom.parseString(svg).documentElement.tagName == "svg"
    assert "<image" not in svg
    assert "url(http" not in svg


def test_text_in_a_plot_stays_text():
    assert ">rows a second<" in plots.throughput(tally(), 10.0)
    assert "p95" in plots.latency(tally())


def test_only_the_largest_counts_are_bars():
    svg = plots.bars({f"Kind{number}": number for number in range(1, 30)}, {})
    assert "Kind29" in svg
    assert "Kind1<" not in svg


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0"), (12.34, "12.3 ms"), (1500, "1.5 s"), (60_000, "1 min"), (90_000, "1 min 30 s")]
)
def test_durations_are_written_for_people(ms, text):
    assert plots._duration(ms) == text
