"""Known secrets are found wherever they stand, a few by a pattern and thousands by a look-up, alike."""

import pytest

from asyncapi.testing.cassettes.sweep import Sweep

TEXTS = ["abc123", "abc123xyz789", "tok_1", "a.b+c(d)e", "tok_long_one"]
CASES = [
    ("abc123xyz789 and abc123", "<abc123xyz789> and <abc123>"),
    ("xabc123 abc1234 abc123.", "xabc123 abc1234 <abc123>."),
    ("tok_1tok_long_onetok_1", "tok_1<tok_long_one>tok_1"),
    ("?q=a.b+c(d)e&", "?q=<a.b+c(d)e>&"),
    ("", ""),
    ("abc", "abc"),
]


@pytest.mark.parametrize("more", [0, 5000])
@pytest.mark.parametrize(("text", "after"), CASES)
def test_the_longest_from_the_left_and_short_ones_alone(text, after, more):
    sweep = Sweep()
    sweep.add(TEXTS)
    sweep.add(f"secret-{number:05}-z" for number in range(more))
    assert sweep.replaced(text, lambda found: f"<{found}>") == after
    assert sweep.replaced("secret-00007-z", lambda _: "*") == ("*" if more else "secret-00007-z")


def test_more_may_be_added_at_any_time():
    sweep = Sweep()
    assert sweep.replaced("abc123", lambda _: "*") == "abc123"
    sweep.add(["abc123"])
    assert sweep.replaced("abc123", lambda _: "*") == "*"
    sweep.add(f"number-{number}" for number in range(100))
    assert sweep.replaced("abc123 number-99", lambda _: "*") == "* *"
