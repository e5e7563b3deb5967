"""A 401 brings a new token where that may help: once at first, then after pauses that grow, whatever the routes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.auth.rejections import Doubts, route_of


def test_a_route_that_refuses_new_tokens_is_believed_after_pauses_that_grow():
    doubts, now, at = Doubts(), 0.0, []
    while now < 100:
        if doubts.believe("a", now):
            at.append(now)
            doubts.unhelped("a", object(), now)
        now += 0.5
    assert at == [0, 1, 3, 7, 15, 31, 61, 91]


def test_one_route_that_is_doubted_leaves_another_believed():
    doubts = Doubts()
    assert doubts.believe("a", 0.0)
    doubts.unhelped("a", object(), 0.0)
    assert not doubts.believe("a", 0.5)
    assert doubts.believe("b", 0.5)


def test_a_token_that_many_calls_find_refused_is_counted_once():
    doubts, token = Doubts(), object()
    for _ in range(50):
        doubts.unhelped("a", token, 0.0)
    assert doubts.believe("a", 1.0)


def test_a_new_token_that_is_taken_ends_the_doubt():
    doubts = Doubts()
    for second in range(3):
        doubts.unhelped("a", object(), second * 10.0)
    doubts.helped("a")
    assert doubts.believe("a", 20.1)
    assert len(doubts) == 0


def test_a_route_that_refuses_by_chance_is_believed_once_a_second_at_the_most():
    doubts, believed = Doubts(), 0
    for tick in range(1000):
        if doubts.believe("a", tick / 100):
            believed += 1
            doubts.helped("a")
    assert believed <= 13


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans(), st.floats(0, 0.1)), max_size=300))
def test_the_number_of_tokens_is_bounded_whatever_comes(events):
    doubts, now, believed = Doubts(), 0.0, 0
    for route, helps, passes in events:
        now += passes
        if doubts.believe(route, now):
            believed += 1
            if helps:
                doubts.helped(route)
            else:
                doubts.unhelped(route, object(), now)
    assert believed <= now + 4
    assert len(doubts) <= 128


def test_resources_of_one_kind_are_one_route():
    assert route_of("GET", "h", "/v1/users/1") == route_of("GET", "h", "/v1/users/22")
    assert route_of("GET", "h", "/users/9f1c2d3e-aaaa") == route_of("GET", "h", "/users/1")
    assert (
        len({route_of("GET", "h", path) for path in ("/v1/users/1", "/v2/users/1", "/v1/users", "/v1/groups/1")}) == 4
    )
    assert route_of("GET", "h", "/a") != route_of("POST", "h", "/a")
    assert route_of("GET", "h", "/a") != route_of("GET", "i", "/a")
