"""One token for any number of callers, renewed before anybody waits; client credentials against real servers."""

from __future__ import annotations

import asyncio
import base64
import html
import json
import logging
import traceback
import warnings
from urllib.parse import unquote

import pytest
from aiohttp import web

from asyncapi import (
    ApiKey,
    AuthError,
    BadRequest,
    Basic,
    Bearer,
    Client,
    ConfigError,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
    OAuth2TokenExchange,
    RequestTimeout,
    Unauthorized,
)
from asyncapi.credentials import Issuer
from asyncapi.serve import FaultServer
from asyncapi.stores import MemoryStore
from asyncapi.testing import MockTransport, reply, run
from provider import CANARY, Provider
from servers import application


def service(**settings) -> OAuth2ClientCredentials:
    return OAuth2ClientCredentials("https://h/token", "me", settings.pop("secret", CANARY), **settings)


# -- renewing ------------------------------------------------------------------------------------------------------


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


def test_a_token_is_renewed_beside_the_calls_that_the_old_one_still_serves():
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


def test_nobody_notices_a_token_endpoint_that_is_down_while_the_old_token_serves(caplog):
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
    assert (
        "OAuth2ClientCredentials: no new token yet (the token endpoint at https://h gave no answer: refused)"
        in caplog.text
    )
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


def test_a_token_without_an_end_is_kept():
    async def scenario():
        provider = Provider(lifetime=None)
        async with provider.client(service()) as api:
            await api.get("/")
            await provider.clock.sleep(1e6)
            await api.get("/")
        assert len(provider.asked) == 1

    run(scenario())


def test_a_401_spoils_the_token_once_for_all_calls_that_carried_it():
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


def test_a_route_that_refuses_every_token_costs_no_token_per_call_and_no_other_route_its_token():
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


def test_refusals_at_once_share_one_new_token():
    async def scenario():
        provider = Guarded()
        provider.slow = 1.0
        async with provider.client(service(), raise_for_status=False, concurrency=None) as api:
            answers = await api.gather(["/admin", "/"] * 100, concurrency=200)
        assert [answer.status for answer in answers] == [401, 200] * 100
        assert len(provider.asked) == 2

    run(scenario())


def test_a_token_that_is_revoked_in_the_midst_of_refusals_is_renewed_once_for_everybody():
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


def test_other_calls_go_on_with_their_token_while_one_that_was_refused_waits_for_another():
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


def test_a_clock_that_is_set_back_does_not_keep_the_token_endpoint_from_being_asked():
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


# -- told when to come back ----------------------------------------------------------------------------------------


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
def test_calls_wait_until_the_token_endpoint_may_be_asked_again(status):
    async def scenario():
        provider = Busy(12, 2, status)
        async with provider.client(service()) as api:
            answers = await api.gather(["/"] * 20)
            assert {answer.status for answer in answers} == {200}
        assert provider.at == [0.0, 12.0, 24.0]

    run(scenario())


@pytest.mark.parametrize(("call", "seconds"), [({"timeout": 10.0}, 12), ({"wait": 5.0}, 12), ({"timeout": None}, 90)])
def test_a_wait_that_is_too_long_for_a_call_is_said_at_once_and_nobody_asks_before(call, seconds):
    async def scenario():
        provider = Busy(seconds, 1)
        async with provider.client(service()) as api:
            for _ in range(5):
                with pytest.raises(AuthError, match=f"gave no answer: 429; it asks to come back in {seconds} s"):
                    await api.get("/", **call)
                await provider.clock.sleep(0.3)
            assert provider.at == [0.0]
            await provider.clock.sleep(seconds)
            assert (await api.get("/")).status == 200

    run(scenario())


def test_a_token_endpoint_that_never_lets_anybody_in_ends_the_call():
    async def scenario():
        provider = Busy(20, 99)
        async with provider.client(service(), timeout=None) as api:
            with pytest.raises(AuthError, match="429"):
                await api.get("/")
        assert provider.at == [0.0, 20.0, 40.0, 60.0]

    run(scenario())


# -- what servers make of it ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [0, -1, None, "0"])
def test_an_end_that_lies_in_the_past_costs_no_token_per_call(given):
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


