"""Both engines make the same of the same server, however its bytes are cut.

A longer run: `python tests/sansio/http2/test_engines_agree.py 100000`, from a seed of your choice as second argument.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("hpack")
pytest.importorskip("ngh2")

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2] / "support"))

from http2_peer import Seen, cuts, differences, scenario, seen, single


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_both_engines_make_the_same_of_any_server(random):
    steps = scenario(random)
    assert differences(seen("pure", steps), seen("ngh2", steps)) == []


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_an_engine_makes_the_same_of_bytes_however_they_are_cut(random):
    steps = scenario(random)
    for name in ("pure", "ngh2"):
        whole = seen(name, steps)
        assert differences(whole, seen(name, steps, cuts(random))) == []
        assert differences(whole, seen(name, steps, single)) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_both_engines_make_the_same_of_many_servers(seed):
    assert list(disagreements(1_000, seed * 1_000)) == []


def test_differences_are_seen():
    steps = [("bytes", b"\0\0\0\4\0\0\0\0\0"), ("ask", "GET", None)]
    one, other = seen("pure", steps), seen("pure", steps)
    assert differences(one, other) == []
    for change in (
        {"fault": 1},
        {"streams": {1: [("head", 200, ())]}},
        {"connection": ["settings", ("last", False, 1, 1, 99, 100)]},
        {"taken": [(1, 5)]},
        {"written": {}},
    ):
        assert differences(one, Seen(**{**vars(other), **change}))


def disagreements(count: int, first: int):
    """Every seed, of `count`, on which the engines disagree, and what about."""
    for seed in range(first, first + count):
        steps = scenario(Random(seed))
        runs = {name: seen(name, steps) for name in ("pure", "ngh2")}
        found = differences(*runs.values())
        for name, whole in runs.items():
            found += differences(whole, seen(name, steps, cuts(Random(seed))))
        if found:
            yield seed, found


if __name__ == "__main__":
    total, begin = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    failed = 0
    for seed, found in disagreements(total, begin):
        failed += 1
        print(f"seed {seed}:", *found, sep="\n  ", flush=True)
    print(f"{total} scenarios, {failed} disagreements")
    sys.exit(1 if failed else 0)
