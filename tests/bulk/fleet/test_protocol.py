"""In no order of events does a chunk's POST go out twice, or its row get lost: every interleaving is looked at.

Two workers, each frozen between any two steps; one killed, Redis emptied, or a call to it cut off.
"""

import pytest

from lease_model import Rules, search


@pytest.mark.parametrize(
    "events",
    [
        {"kills": 1},
        pytest.param({"restarts": 1}, marks=pytest.mark.soak),
        pytest.param({"slow": 1}, marks=pytest.mark.soak),
        pytest.param({"kills": 1, "restarts": 1}, marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_no_interleaving_sends_a_request_twice_or_loses_its_row(events):
    worlds, what, path = search(Rules(), **events)
    assert (what, path) == ("", [])
    assert worlds > 10_000


@pytest.mark.parametrize(
    ("without", "restarts"),
    [
        ({"looks_again": False}, 0),
        ({"quiet": False}, 1),
        ({"own_files": False, "starts_above_disk": False}, 1),
    ],
    ids=str,
)
def test_without_one_of_its_rules_the_protocol_fails(without, restarts):
    _, what, path = search(Rules(**without), restarts=restarts)
    assert what == "the request was sent twice", path
