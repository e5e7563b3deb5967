"""What the live screen draws is never wider than the terminal, and leaves nothing out."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from asyncapi.bulk.progress import HostProgress
from asyncapi.cli.drawing import drawn
from shown import FACTS, LOOK


def lines(progress, width, name="in.txt → out.jsonl"):
    return drawn(progress, name, width, 200_000.0).plain.split("\n")


@pytest.mark.parametrize("width", [200, 120, 80, 60, 46])
def test_it_shows_everything_at_any_width(width):
    shown = lines(LOOK, width)
    assert max(map(cell_len, shown)) <= width
    assert [fact for fact in FACTS if fact not in "\n".join(shown)] == []


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_long_names_are_cut_in_the_middle(width):
    hosts = (HostProgress("a" * 90 + ".example.com:8443", 5, 1, None), HostProgress("b", 3, 0, 2.0))
    name = "/data/" + "sub/" * 40 + "in.txt → 出力" + "力" * 40 + ".jsonl"
    shown = lines(replace(LOOK, hosts=hosts, notes=("x" * 200,)), width, name)
    assert max(map(cell_len, shown)) <= width
    assert any("…" in line and line.endswith(".jsonl") for line in shown)
    assert any("example.com:8443" in line or "…" in line for line in shown if "5 rows" in line)


def test_on_a_narrow_terminal_the_names_of_hosts_give_way_first():
    shown = lines(LOOK, 46)
    assert any(line.startswith("api.e") and line.endswith("2,300 rows, 380 failed, p50 40 ms") for line in shown)


def test_a_stream_has_no_total_and_no_eta():
    shown = "\n".join(lines(replace(LOOK, total=None, eta=None), 80))
    assert "2,500 rows" in shown
    assert "%" not in shown
    assert "ETA" not in shown


def test_while_the_input_is_read_there_is_no_bar():
    shown = lines(replace(LOOK, phase="reading", done=0), 80)
    assert shown[0].startswith("reading")
    assert not any("─" in line for line in shown)


def test_the_bar_is_as_full_as_the_job():
    for done, full in ((0, 0), (5_000, 0.5), (10_000, 1)):
        bar = lines(replace(LOOK, done=done), 80)[1]
        assert bar.count("━") == int(full * (bar.count("━") + bar.count("─")))
    assert (
        "100 %" in lines(replace(LOOK, total=0, done=0), 80)[1] or "0 %" in lines(replace(LOOK, total=0, done=0), 80)[1]
    )


def test_a_single_host_has_no_line():
    assert not any("rows," in line for line in lines(replace(LOOK, hosts=()), 80))