def test_less_than_was_asked_for_is_said_once(caplog):
    async def scenario():
        provider = Provider(lifetime=10.0)
        issue = provider.issue
        provider.issue = lambda: reply(json=json.loads(issue().content) | {"scope": "read"})
        async with provider.client(service(scope="read write admin")) as api:
            for _ in range(3):
                await api.get("/")
                await provider.clock.sleep(10.0)

    with caplog.at_level(logging.WARNING, "asyncapi"):
        run(scenario())
    assert caplog.messages == ["OAuth2ClientCredentials: the server gave no scope write admin"]


def test_a_secret_that_a_server_repeats_in_a_200_does_not_show():
    async def scenario():
        provider = Provider()
        provider.token = _repeats
        async with provider.client(service(auth_method="client_secret_post")) as api:
            with pytest.raises(AuthError, match="200 denied: no such") as caught:
                await api.get("/")
        assert CANARY not in str(caught.value)

    async def _repeats(request):
        return reply(200, json={"error": "denied", "error_description": f"no such {request.content.decode()}"})

    run(scenario())


# -- failing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("down", "said", "asked"),
    [
        ("cut", "the token endpoint at https://h gave no answer: refused", 3),
        (503, "the token endpoint at https://h gave no answer: 503", 3),
        (429, "the token endpoint at https://h gave no answer: 429 temporarily_unavailable", 3),
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
                assert str(error) == f"GET https://h/: OAuth2ClientCredentials: no token could be had: {said}"
            with pytest.raises(AuthError):
                await api.get("/")  # at once: it has just been tried
            assert len(provider.asked) == asked
            provider.down = None
            await provider.clock.sleep(1)
            assert (await api.get("/")).status == 200
        assert provider.served == [("1", 200)]

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


def test_closing_the_client_ends_a_fetch_under_way_and_another_client_goes_on():
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


def test_a_token_endpoint_that_hangs_is_given_up():
    async def scenario():
        provider = Provider()
        provider.slow = 1000.0
        async with provider.client(service(), timeout=None) as api:
            with pytest.raises(AuthError, match="the attempt took over 10 s"):
                await api.get("/")

    run(scenario())


# -- what is sent --------------------------------------------------------------------------------------------------


def test_who_we_are_is_said_as_asked():
    async def scenario():
        for method, secret in (
            ("client_secret_basic", "a:b c/é"),
            ("client_secret_post", "a:b c/é"),
            (None, "a:b c/é"),
        ):
            provider = Provider()
            auth = service(auth_method=method, secret=secret, scope=["read", "write"], params={"audience": "it"})
            async with provider.client(auth) as api:
                await api.get("/")
            [form] = provider.asked
            basic = form.pop("Authorization")
            assert (form["grant_type"], form["scope"], form["audience"]) == ("client_credentials", "read write", "it")
            if method == "client_secret_post":
                assert (basic, form["client_id"], form["client_secret"]) == ("", "me", "a:b c/é")
            else:
                assert base64.b64decode(basic.removeprefix("Basic ")).decode() == "me:a%3Ab%20c%2F%C3%A9"
                assert "client_secret" not in form

    run(scenario())


def test_private_key_jwt_signs_who_we_are():
    jwk = pytest.importorskip("joserfc.jwk")
    from joserfc import jwt

    async def scenario():
        for kind, size, algorithm in (("RSA", 2048, "RS256"), ("EC", "P-256", "ES256"), ("OKP", "Ed25519", "EdDSA")):
            key = jwk.generate_key(kind, size)
            provider = Provider()
            auth = OAuth2ClientCredentials(
                "https://h/token", "me", private_key=key.as_pem(private=True).decode(), key_id="k1"
            )
            async with provider.client(auth) as api:
                await api.get("/")
            [form] = provider.asked
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # EdDSA has a newer name
                token = jwt.decode(form["client_assertion"], key, algorithms=[algorithm])
            assert (token.header["alg"], token.header["kid"]) == (algorithm, "k1")
            assert (token.claims["iss"], token.claims["sub"], token.claims["aud"]) == ("me", "me", "https://h/token")
            assert token.claims["exp"] - token.claims["iat"] == 60

    run(scenario())


def test_a_key_that_can_not_sign_is_an_auth_error_that_shows_nothing_of_it():
    async def scenario():
        provider = Provider()
        auth = OAuth2ClientCredentials("https://h/token", "me", private_key=CANARY)
        async with provider.client(auth) as api:
            with pytest.raises(AuthError, match="give a PEM or JWK private key") as caught:
                await api.get("/")
        assert CANARY not in "".join(traceback.format_exception(caught.value))

    pytest.importorskip("joserfc")
    run(scenario())


def test_the_endpoint_is_found_in_the_issuers_metadata_once():
    async def scenario():
        seen = []

        async def handler(request):
            seen.append(request.url.path)
            if request.url.path == "/tenant/.well-known/openid-configuration":
                return reply(json={"issuer": "https://login/tenant", "token_endpoint": "https://h/token"})
            return await provider(request) if request.url.host == "h" else reply(404)

        provider = Provider(lifetime=10.0)
        auth = OAuth2ClientCredentials(Issuer("https://login/tenant"), "me", "secret")
        transport = MockTransport(handler, clock=provider.clock)
        async with Client("https://h", auth=auth, transport=transport, clock=provider.clock) as api:
            await api.get("/")
            await provider.clock.sleep(10)
            await api.get("/")
        assert seen == [
            "/.well-known/oauth-authorization-server/tenant", "/tenant/.well-known/openid-configuration",
            "/token", "/", "/token", "/",
        ]  # fmt: skip

    run(scenario())


@pytest.mark.parametrize("endpoint", ["http://h/token", "/token", "ftp://h/token", "javascript:alert(1)", ""])
def test_an_endpoint_in_metadata_that_would_go_in_clear_is_refused(endpoint):
    async def scenario():
        seen = []

        async def handler(request):
            seen.append(request.url.path)
            return reply(json={"issuer": "https://login", "token_endpoint": endpoint})

        auth = OAuth2ClientCredentials(Issuer("https://login"), "me", CANARY)
        async with Client("https://h", auth=auth, transport=MockTransport(handler)) as api:
            with pytest.raises(AuthError, match="that is no https URL"):
                await api.get("/")
        assert seen == ["/.well-known/oauth-authorization-server"]

    run(scenario())


def test_the_token_goes_to_the_api_alone_and_the_secret_to_the_token_endpoint_alone():
    async def scenario():
        seen = []

        async def handler(request):
            seen.append((request.url.host, request.headers.get("Authorization", "")[:6]))
            if request.url.host == "login":
                return reply(json={"access_token": "t"})
            return reply(302, headers={"Location": "https://elsewhere/"}) if request.url.host == "h" else reply()

        auth = OAuth2ClientCredentials("https://login/token", "me", "secret")
        async with Client("https://h", auth=auth, transport=MockTransport(handler)) as api:
            await api.get("/")
        assert seen == [("login", "Basic "), ("h", "Bearer"), ("elsewhere", "")]

    run(scenario())


def test_a_store_keeps_the_token_between_clients():
    async def scenario():
        provider, store = Provider(), MemoryStore()
        for _ in range(3):
            async with provider.client(service(store=store)) as api:
                await api.get("/")
        provider.alive.clear()  # the kept one has been revoked
        async with provider.client(service(store=store)) as api:
            await api.get("/")
        assert len(provider.asked) == 2

    run(scenario())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: OAuth2ClientCredentials("/token", "me", "s"), "is no URL of an endpoint"),
        (lambda: OAuth2ClientCredentials(f"https://me:{CANARY}@h/token", "me", "s"), "is no URL of an endpoint"),
        (lambda: OAuth2ClientCredentials("https://h/token", "", "s"), "client_id is empty"),
        (lambda: OAuth2ClientCredentials("https://h/token", "me", ""), "client_secret is empty"),
        (lambda: service(auth_method="basic"), "one of client_secret_basic"),
        (lambda: service(auth_method="private_key_jwt"), "needs a private_key"),
        (
            lambda: OAuth2ClientCredentials("https://h/token", "me", auth_method="client_secret_post"),
            "needs a client_secret",
        ),
        (lambda: Issuer("login"), "is no URL of an endpoint"),
        (lambda: service(token_type="dpop"), "DPoP is dpop=True"),
        (lambda: service(token_type="MAC"), "give what the server calls its bearer tokens"),
        (lambda: service(token_type="bot", dpop=True), "DPoP is dpop=True"),
    ],
)
def test_settings_that_make_no_sense(make, said):
    with pytest.raises(ConfigError, match=said) as caught:
        make()
    assert CANARY not in str(caught.value)


