"""One token for any number of callers: renewed before anybody waits, and after a 401 that is believed."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from asyncapi import AuthError, Client, OAuth2ClientCredentials, RequestTimeout, Unauthorized
from asyncapi.serve import FaultServer
from asyncapi.testing import reply, run
from provider import CANARY, Provider, service


def test_a_thousand_callers_share_one_fetch():
    async def scenario():
        provider = Provider()
        provider.slow = 1.0
        async with provider.client(service(), concurrency=None) as api:
            answers = await api.gather(["/"] * 1000, concurrency=1000)
            assert {answer.status for answer in answers} == {200}
            await api.get("/")
        assert len(provider.asked) == 1

    run(scenario())


def test_a_token_is_renewed_beside_the_calls_that_use_the_old_one():
    async def scenario():
        provider = Provider(lifetime=1000.0)
        async with provider.client(service()) as api:
            await api.get("/")
            provider.slow = 5.0
            await provider.clock.sleep(760)
            before = provider.clock.now()
            await api.gather(["/"] * 20)
            assert provider.clock.now() == before  # nobody waited
            assert {token for token, _ in provider.served} == {"1"}
            await provider.clock.sleep(60)
            await api.get("/")
        assert provider.served[-1] == ("2", 200)
        assert len(provider.asked) == 2

    run(scenario())


def test_no_call_fails_while_the_endpoint_is_down_and_the_old_token_valid(caplog):
    async def scenario():
        provider = Provider(lifetime=1000.0)
        async with provider.client(service()) as api:
            await api.get("/")
            provider.down = "cut"
            await provider.clock.sleep(751)
            for _ in range(200):
                assert (await api.get("/")).status == 200
                await provider.clock.sleep(1)
            failed = len(provider.asked)
            provider.down = None
            await provider.clock.sleep(31)
            await api.get("/")
            await provider.clock.sleep(1)
            await api.get("/")
        assert provider.served[-1] == ("2", 200)
        assert {status for _, status in provider.served} == {200}
        assert 3 < failed < 40  # tried again, with pauses that grow

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert "OAuth2ClientCredentials: no new token yet (the token endpoint at https://h failed: refused)" in caplog.text
    assert CANARY not in caplog.text


def test_a_token_that_is_about_to_expire_is_not_sent():
    async def scenario():
        provider = Provider(lifetime=100.0)
        async with provider.client(service()) as api:
            await api.get("/")
            await provider.clock.sleep(96)
            await api.get("/")
        assert provider.served == [("1", 200), ("2", 200)]

    run(scenario())


def test_a_token_that_does_not_expire_is_used_on():
    async def scenario():
        provider = Provider(lifetime=None)
        async with provider.client(service()) as api:
            await api.get("/")
            await provider.clock.sleep(1e6)
            await api.get("/")
        assert len(provider.asked) == 1

    run(scenario())


def test_a_401_has_one_new_token_fetched_for_all_calls_that_sent_the_old():
    async def scenario():
        provider = Provider()
        async with provider.client(service(), retry=None) as api:
            await api.get("/")
            provider.alive.clear()
            answers = await api.gather(["/"] * 50)
            assert {answer.status for answer in answers} == {200}
            assert answers[0].attempts[-1].why == "auth: 401, a new token"
        assert len(provider.asked) == 2

    run(scenario())


def test_a_token_that_is_refused_though_it_is_new_ends_in_the_401():
    async def scenario():
        provider = Provider()
        async with provider.client(service()) as api:
            provider.alive = _Never()
            with pytest.raises(Unauthorized) as caught:
                await api.get("/")
        assert len(caught.value.attempts) == 2

    class _Never(dict):
        def get(self, key, default=None):
            return 0

    run(scenario())


class Guarded(Provider):
    """A provider whose routes under `/admin` refuse every token."""

    refusing = True

    async def __call__(self, request):
        if request.url.path.startswith("/admin") and self.refusing:
            self.served.append(("refused", 401))
            return reply(401)
        return await super().__call__(request)


def test_a_route_that_refuses_every_token_costs_no_token_request_per_call():
    """Other routes keep their token."""

    async def scenario():
        provider = Guarded()
        async with provider.client(service(), raise_for_status=False) as api:
            for number in range(600):  # a minute
                assert (await api.get(f"/admin/{number}")).status == 401
                assert (await api.get("/")).status == 200
                await provider.clock.sleep(0.1)
        assert len(provider.asked) <= 8  # 2 at once, then after 1, 2, 4, 8, 16, 30 s

    run(scenario())


def test_routes_without_number_are_no_way_around_the_pause():
    async def scenario():
        provider = Guarded()
        async with provider.client(service(), raise_for_status=False) as api:
            for number in range(600):
                word = "".join(chr(ord("a") + int(digit)) for digit in str(number))
                assert (await api.get(f"/admin/{word}")).status == 401
                await provider.clock.sleep(0.1)
            assert len(api._state.keyring._by_origin.popitem()[1]._tokens._rejections) <= 128
        assert len(provider.asked) <= 12

    run(scenario())


def test_simultaneous_refusals_share_one_new_token():
    async def scenario():
        provider = Guarded()
        provider.slow = 1.0
        async with provider.client(service(), raise_for_status=False, concurrency=None) as api:
            answers = await api.gather(["/admin", "/"] * 100, concurrency=200)
        assert [answer.status for answer in answers] == [401, 200] * 100
        assert len(provider.asked) == 2

    run(scenario())


def test_a_revoked_token_is_renewed_once_for_everybody_amid_refusals():
    """One route refuses every token; a token that is revoked for all routes meanwhile is renewed by one request."""

    async def scenario():
        provider = Guarded()
        async with provider.client(service(), raise_for_status=False) as api:
            for _ in range(100):
                await api.get("/admin/1")
                await api.get("/")
                await provider.clock.sleep(0.1)
            before = len(provider.asked)
            provider.alive.clear()
            answers = await api.gather([f"/users/{number}" for number in range(50)])
            assert {answer.status for answer in answers} == {200}
        assert len(provider.asked) == before + 1

    run(scenario())


def test_other_calls_keep_their_token_while_a_refused_one_waits_for_another():
    async def scenario():
        provider = Guarded()
        async with provider.client(service(), raise_for_status=False) as api:
            await api.get("/")
            provider.slow, began = 20.0, provider.clock.now()
            refused = asyncio.ensure_future(api.get("/admin"))
            await provider.clock.sleep(1.0)
            assert (await api.get("/")).status == 200
            assert provider.clock.now() - began == 1.0
            refused.cancel()

    run(scenario())


def test_a_token_endpoint_that_is_down_takes_no_token_from_other_routes():
    async def scenario():
        provider = Guarded()
        async with provider.client(service()) as api:
            await api.get("/")
            provider.down = 503
            with pytest.raises(AuthError, match="503"):
                await api.get("/admin")
            with pytest.raises(Unauthorized):  # not asked again at once
                await api.get("/admin")
            assert (await api.get("/")).status == 200
        assert len(provider.asked) == 4

    run(scenario())


def test_a_route_that_gets_its_scope_is_believed_again():
    async def scenario():
        provider = Guarded()
        async with provider.client(service(), raise_for_status=False) as api:
            for _ in range(20):
                await api.get("/admin")
                await provider.clock.sleep(1.0)
            provider.refusing = False
            assert (await api.get("/admin")).status == 200
            provider.alive.clear()
            await provider.clock.sleep(30.0)
            for _ in range(3):
                assert (await api.get("/admin")).status == 200
                provider.alive.clear()
                await provider.clock.sleep(1.0)

    run(scenario())


def test_a_clock_that_is_set_back_does_not_stop_renewals():
    async def scenario():
        provider = Provider()
        provider.down = 503
        async with provider.client(service()) as api:
            with pytest.raises(AuthError):
                await api.get("/")
            provider.down = None
            wall = provider.clock.wall
            provider.clock.wall = lambda: wall() - 3600.0
            await provider.clock.sleep(1.0)
            assert (await api.get("/")).status == 200

    run(scenario())


class Busy(Provider):
    """A provider whose token endpoint sends everybody away for `seconds`, `times` times."""

    def __init__(self, seconds, times, status=429) -> None:
        super().__init__()
        self.seconds, self.times, self.status = seconds, times, status
        self.at: list[float] = []

    async def token(self, request):
        self.at.append(round(self.clock.now() - self.began, 1))
        if len(self.at) <= self.times:
            return reply(self.status, headers={"Retry-After": str(self.seconds)})
        return await super().token(request)

    def client(self, auth, **settings):
        self.began = self.clock.now()
        return super().client(auth, **settings)


@pytest.mark.parametrize("status", [429, 503])
def test_calls_wait_for_the_retry_after_of_the_token_endpoint(status):
    async def scenario():
        provider = Busy(12, 2, status)
        async with provider.client(service()) as api:
            answers = await api.gather(["/"] * 20)
            assert {answer.status for answer in answers} == {200}
        assert provider.at == [0.0, 12.0, 24.0]

    run(scenario())


@pytest.mark.parametrize(("call", "seconds"), [({"timeout": 10.0}, 12), ({"wait": 5.0}, 12), ({"timeout": None}, 90)])
def test_a_retry_after_that_is_too_long_for_a_call_fails_it_at_once(call, seconds):
    async def scenario():
        provider = Busy(seconds, 1)
        async with provider.client(service()) as api:
            for _ in range(5):
                with pytest.raises(AuthError, match=f"failed: 429; it asks to retry after {seconds} s"):
                    await api.get("/", **call)
                await provider.clock.sleep(0.3)
            assert provider.at == [0.0]
            await provider.clock.sleep(seconds)
            assert (await api.get("/")).status == 200

    run(scenario())


def test_a_token_endpoint_that_always_sends_retry_after_ends_the_call():
    async def scenario():
        provider = Busy(20, 99)
        async with provider.client(service(), timeout=None) as api:
            with pytest.raises(AuthError, match="429"):
                await api.get("/")
        assert provider.at == [0.0, 20.0, 40.0, 60.0]

    run(scenario())


@pytest.mark.parametrize("given", [0, -1, None, "0"])
def test_a_lifetime_that_has_passed_already_costs_no_token_per_call(given):
    """Some servers say so of tokens that do not end."""

    async def scenario():
        provider = Provider(lifetime=None)
        issue = provider.issue

        def ends():
            answer = json.loads(issue().content)
            return reply(json=answer | {"expires_in": given})

        provider.issue = ends
        async with provider.client(service()) as api:
            await api.gather(["/"] * 20)
        assert len(provider.asked) == 1

    run(scenario())


def test_a_caller_that_leaves_does_not_end_the_fetch_for_the_others():
    async def scenario():
        provider = Provider()
        provider.slow = 5.0
        async with provider.client(service()) as api:
            first = asyncio.ensure_future(api.get("/"))
            await provider.clock.sleep(1)
            others = [asyncio.ensure_future(api.get("/")) for _ in range(3)]
            await provider.clock.sleep(1)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            with pytest.raises(RequestTimeout) as caught:
                await api.get("/", timeout=1.0)
            assert caught.value.phase == "queue"
            assert {answer.status for answer in await asyncio.gather(*others)} == {200}
        assert len(provider.asked) == 1

    run(scenario())


def test_closing_one_client_ends_its_fetch_and_another_client_fetches_anew():
    async def scenario():
        provider = Provider()
        provider.slow = 5.0
        auth = service()
        one, two = provider.client(auth), provider.client(auth)
        first = asyncio.ensure_future(one.get("/"))
        await provider.clock.sleep(1)
        second = asyncio.ensure_future(two.get("/"))
        await provider.clock.sleep(1)
        await one.aclose()
        with pytest.raises(AuthError, match="this client is closed"):
            await first
        assert (await second).status == 200
        await two.aclose()
        assert len(asyncio.all_tasks()) == 1

    run(scenario())


@pytest.mark.lanes
async def test_tokens_that_expire_during_a_fan_out_are_renewed_without_a_failed_call():
    async with FaultServer() as server:
        auth = OAuth2ClientCredentials(f"{server.url}/oauth/token?expires_in=1", "demo", "secret")
        async with Client(server.url, auth=auth, retry=None) as api:
            loop = asyncio.get_running_loop()
            end, tokens = loop.time() + 2.5, 0
            while loop.time() < end:
                await api.gather(["/me"] * 20)
                tokens += 1
            assert api.stats.failed == 0
            assert api.stats.by_status == {200: tokens * 20}
