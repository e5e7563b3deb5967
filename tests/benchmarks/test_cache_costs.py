"""The benchmark of the cache: every contestant responds as it should, and what can't be measured is named."""

import asyncio

import cache
import pytest
from cache_contestants import CONTESTANTS, FLOOR, MEMORY, SQLITE, respond

KINDS = [f"{kind} {size}" for kind in ("hit", "revalidated", "miss") for size in (200, 8192)]


def measured(folder, monkeypatch, **contestants):
    monkeypatch.setattr(cache, "CONTESTANTS", contestants)
    return asyncio.run(cache.measure(1, 0.001, folder, ""))


def tabled(header, rows):
    yield from rows


@pytest.mark.parametrize("size", [200, 8192])
def test_a_response_has_its_size_and_a_known_etag_gets_a_304(size):
    status, headers, body = respond(f"/fresh/{size}/1", None)
    assert (status, len(body), headers["Cache-Control"]) == (200, size, "max-age=86400")
    assert respond(f"/stale/{size}/1", '"v1"')[0::2] == (304, b"")
    assert respond(f"/stale/{size}/1", '"v0"')[0] == 200


def test_our_caches_are_measured_in_each_kind_and_size(tmp_path, monkeypatch):
    ours = {name: CONTESTANTS[name] for name in (FLOOR, MEMORY, SQLITE)}
    results = measured(tmp_path, monkeypatch, **ours)
    assert {name: list(figures) for name, figures in results.items()} == dict.fromkeys(ours, KINDS)
    assert all(one["cpu_us"] > 0 < one["us"] for each in results.values() for one in each.values())
    assert [what for what, *_ in cache.bars(results)] == [f"A hit of the cache: {name}" for name in (MEMORY, SQLITE)]
    assert [len(row) for row in list(cache.render(results, tabled))[2:]] == [7, 7, 7]


@pytest.mark.parametrize("name", [name for name in CONTESTANTS if "hishel" in name or "requests" in name])
def test_other_caches_are_measured_where_they_are_installed(name, tmp_path, monkeypatch):
    found = measured(tmp_path, monkeypatch, **{name: CONTESTANTS[name]})[name]
    assert list(found) == KINDS or "No module named" in found["error"] or "not installed" in found["error"]


def test_one_that_responds_in_another_way_is_left_out_with_the_reason(tmp_path, monkeypatch):
    results = measured(tmp_path, monkeypatch, **{"it, Redis": CONTESTANTS["asyncapi, Redis"], "it": CONTESTANTS[FLOOR]})
    assert results["it, Redis"] == {"error": "redis-server is not installed"}
    assert results["it"] == {"error": "/fresh/200/0 came as '', not as 'fresh'"}
    assert list(cache.bars(results)) == []
    assert "not measured" in list(cache.render(results, tabled))[2][1]


def test_the_bars_judge_the_dearer_size():
    figures = {kind: {"cpu_us": 10.0, "us": 10.0} for kind in KINDS} | {"hit 8192": {"cpu_us": 61.0, "us": 70.0}}
    assert [reached for *_, reached in cache.bars({MEMORY: figures, SQLITE: figures})] == [False, False]
