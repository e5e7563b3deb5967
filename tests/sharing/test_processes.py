"""Real processes that share a quota by a real Redis: together they never send more, whatever happens to it or to them.

`benchmarks/shared_quota.py` measures how much they send; a busy machine may make it less.
"""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("uvloop")
pytest.importorskip("redis")
shared_quota = pytest.importorskip("shared_quota")

QUOTA = shared_quota.RATE


@pytest.mark.skipif(not (shutil.which("redis-server") or shutil.which("valkey-server")), reason="no redis-server")
@pytest.mark.parametrize(
    "event",
    [
        "",
        "emptied",
        "worker",
        "stalled",
        pytest.param("killed", marks=pytest.mark.soak),
        pytest.param("frozen", marks=pytest.mark.soak),
    ],
)
def test_processes_together_keep_to_the_quota(event):
    scenario = shared_quota.Scenario(event or "nothing happens", workers=3, event=event, callers=40)
    seen = shared_quota.measure(scenario, 12.0 if event in {"killed", "frozen"} else 4.0)
    accepted, refused = seen["accepted a second"], seen["429s, %"]
    assert accepted <= 1.03 * QUOTA, seen
    assert refused < 5.0, seen
    assert all(count > 0 for count in seen["by worker"].values()), seen


def test_processes_together_keep_to_the_quota_without_redis():
    seen = shared_quota.measure(shared_quota.Scenario("away", workers=3, redis=False, callers=40), 4.0)
    assert seen["accepted a second"] <= 1.03 * QUOTA, seen
    assert seen["429s, %"] < 5.0, seen
    assert seen["trips a request"] == 0
