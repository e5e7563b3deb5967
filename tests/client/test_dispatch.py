"""Calls with a credential or redirects of their own: who gets what they carry, and with whom they share nothing."""

from __future__ import annotations

import asyncio
import pickle
import traceback

import pytest

from asyncapi import (
    ApiKey,
    AsyncAPIError,
    Basic,
    Bearer,
    Cache,
    Client,
    ConfigError,
    Fallback,
    KeyPool,
    NotFound,
    Request,
    RequestTimeout,
    Retry,
    ServerError,
    Unauthorized,
)
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Server:
    """Remembers what it was asked, and says who asked."""

    def __init__(self, answer=None):
        self.seen = []
        self.answer = answer

    def __call__(self, request):
        who = request.headers.get("Authorization")
        self.seen.append((request.url.host, request.url.path, who, request.headers.get("Cookie")))
        if self.answer is not None and (made := self.answer(request)) is not None:
            return made
        return reply(200, json={"who": who})

    @property
    def credentials(self):
        return [who for _, _, who, _ in self.seen]


def client(server, **settings):
    clock = settings.pop("clock", None) or FakeClock()
    base = settings.pop("base_url", "https://h")
    return Client(base, transport=MockTransport(server, clock=clock), clock=clock, **settings)


async def who(api, **options):
    return (await api.get("/me", **options)).json()["who"]


async def test_a_call_carries_its_own_credential_and_the_next_one_the_clients():
    server = Server()
    api = client(server, auth=Bearer("client"))
    assert await who(api) == "Bearer client"
    assert await who(api, auth=Bearer("mine")) == "Bearer mine"
    assert await who(api, auth=None) is None
    assert await who(api) == "Bearer client"


async def test_a_client_without_a_credential_takes_one_for_a_call():
    api = client(Server())
    names = [step.name for step in api._steps]
    assert await who(api, auth=Basic("u", "p")) == "Basic dTpw"
    assert await who(api) is None
    assert [step.name for step in api._steps] == names
    assert "auth" not in names


@pytest.mark.parametrize("base", ["https://h", ""])
async def test_a_calls_credential_stays_at_the_origin_of_its_url(base):
    elsewhere = {"Location": "https://other.example/me"}
    server = Server(lambda request: reply(302, headers=elsewhere) if request.url.host == "h" else None)
    api = client(server, base_url=base)
    await api.get("https://h/me", auth=Bearer("mine"), cookies={"sid": "1"})
    assert server.seen == [("h", "/me", "Bearer mine", "sid=1"), ("other.example", "/me", None, None)]


async def test_a_calls_credential_goes_to_the_origin_that_the_call_names_not_to_the_base():
    server = Server()
    api = client(server, auth=Bearer("client"))
    await api.get("https://elsewhere.example/", auth=Bearer("mine"))
    await api.get("https://elsewhere.example/")
    assert server.credentials == ["Bearer mine", None]


async def test_a_calls_credential_replaces_a_header_of_the_client():
    api = client(Server(), headers={"Authorization": "Bearer usual"})
    assert await who(api) == "Bearer usual"
    assert await who(api, auth=Bearer("mine")) == "Bearer mine"


async def test_a_fallback_host_never_gets_a_calls_credential():
    server = Server(lambda request: reply(503) if request.url.host == "h" else None)
    api = client(server, fallback=Fallback(to="https://spare.example"), retry=None)
    await api.get("/me", auth=Bearer("mine"))
    assert server.seen == [("h", "/me", "Bearer mine", None), ("spare.example", "/me", None, None)]


def fresh(request):
    return reply(200, json={"who": request.headers.get("Authorization")}, headers={"Cache-Control": "max-age=60"})


async def test_the_cache_never_crosses_the_credentials_of_calls():
    server = Server(fresh)
    api = client(server, auth=Bearer("client"), cache=Cache())
    for _ in range(2):
        assert await who(api) == "Bearer client"
        assert await who(api, auth=Bearer("a")) == "Bearer a"
        assert await who(api, auth=Bearer("b")) == "Bearer b"
        assert await who(api, auth=None) is None
    assert sorted(map(str, server.credentials)) == ["Bearer a", "Bearer b", "Bearer client", "None"]


async def test_a_response_of_a_credential_that_cannot_tell_its_user_is_not_cached():
    class Mine:
        max_resends = 0

        def __init__(self, token):
            self._bearer = Bearer(token)
            self.cached_signature = self._bearer.cached_signature
            self.fetch_signature = self._bearer.fetch_signature
            self.on_response = self._bearer.on_response
            self.describe = self._bearer.describe

    server = Server(fresh)
    api = client(server, auth=Bearer("client"), cache=Cache(), single_flight=True)
    await who(api)
    assert [await who(api, auth=Mine("m")) for _ in range(2)] == ["Bearer m"] * 2
    assert [await who(api, auth=KeyPool([Bearer("k")])) for _ in range(2)] == ["Bearer k"] * 2
    assert server.credentials == ["Bearer client", *["Bearer m"] * 2, *["Bearer k"] * 2]