def test_nothing_secret_shows(caplog):
    """Secret and tokens in what is logged, raised, recorded and shown."""

    async def scenario():
        provider = Provider(lifetime=100.0)
        auth = service()
        records = []
        async with provider.client(auth, hooks=[records.append]) as api:
            answer = await api.get("/")
            said = [repr(auth), api.explain(), repr(answer.attempts), repr(auth._tokens.token), str(api.stats)]
            said += [repr(answer.request.headers), repr(records)]
            provider.down = 503
            await provider.clock.sleep(101)
            try:
                await api.get("/")
            except AuthError as error:
                said += [
                    "".join(traceback.format_exception(error)),
                    repr(error.__dict__),
                    repr(error.__cause__.__dict__),
                ]
        return " ".join(said)

    with caplog.at_level(logging.DEBUG):
        text = run(scenario()) + caplog.text
    assert CANARY not in text
    assert base64.b64encode(f"me:{CANARY}".encode()).decode() not in text
    assert "503" in text


# -- real servers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_against_the_fault_server(method):
    async with FaultServer() as server:
        auth = OAuth2ClientCredentials(f"{server.url}/oauth/token", "demo", "secret", scope="read", auth_method=method)
        async with Client(server.url, auth=auth) as api:
            answers = await api.gather(["/me"] * 50)
            assert answers[0].json() == {"client_id": "demo", "scope": "read"}
        wrong = OAuth2ClientCredentials(f"{server.url}/oauth/token", "demo", "wrong", auth_method=method)
        async with Client(server.url, auth=wrong) as api:
            with pytest.raises(AuthError, match="401 invalid_client"):
                await api.get("/me")


