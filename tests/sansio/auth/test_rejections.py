"""A 401 brings a new token where that may help: once at first, then after pauses that grow, whatever the routes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.auth.rejections import Rejections, route_of


def test_a_route_that_refuses_new_tokens_is_believed_after_pauses_that_grow():
    rejections, now, at = Rejections(), 0.0, []
    while now < 100:
        if rejections.may_renew("a", now):
            at.append(now)
            rejections.renewal_failed("a", object(), now)
        now += 0.5
    assert at == [0, 1, 3, 7, 15, 31, 61, 91]


def test_one_route_that_is_doubted_leaves_another_believed():
    rejections = Rejections()
    assert rejections.may_renew("a", 0.0)
    rejections.renewal_failed("a", object(), 0.0)
    assert not rejections.may_renew("a", 0.5)
    assert rejections.may_renew("b", 0.5)


def test_a_token_that_many_calls_find_refused_is_counted_once():
    rejections, token = Rejections(), object()
    for _ in range(50):
        rejections.renewal_failed("a", token, 0.0)
    assert rejections.may_renew("a", 1.0)


def test_a_new_token_that_is_taken_ends_the_doubt():
    rejections = Rejections()
    for second in range(3):
        rejections.renewal_failed("a", object(), second * 10.0)
    rejections.renewal_helped("a")
    assert rejections.may_renew("a", 20.1)
    assert len(rejections) == 0


def test_a_route_that_refuses_by_chance_is_believed_once_a_second_at_the_most():
    rejections, believed = Rejections(), 0
    for tick in range(1000):
        if rejections.may_renew("a", tick / 100):
            believed += 1
            rejections.renewal_helped("a")
    assert believed <= 13


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans(), st.floats(0, 0.1)), max_size=300))
def test_the_number_of_tokens_is_bounded_whatever_comes(events):
    rejections, now, believed = Rejections(), 0.0, 0
    for route, helps, passes in events:
        now += passes
        if rejections.may_renew(route, now):
            believed += 1
            if helps:
                rejections.renewal_helped(route)
            else:
                rejections.renewal_failed(route, object(), now)
    assert believed <= now + 4
    assert len(rejections) <= 128


def test_resources_of_one_kind_are_one_route():
    assert route_of("GET", "h", "/v1/users/1") == route_of("GET", "h", "/v1/users/22")
    assert route_of("GET", "h", "/users/9f1c2d3e-aaaa") == route_of("GET", "h", "/users/1")
    assert (
        len({route_of("GET", "h", path) for path in ("/v1/users/1", "/v2/users/1", "/v1/users", "/v1/groups/1")}) == 4
    )
    assert route_of("GET", "h", "/a") != route_of("POST", "h", "/a")
    assert route_of("GET", "h", "/a") != route_of("GET", "i", "/a")
