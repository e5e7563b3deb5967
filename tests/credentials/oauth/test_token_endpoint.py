"""Requests to a token endpoint: a few attempts, bounded in time, and one clear line when all have failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from multidict import CIMultiDict

from asyncapi import AuthError
from asyncapi.credentials import AuthContext
from asyncapi.credentials.oauth import token_endpoint
from asyncapi.errors import ConnectError, EgressDenied
from asyncapi.testing import FakeClock, reply, run
from provider import CANARY, Provider, service

if TYPE_CHECKING:
    from asyncapi.messages.request import Request


@pytest.mark.parametrize(
    ("down", "said", "asked"),
    [
        ("cut", "the token endpoint at https://h failed: refused", 3),
        (503, "the token endpoint at https://h failed: 503", 3),
        (429, "the token endpoint at https://h failed: 429 temporarily_unavailable", 3),
        (400, "400 temporarily_unavailable", 1),
        (302, "302 temporarily_unavailable", 1),
    ],
)
def test_without_a_token_each_caller_gets_one_clear_line(down, said, asked):
    async def scenario():
        provider = Provider()
        provider.down = down
        async with provider.client(service()) as api:
            results = await asyncio.gather(*(api.get("/") for _ in range(5)), return_exceptions=True)
            assert len({id(error) for error in results}) == 5
            for error in results:
                assert isinstance(error, AuthError)
                assert str(error) == f"GET https://h/: OAuth2ClientCredentials: could not get the token: {said}"
            with pytest.raises(AuthError):
                await api.get("/")  # at once: it has just been tried
            assert len(provider.asked) == asked
            provider.down = None
            await provider.clock.sleep(1)
            assert (await api.get("/")).status == 200
        assert provider.served == [("1", 200)]

    run(scenario())


def test_a_token_endpoint_that_hangs_is_given_up_after_three_attempts():
    async def scenario():
        provider = Provider()
        provider.slow = 1000.0
        async with provider.client(service(), timeout=None) as api:
            with pytest.raises(AuthError, match="the attempt took over 10 s"):
                await api.get("/")

    run(scenario())


# -- the requests themselves ---------------------------------------------------------------------------------------


class Endpoint:
    """What is sent; the answers are statuses, errors or responses."""

    def __init__(self, *answers) -> None:
        self.clock = FakeClock()
        self.seen: list[tuple[float, Request]] = []
        self.answers = list(answers)
        self.context = AuthContext(self.send, self.clock)

    async def send(self, request):
        self.seen.append((self.clock.now(), request))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        response = reply(answer) if isinstance(answer, int) else answer
        response.request, response.url = request, request.url
        return response

    def post(self, **how):
        return run(token_endpoint.post(self.context, "https://h/token", {"a": "1", "b": ""}, {}, who="it", **how))


def test_empty_fields_are_left_out_and_json_is_asked_for():
    endpoint = Endpoint(200)
    assert endpoint.post().status == 200
    [(_, request)] = endpoint.seen
    assert (request.method, request.content) == ("POST", b"a=1")
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("failure", [408, 429, 500, 502, 503, 504, ConnectError("refused")])
def test_what_a_later_attempt_may_change_is_sent_again(failure):
    endpoint = Endpoint(failure, failure, 200)
    assert endpoint.post().status == 200
    assert len(endpoint.seen) == 3


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 501])
def test_what_is_final_is_not_sent_again(status):
    endpoint = Endpoint(status)
    assert endpoint.post().status == status


def test_a_destination_that_is_denied_is_not_asked_again():
    endpoint = Endpoint(EgressDenied("denied"))
    with pytest.raises(token_endpoint.EndpointFailed, match="it at https://h failed: denied"):
        endpoint.post()


def test_a_short_retry_after_is_kept_to():
    endpoint = Endpoint(reply(503, headers={"Retry-After": "4"}), 200)
    assert endpoint.post().status == 200
    [(first, _), (second, _)] = endpoint.seen
    assert second - first == pytest.approx(4.0)


def test_a_long_retry_after_ends_the_attempts_and_is_handed_on():
    endpoint = Endpoint(reply(429, headers={"Retry-After": "30"}))
    with pytest.raises(token_endpoint.EndpointFailed, match="failed: 429; it asks to retry after 30 s") as caught:
        endpoint.post()
    assert caught.value.retry_after == 30.0


def test_every_attempt_is_signed_anew_and_nothing_of_it_stays_in_the_response():
    def sign(request, now):
        numbers.append(now)
        return request.copy(headers=CIMultiDict({**request.headers, "DPoP": f"proof{len(numbers)}"}))

    numbers: list[float] = []
    endpoint = Endpoint(503, reply(400, content=f"no {CANARY}".encode()))
    response = endpoint.post(sign=sign, secrets=(CANARY,))
    assert [request.headers["DPoP"] for _, request in endpoint.seen] == ["proof1", "proof2"]
    assert response.content == b"no ***"
    assert "DPoP" not in response.request.headers