async def test_tokens_that_expire_in_the_midst_of_a_fan_out_are_renewed_without_a_failed_call():
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


ODD = 'c@nary/bird +"é"&='  # written otherwise in a URL, a form, JSON and HTML


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("kind", ["client", "refresh", "exchange"])
async def test_a_server_that_repeats_what_it_refuses_does_not_make_it_show(kind, method, caplog):
    """Real sockets: the token endpoint echoes the whole request in its error's description."""
    caplog.set_level(logging.DEBUG)
    came = []

    async def token(request):
        came.append(request)
        form = dict(await request.post())
        basic = base64.b64decode(request.headers.get("Authorization", "Basic ")[6:]).decode()
        told = f"{form} {unquote(basic)} {(await request.text())}"
        return web.json_response({"error": "invalid_client", "error_description": told}, status=401)

    def make(url):
        if kind == "refresh":
            return OAuth2RefreshToken(url, "me", ODD, refresh_token=ODD, auth_method=method)
        if kind == "exchange":
            return OAuth2TokenExchange(url, "me", ODD, client_secret=ODD, auth_method=method)
        return OAuth2ClientCredentials(url, "me", ODD, auth_method=method)

    async with application(web.post("/token", token)) as url, Client(url, auth=make(f"{url}/token")) as api:
        with pytest.raises(AuthError) as caught:
            await api.get("/")
    text = (
        "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()) + caplog.text
    )
    assert came
    assert "401 invalid_client" in text
    assert "bird" not in text


@pytest.mark.parametrize(
    "make",
    [
        lambda: ApiKey(ODD.replace("é", "e"), header="X-Odd"),
        lambda: ApiKey(ODD, query="odd"),
        lambda: Basic("me", ODD),
        lambda: Bearer(ODD.replace(" ", "").replace("é", "e")),
    ],
)
async def test_an_api_that_repeats_what_it_refuses_does_not_make_it_show(make):
    async def me(request):
        form = (
            json.dumps(dict(request.headers))
            + str(request.query)
            + request.raw_path
            + html.escape(str(request.headers))
        )
        return web.Response(status=400, text=form + ODD)

    auth = make()
    async with application(web.get("/", me)) as url, Client(url, auth=auth) as api:
        with pytest.raises(BadRequest) as caught:
            await api.get("/")
    assert "bird" not in caught.value.response.text.replace(ODD, "")
    assert "127.0.0.1" in caught.value.response.text
