"""Each attempt tells the mesh who retries, and how long we wait for it."""

from __future__ import annotations

import pytest

from asyncapi import Client, Mesh, Retry, ServerError, Timeout
from asyncapi.errors import ConnectError, ProtocolError
from asyncapi.testing import FakeClock, MockTransport, reply, run

RETRIES, TOTAL, EACH = "x-envoy-max-retries", "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms"
LIMITS = Timeout(30, attempt=10)


def sent(mesh, *outcomes, method="GET", options=None, **settings):
    """What each attempt of one failing call had in its headers, and the error."""
    seen, left = [], list(outcomes) or [reply(500)]

    def handler(request):
        seen.append(request.headers)
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def call():
        settings.setdefault("timeout", LIMITS)
        async with Client(
            "https://api.test", transport=MockTransport(handler), clock=FakeClock(), mesh=mesh, **settings
        ) as api:
            return await api.request(method, "/", raise_for_status=False, **(options or {}))

    return seen, run(call())


def asked(headers):
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith(("x-envoy", "l5d"))}


def test_without_the_setting_nothing_is_added():
    seen, _ = sent(None, retry=None)
    assert asked(seen[0]) == {}


def test_a_mesh_that_has_retried_gets_the_rest_of_our_attempts():
    twice = reply(503, headers={"x-envoy-attempt-count": "2"})
    seen, _ = sent(None, twice, retry=Retry(5))
    assert [each.get(RETRIES) for each in seen] == [None, "2", "0"]
    seen, _ = sent(None, twice, retry=Retry(5), options={"headers": {RETRIES: "7"}})
    assert {each.get(RETRIES) for each in seen} == {"7"}
    seen, _ = sent(False, twice, retry=Retry(3))
    assert [each.get(RETRIES) for each in seen] == [None] * 3
    seen, _ = sent(None, reply(503, headers={"x-envoy-attempt-count": "1"}), retry=Retry(3))
    assert [each.get(RETRIES) for each in seen] == [None] * 3


def test_where_we_retry_the_mesh_is_asked_not_to_and_gets_the_limit_of_the_attempt():
    seen, _ = sent(Mesh(), retry=None)
    assert asked(seen[0]) == {RETRIES: "0", TOTAL: "10000", EACH: "10000"}


def test_a_mesh_that_retries_has_the_whole_call_and_our_limit_for_each_attempt():
    seen, response = sent(Mesh("mesh"))
    assert [asked(each) for each in seen] == [{TOTAL: "30000", EACH: "10000"}]
    assert response.attempts[0].then == "gave up: the mesh retries, not this client (mesh=)"


def test_a_calls_own_limits_are_told():
    seen, _ = sent(Mesh("mesh"), options={"timeout": Timeout(3, attempt=2)})
    assert asked(seen[0]) == {TOTAL: "3000", EACH: "2000"}
    seen, _ = sent(Mesh("mesh"), options={"priority": 1})
    assert asked(seen[0]) == {TOTAL: "30000", EACH: "10000"}


def test_time_that_is_gone_is_not_told():
    seen, _ = sent(Mesh(), retry=Retry(2, wait=lambda _: 25.0))
    assert [asked(each)[TOTAL] for each in seen] == ["10000", "5000"]


def test_a_mesh_that_must_not_know_our_limits_is_told_none():
    assert asked(sent(Mesh(timeouts=False), retry=None)[0][0]) == {RETRIES: "0"}
    assert asked(sent(Mesh("mesh", timeouts=False), retry=None)[0][0]) == {}


def test_without_any_limit_none_is_told():
    assert asked(sent(Mesh(), retry=None, timeout=None)[0][0]) == {RETRIES: "0"}


def test_linkerd_has_its_own_names():
    seen, _ = sent(Mesh(proxy="linkerd"), retry=None)
    assert asked(seen[0]) == {"l5d-retry-limit": "0", "l5d-timeout": "10000ms", "l5d-retry-timeout": "10000ms"}


def test_what_the_user_has_written_stays():
    seen, _ = sent(Mesh(), retry=None, options={"headers": {"X-Envoy-Max-Retries": "7"}})
    assert seen[0].getall(RETRIES) == ["7"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_did_not_reach_the_mesh_is_sent_again(method):
    seen, response = sent(Mesh("mesh"), ConnectError("refused"), reply(200), method=method)
    assert (len(seen), response.status) == (2, 200)


def test_what_may_have_reached_the_mesh_is_not():
    with pytest.raises(ProtocolError) as caught:
        sent(Mesh("mesh"), ProtocolError("closed"), reply(200))
    assert "the mesh retries" in caught.value.attempts[-1].then


def test_the_retries_of_a_call_do_not_overrule_the_mesh():
    seen, response = sent(Mesh("mesh"), retry=Retry(6))
    assert (len(seen), response.status) == (1, 500)


def test_a_mesh_without_a_total_cannot_make_a_call_endless():
    endless = {"timeout": Timeout(None, attempt=10)}
    for seen, _ in (sent(Mesh("mesh"), **endless), sent(Mesh("mesh"), options=endless)):
        assert asked(seen[0]) == {TOTAL: "10000", EACH: "10000"}


def test_the_error_is_that_of_the_response():
    async def call():
        transport = MockTransport(lambda _: reply(503, headers={"x-envoy-overloaded": "true"}))
        async with Client("https://api.test", transport=transport, clock=FakeClock(), mesh=Mesh()) as api:
            await api.get("/")

    with pytest.raises(ServerError) as caught:
        run(call())
    assert [each.status for each in caught.value.attempts] == [503, 503]