async def test_a_write_with_a_calls_credential_forgets_what_others_have_stored():
    server = Server(lambda request: fresh(request) if request.method == "GET" else None)
    api = client(server, cache=Cache())
    await api.get("/me")
    await api.put("/me", json={}, auth=Bearer("mine"))
    await api.get("/me")
    assert [who for _, _, who, _ in server.seen] == [None, "Bearer mine", None]


def test_single_flight_never_crosses_the_credentials_of_calls():
    async def main():
        async def slow(request):
            await clock.sleep(1)
            return reply(200, json={"who": request.headers.get("Authorization")})

        api = Client("https://h", transport=MockTransport(slow, clock=clock), clock=clock, single_flight=True)
        return await asyncio.gather(
            who(api), who(api), who(api, auth=Bearer("a")), who(api, auth=Bearer("a")), who(api, auth=Bearer("b"))
        ), api.stats.attempts

    clock = FakeClock()
    results, attempts = run(main())
    assert results == [None, None, "Bearer a", "Bearer a", "Bearer b"]
    assert attempts == 3


async def test_a_stale_fallback_never_crosses_the_credentials_of_calls():
    up = True
    server = Server(lambda request: None if up else reply(503))
    api = client(server, auth=Bearer("client"), fallback=Fallback(stale=60), retry=None)
    assert await who(api) == "Bearer client"
    assert await who(api, auth=Bearer("a")) == "Bearer a"
    up = False
    assert await who(api) == "Bearer client"
    assert await who(api, auth=Bearer("a")) == "Bearer a"
    for other in (Bearer("b"), None):
        with pytest.raises(ServerError):
            await who(api, auth=other)


async def test_a_refused_credential_of_a_call_is_asked_for_another_one():
    tokens = iter(["old", "new"])
    server = Server(lambda request: reply(401) if request.headers.get("Authorization") == "Bearer old" else None)
    api = client(server)
    assert await who(api, auth=Bearer(lambda: next(tokens))) == "Bearer new"
    assert server.credentials == ["Bearer old", "Bearer new"]


async def test_no_error_or_record_shows_a_calls_credential_or_cookies():
    secret = "canary-0123456789"
    server = Server(lambda request: reply(404, content=f"no {request.headers['Authorization']}".encode()))
    seen = []
    api = client(server, hooks=[lambda attempt: seen.append(repr(attempt))])
    with pytest.raises(NotFound) as caught:
        await api.get("/me", auth=Bearer(secret), cookies={"sid": secret})
    error = caught.value
    assert error.request.cookies is None
    shown = [str(error), repr(error.request), str(dict(error.request.headers)), str(pickle.dumps(error)), *seen]
    shown += traceback.format_exception(error)
    assert not [text for text in shown if secret in text]
    response = await api.get("/me", auth=Bearer(secret), cookies={"sid": secret}, raise_for_status=False)
    assert secret.encode() not in pickle.dumps(response)


async def test_a_call_follows_as_many_redirects_as_it_says():
    def hop(request):
        number = int(request.url.path[1:])
        return reply(302, headers={"Location": f"/{number - 1}"}) if number else None

    api = client(Server(hop))
    never = client(Server(hop), redirects=0)
    assert (await api.get("/2")).status == 200
    assert (await api.get("/2", redirects=0)).status == 302
    assert (await never.get("/2")).status == 302
    assert (await never.get("/2", redirects=2)).status == 200
    with pytest.raises(AsyncAPIError, match="more than 1 redirects"):
        await api.get("/2", redirects=1)


async def test_a_call_with_redirects_of_its_own_shares_no_response():
    moved = {"Location": "/there", "Cache-Control": "public, max-age=60"}
    server = Server(lambda request: reply(301, headers=moved) if request.url.path == "/me" else None)
    api = client(server, cache=Cache(), fallback=Fallback(stale=60), single_flight=True)
    for _ in range(2):
        assert (await api.get("/me", redirects=0)).status == 301
        assert (await api.get("/me")).status == 200
    assert [path for _, path, _, _ in server.seen].count("/me") == 4


async def test_layers_of_the_users_own_are_composed_once_around_both_chains():
    composed, seen = [], []

    def mine(inner):
        composed.append(inner)

        async def send(request):
            seen.append(request.url.path)
            return await inner(request)

        return send

    api = client(Server(), layers=[mine])
    await api.get("/a")
    await api.get("/b", auth=Bearer("x"))
    await api.get("/c", redirects=0)
    assert len(composed) == 1
    assert seen == ["/a", "/b", "/c"]


