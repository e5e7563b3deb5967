"""After any history of uses and refusals, the next key is one that may be used, if there is one."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.limits.bucket import Bucket
from asyncapi.sansio.limits.key_rotation import KeyState, Ring, read_limit

EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["take", "rest", "bar", "free", "served"]), st.floats(0, 5)),
    max_size=60,
)


@given(events=EVENTS, least_used=st.booleans())
def test_the_chosen_key_is_never_later_than_another(events, least_used):
    ring = Ring(
        [
            KeyState("a", [Bucket(1, 1, 1)]),
            KeyState("b", quota=10),
            KeyState("c", [Bucket(2, 1, 2), Bucket(10, 60, 10)]),
        ],
        least_used=least_used,
    )
    now = 0.0
    for index, what, seconds in events:
        key = ring.keys[index]
        now += seconds / 10
        if what == "take":
            chosen = ring.choose(now)
            waits = [one.wait(now) for one in ring.keys]
            if chosen is None:
                assert min(waits) == inf
                continue
            assert waits[chosen] == min(waits)
            if least_used:
                equal = [one.uses for one, wait in zip(ring.keys, waits, strict=True) if wait <= min(waits)]
                assert ring.keys[chosen].uses == min(equal)
            if waits[chosen] <= 0:
                ring.take(chosen, now)
        elif what == "rest":
            key.rest(now, seconds)
            assert key.wait(now) >= seconds - 1e-9
        elif what == "bar":
            key.bar(now + seconds, "401")
            assert key.wait(now) >= seconds - 1e-9
        elif what == "free":
            key.free()
        else:
            key.served()


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("status", "headers", "content", "limit"),
    [
        (429, {}, b"", (True, None)),
        (429, {"retry-after": "7"}, b"", (True, 7.0)),
        (429, {"retry-after": "0"}, b"", (True, None)),
        (429, {"retry-after": "1000000000"}, b"", (True, 86_400.0)),
        (429, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, b"", (True, 9.0)),
        (429, {"x-ratelimit-remaining": "5", "x-ratelimit-reset": "9"}, b"", (True, None)),
        (403, {"retry-after": "7"}, b"", (True, 7.0)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW + 9:.0f}"}, b"", (True, 9.0)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{(NOW + 9) * 1000:.0f}"}, b"", (True, 9.0)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": f"{NOW - 9:.0f}"}, b"", (True, None)),
        (403, {"x-ratelimit-remaining": "0"}, b"", (True, None)),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit. Please wait"}', (True, 60.0)),
        (403, {"retry-after": "9"}, b"You have exceeded a secondary rate limit", (True, 9.0)),
        (403, {}, b'{"message": "You have triggered an abuse detection mechanism."}', (True, 60.0)),
        (403, {}, b'{"message": "API rate limit exceeded for 1.2.3.4"}', (True, None)),
        (403, {}, b'{"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}', (True, None)),
        (403, {}, b'{"error": {"errors": [{"reason": "quotaExceeded"}]}}', (True, None)),
        (403, {}, b'{"message": "Resource not accessible by personal access token"}', (False, None)),
        (403, {"x-ratelimit-remaining": "59", "x-ratelimit-reset": "9"}, b"", (False, None)),
        (403, {}, b"", (False, None)),
        (401, {"x-ratelimit-remaining": "0", "retry-after": "9"}, b"rate limit exceeded", (False, None)),
        (503, {"retry-after": "9"}, b"", (False, None)),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, b"", (False, None)),
    ],
)
def test_which_responses_are_a_limits(status, headers, content, limit):
    assert read_limit(status, headers, content, NOW) == limit


def test_what_was_not_used_is_given_back():
    key = KeyState("a", [Bucket(1, 10, 1)], quota=1)
    key.take(0.0)
    assert key.wait(0.0) == inf
    key.give_back()
    assert (key.wait(0.0), key.uses) == (0.0, 0)


def test_keys_take_turns_even_where_one_is_skipped():
    ring, went = Ring([KeyState(name) for name in "abc"]), []
    for step in range(6):
        if step == 2:
            ring.keys[2].bar(inf, "401")
        index = ring.choose(0.0)
        ring.take(index, 0.0)
        went.append(ring.keys[index].name)
    assert went == ["a", "b", "a", "b", "a", "b"]


def test_rests_double_until_they_are_long_enough():
    key, lengths = KeyState("a"), []
    for _ in range(8):
        key.rest(0.0, None)
        lengths.append(key.rests_until)
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60]
    key.served()
    key.rests_until = -inf
    key.rest(0.0, None)
    assert key.rests_until == 1


def test_how_a_key_describes_itself():
    key = KeyState("a", [Bucket(1, 10, 1)], quota=2)
    assert key.describe(0) == "ready"
    key.take(0)
    assert key.describe(0) == "next token in 10 s"
    key.rest(0, 20)
    assert key.describe(0) == "rests for 20 s (429)"
    key.bar(30, "401")
    assert key.describe(0) == "in quarantine for 30 s (401)"
    key.bar(inf, "401")
    assert key.describe(0) == "in quarantine (401)"
    key.take(0)
    assert key.describe(0) == "its quota of 2 is used up"
