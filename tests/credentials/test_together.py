"""Credentials that an API needs together go with every attempt, and each looks at the response."""

from __future__ import annotations

import pytest

from asyncapi import ApiKey, Basic, Bearer, Client, ConfigError, KeyPool, Together, Unauthorized
from asyncapi.testing import MockTransport, reply, run


def called(auth, *responses):
    seen = []

    async def answer(request):
        seen.append(request)
        return responses[min(len(seen), len(responses)) - 1]() if responses else reply(json=1)

    async def call():
        async with Client("https://x.test", auth=auth, transport=MockTransport(answer), retry=None) as api:
            try:
                await api.get("/")
            except Unauthorized as error:
                return seen, str(error), api.explain()
            return seen, "", api.explain()

    return run(call())


def test_each_writes_its_own_part_and_none_is_shown():
    secret = ApiKey("secret-app", query="app")
    seen, _, explained = called(Together(secret, Bearer("secret-token"), ApiKey("secret-sid", cookie="sid")))
    assert seen[0].url.query["app"] == "secret-app"
    assert seen[0].headers["Authorization"] == "Bearer secret-token"
    assert seen[0].headers["Cookie"] == "sid=secret-sid"
    assert "secret-" not in str(explained)


def test_secrets_of_all_are_masked_in_errors():
    auth = Together(ApiKey("secret-one", header="X-App"), Bearer("secret-two"))
    _, error, _ = called(auth, lambda: reply(401, content=b"no secret-one, no secret-two"))
    assert "secret-" not in error


def test_a_call_is_sent_again_where_one_has_a_newer_value():
    values = iter(["old-token", "new-token", "new-token"])
    auth = Together(ApiKey("app", header="X-App"), Bearer(lambda: next(values)))
    seen, error, _ = called(auth, lambda: reply(401), lambda: reply(json=1))
    assert [one.headers["Authorization"] for one in seen] == ["Bearer old-token", "Bearer new-token"]
    assert [one.headers["X-App"] for one in seen] == ["app", "app"]
    assert not error


def test_a_pool_goes_around_and_takes_another_after_a_refusal():
    auth = KeyPool(
        [Together(ApiKey("a", header="X-App"), Bearer("1")), Together(ApiKey("b", header="X-App"), Bearer("2"))]
    )
    seen, _, _ = called(auth, lambda: reply(401), lambda: reply(json=1))
    assert {(one.headers["X-App"], one.headers["Authorization"]) for one in seen} == {
        ("a", "Bearer 1"),
        ("b", "Bearer 2"),
    }
    with pytest.raises(ConfigError, match="no KeyPool goes in"):
        Together(auth, Bearer("t"))


def test_it_acts_for_one_user_where_all_do():
    assert Together(Basic("a", "b"), Bearer("t")).principal is None
    moving = Together(ApiKey(lambda: "k", header="X-App"), Bearer("t"))
    assert run(moving.principal()) == run(ApiKey(lambda: "k").principal())


@pytest.mark.parametrize("given", [(), (Bearer("t"),), (Bearer("t"), "text")])
def test_anything_but_two_credentials_is_refused(given):
    with pytest.raises(ConfigError, match="Together"):
        Together(*given)
