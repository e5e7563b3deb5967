"""The options of calls, checked: what each takes, and what is refused in one clear error."""

from __future__ import annotations

import pytest

from asyncapi import Bearer, ConfigError, Request, Retry, Timeout
from asyncapi.calls.arguments import (
    check_redirects,
    checked_auth,
    checked_headers,
    cookie_header,
    flat_params,
    limits_of,
    max_wait_of,
    own_options,
    place_of,
    policy_of,
    shared_options,
    timeout_of,
)
from asyncapi.types import UNSET


@pytest.mark.parametrize(
    ("timeout", "limits"),
    [(3, (3.0, 5.0, None)), (None, (None, None, None)), (Timeout(1, connect=None, attempt=2), (1.0, None, 2.0))],
)
def test_a_timeout_is_seconds_in_all_or_a_timeout_or_none(timeout, limits):
    assert limits_of(timeout) == limits
    assert (timeout_of(timeout).total, timeout_of(timeout).connect) == limits[:2]


@pytest.mark.parametrize("timeout", [(3, 10), [3, 10], "x", {}, -1])
def test_any_other_timeout_is_refused(timeout):
    with pytest.raises(ConfigError, match="imeout"):
        limits_of(timeout)


@pytest.mark.parametrize(("wait", "seconds"), [(True, None), (False, 0.0), (2, 2.0)])
def test_a_wait_is_yes_no_or_seconds(wait, seconds):
    assert max_wait_of(wait) == seconds


@pytest.mark.parametrize("wait", [-1, "1", None])
def test_any_other_wait_is_refused(wait):
    with pytest.raises(ConfigError, match="give True, False, or a number of seconds"):
        max_wait_of(wait)


def test_retries_are_attempts_in_all_or_a_policy_or_none():
    policy = Retry(attempts=7)
    assert policy_of(3).max_attempts == 3
    assert policy_of(policy) == policy
    assert policy_of(None) is None
    with pytest.raises(ConfigError, match="retry"):
        policy_of([3])


@pytest.mark.parametrize("redirects", [-1, True, "3", 1.5])
def test_redirects_are_a_whole_number(redirects):
    with pytest.raises(ConfigError, match="0 returns them"):
        check_redirects(redirects)


def test_a_place_in_the_queue_has_defaults():
    assert place_of(None, None) == (0, "")
    assert place_of(-3, "t") == (-3, "t")
    with pytest.raises(ConfigError, match="whole number"):
        place_of(1.5, None)
    with pytest.raises(ConfigError, match="tenant"):
        place_of(None, 1)


def test_a_credential_none_or_nothing_is_left_as_it_is():
    mine = Bearer("x")
    assert [checked_auth(auth) for auth in (mine, None, UNSET)] == [mine, None, UNSET]


@pytest.mark.parametrize(
    ("cookies", "before", "written"),
    [
        ({}, "", ""),
        ({}, "a=1", "a=1"),
        ({"a": "1", "b": 'x y,"z"='}, "", 'a=1; b=x y,"z"='),
        ({"a": "2"}, "b=1; a=1; c=3", "b=1; c=3; a=2"),
    ],
)
def test_cookies_are_written_verbatim_in_place_of_those_of_the_same_name(cookies, before, written):
    assert cookie_header(cookies, before) == written


def test_headers_are_a_copy_of_their_own():
    headers = {"A": "b"}
    checked = checked_headers(headers)
    checked["A"] = "c"
    assert headers == {"A": "b"}
    assert checked_headers(None) == {}


def test_parameters_are_text_without_what_is_none():
    assert list(flat_params({"a": [1, True], "b": None, "c": "x"})) == [("a", "1"), ("a", "true"), ("c", "x")]


def test_shared_options_can_be_read_again_and_again():
    shared = shared_options({"params": iter([("a", 1)]), "headers": iter([("B", "c")]), "cookies": {"d": "e"}})
    for _ in range(2):
        assert list(shared["params"]) == [("a", "1")]
        assert dict(shared["headers"]) == {"B": "c"}
        assert shared["cookies"] == {"d": "e"}


def test_shared_options_leave_the_users_own_alone():
    options = {"params": {"a": 1}, "cookies": {"d": "e"}}
    shared_options(options)["cookies"]["f"] = "g"
    assert options == {"params": {"a": 1}, "cookies": {"d": "e"}}


def test_a_request_without_options_of_its_own_has_those_of_all():
    shared = shared_options({"timeout": 3, "auth": None, "headers": {"A": "b"}})
    assert own_options(Request("GET", "/"), shared) == shared


def test_a_request_may_say_none_where_all_say_something():
    shared = shared_options({"timeout": 3, "retry": 2, "auth": Bearer("x")})
    own = own_options(Request("GET", "/", timeout=None, retry=None, auth=None), shared)
    assert (own["timeout"], own["retry"], own["auth"]) == (None, None, None)


def test_a_cookie_header_of_a_request_stands_for_all_its_cookies():
    shared = shared_options({"cookies": {"a": "b"}})
    assert own_options(Request("GET", "/", headers={"Cookie": "c=d"}), shared)["cookies"] is None