async def test_limits_and_counts_hold_for_both_chains_together():
    api = client(Server(), concurrency=1, rate=None)
    await api.get("/a")
    await api.get("/a", auth=Bearer("x"))
    assert api.stats.calls == api.stats.attempts == 2


def test_a_deadline_bounds_a_call_with_a_credential_of_its_own():
    async def main():
        async def slow(request):
            await clock.sleep(60)
            return reply()

        api = Client("https://h", transport=MockTransport(slow, clock=clock), clock=clock)
        with pytest.raises(RequestTimeout):
            await api.get("/", auth=Bearer("x"), timeout=1, retry=Retry(attempts=1))
        return clock.now()

    clock = FakeClock()
    assert run(main()) == pytest.approx(1)


async def test_streams_events_and_pages_take_a_credential_of_their_own():
    events = {"Content-Type": "text/event-stream"}
    server = Server(
        lambda request: reply(200, content=b"data: 1\n\n", headers=events) if "events" in str(request.url) else None
    )
    api = client(server)
    async with api.stream("GET", "/stream", auth=Bearer("s"), cookies={"a": "b"}) as response:
        await response.read()
    async with api.events("/events", auth=Bearer("e"), retry=None) as subscription:
        assert [event.data async for event in subscription] == ["1"]
    async for _ in api.paginate("/pages", by=lambda page: None, items="rows?", auth=Bearer("p"), max_pages=1):
        pass
    assert server.credentials == ["Bearer s", "Bearer e", "Bearer p"]


async def test_items_of_a_map_keep_the_credential_that_they_set_themselves():
    server = Server()
    api = client(server, auth=Bearer("client"))
    items = ["/a", Request("GET", "/b"), Request("GET", "/c", auth=Bearer("c")), Request("GET", "/d", auth=None)]
    await api.gather(items, auth=Bearer("all"), concurrency=1)
    assert server.credentials == ["Bearer all", "Bearer all", "Bearer c", None]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (("user", "password"), r"give Basic\(user, password\)"),
        ("token", "is not a credential: give Bearer"),
        (Bearer, "is not a credential: give Bearer"),
        ({"https://h": Bearer("x")}, "give one credential"),
    ],
)
async def test_what_is_no_credential_is_said_and_nothing_is_sent(wrong, message):
    server = Server()
    api = client(server)
    with pytest.raises(ConfigError, match=message):
        await api.get("/", auth=wrong)
    with pytest.raises(ConfigError, match=message):
        api.map(["/"], auth=wrong)
    assert server.seen == []


async def test_an_api_key_in_the_query_is_not_shown_by_the_response():
    server = Server()
    api = client(server)
    response = await api.get("/me", auth=ApiKey("canary-0123456789", query="key"))
    assert "canary" not in str(response.url)
    with pytest.raises(Unauthorized):
        await client(Server(lambda request: reply(401))).get("/me", auth=ApiKey("canary-0123456789", query="key"))


class Changing:
    """A credential whose user changes each time that it is asked for."""

    max_resends = 0

    def __init__(self):
        self._bearer = Bearer("changing")
        self.cached_signature, self.fetch_signature = self._bearer.cached_signature, self._bearer.fetch_signature
        self.on_response, self.describe = self._bearer.on_response, self._bearer.describe
        self._users = iter("abcdefgh")

    async def principal(self):
        return next(self._users)


async def test_a_response_is_not_kept_where_its_user_has_changed_meanwhile():
    up = True
    server = Server(lambda request: fresh(request) if up else reply(503))
    mine = Changing()
    api = client(server, cache=Cache(), fallback=Fallback(stale=60), retry=None)
    await who(api, auth=mine)
    mine._users = iter("aaaa")
    up = False
    with pytest.raises(ServerError):
        await who(api, auth=mine)


def test_a_call_that_follows_no_redirects_joins_no_flight_of_one_that_does():
    async def main():
        async def slow(request):
            await clock.sleep(1)
            return reply(302, headers={"Location": "/there"}) if request.url.path == "/me" else reply(200)

        api = Client("https://h", transport=MockTransport(slow, clock=clock), clock=clock, single_flight=True)
        return [
            response.status
            for response in await asyncio.gather(api.get("/me"), api.get("/me", redirects=0), api.get("/me"))
        ]

    clock = FakeClock()
    assert run(main()) == [200, 302, 200]


def test_a_write_with_a_calls_credential_overtakes_a_question_under_way():
    async def main():
        async def slow(request):
            await clock.sleep(2 if request.method == "GET" else 1)
            return fresh(request)

        api = Client("https://h", transport=MockTransport(slow, clock=clock), clock=clock, cache=Cache())
        await asyncio.gather(api.get("/me"), api.put("/me", json={}, auth=Bearer("mine")))
        return (await api.get("/me")).from_cache

    clock = FakeClock()
    assert run(main()) == ""
