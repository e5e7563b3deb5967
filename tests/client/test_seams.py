"""Concerns that meet: what each promises alone still holds when another one is on."""

from __future__ import annotations

import asyncio
import base64
import json
from contextvars import ContextVar
from functools import partial

import pytest
from aiohttp import web

from asyncapi import (
    Adaptive,
    ApiKey,
    AuthError,
    Bearer,
    Breaker,
    Cache,
    Client,
    Fallback,
    Hedge,
    Key,
    KeyPool,
    OAuth2ClientCredentials,
    ProtocolError,
    QueueFull,
    RateExceeded,
    RateLimit,
    RequestTimeout,
    Retry,
    Timeout,
)
from asyncapi.credentials.base import Signature
from asyncapi.credentials.oauth.stored import Stored
from asyncapi.credentials.oauth.user_session import Session
from asyncapi.credentials.static import bearer
from asyncapi.credentials.token_renewal import Tokens
from asyncapi.sansio.auth.oauth import Refused, Token
from asyncapi.testing import FakeClock, MockTransport, reply, run
from servers import application


async def _pieces(*pieces):
    for piece in pieces:
        yield piece


class Served:
    """A client over a handler that keeps what it was asked."""

    def __init__(self, handler, **settings):
        self.clock = FakeClock()
        self.asked = []
        self.handler = handler
        settings.setdefault("retry", None)
        self.transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=self.transport, clock=self.clock, **settings)

    def answer(self, request):
        self.asked.append(request)
        return self.handler(request, len(self.asked))


def played(scenario, handler, **settings):
    async def main():
        served = Served(handler, **settings)
        async with served.api:
            return await scenario(served)

    return run(main())


# Cache and streams.

FRESH = {"Cache-Control": "max-age=60", "ETag": '"1"'}


@pytest.mark.parametrize("reads", [True, False])
def test_a_streamed_answer_is_never_stored_in_part_or_whole(reads):
    def handler(request, number):
        return reply(content=_pieces(b"who", b"le"), headers=FRESH)

    async def scenario(served):
        async with served.api.stream("GET", "/x") as response:
            got = await response.read() if reads else b""
        again = await served.api.get("/x")
        return got, again.content, again.from_cache, len(served.asked)

    got, again, how, asked = played(scenario, handler, cache=Cache())
    assert got == (b"whole" if reads else b"")
    assert (again, how, asked) == (b"whole", "", 2)


def test_a_stream_of_what_is_stored_sends_nothing():
    async def scenario(served):
        await served.api.get("/x")
        async with served.api.stream("GET", "/x") as response:
            return response.from_cache, await response.read(), len(served.asked)

    answer = played(scenario, lambda *_: reply(content=b"whole", headers=FRESH), cache=Cache())
    assert answer == ("fresh", b"whole", 1)


def test_a_stream_of_what_is_old_asks_whether_it_holds_and_a_new_one_ends_the_old():
    def handler(request, number):
        if request.headers.get("If-None-Match") == '"1"' and number < 3:
            return reply(304, headers=FRESH)
        if number >= 3:
            return reply(content=_pieces(b"ne", b"w"), headers={**FRESH, "ETag": '"2"'})
        return reply(content=b"old", headers=FRESH)

    async def scenario(served):
        await served.api.get("/x")
        await served.clock.sleep(61)
        read = []
        for _ in range(2):
            async with served.api.stream("GET", "/x") as response:
                read.append(await response.read())
            await served.clock.sleep(61)
        read.append((await served.api.get("/x")).content)
        return read, [request.headers.get("If-None-Match") for request in served.asked]

    assert played(scenario, handler, cache=Cache()) == ([b"old", b"new", b"new"], [None, '"1"', '"1"', None])


def test_a_304_from_where_a_redirect_led_is_not_about_what_is_stored():
    def handler(request, number):
        if request.url.path == "/there":
            if request.headers.get("If-None-Match") == '"1"':
                return reply(304, headers={"ETag": '"1"'})
            return reply(content=b"there", headers={"ETag": '"1"'})
        return reply(302, headers={"Location": "/there"}) if number > 1 else reply(content=b"here", headers=FRESH)

    async def scenario(served):
        first = await served.api.get("/x")
        await served.clock.sleep(61)
        return first.content, (await served.api.get("/x")).content

    assert played(scenario, handler, cache=Cache()) == (b"here", b"there")


# What is kept or shared, and a credential whose user changes.

user = ContextVar("user", default="ann")


async def _token():
    return user.get()


def _greets(request, number):
    return reply(content=request.headers["Authorization"].encode(), headers={"Cache-Control": "max-age=60"})


@pytest.mark.parametrize(
    ("settings", "sent"),
    [({"cache": Cache()}, 2), ({"single_flight": True}, 4), ({"cache": Cache(), "single_flight": True}, 2)],
)
@pytest.mark.parametrize("value", [user.get, _token])
def test_one_users_answer_is_not_given_to_another_that_the_same_credential_acts_for(settings, sent, value):
    async def get(served, name):
        user.set(name)
        return (await served.api.get("/me")).text

    async def scenario(served):
        return [await asyncio.gather(*(get(served, name) for name in ("ann", "bob", "ann"))) for _ in range(2)], len(
            served.asked
        )

    answers, asked = played(scenario, _greets, auth=Bearer(value), **settings)
    assert answers == [["Bearer ann", "Bearer bob", "Bearer ann"]] * 2
    assert asked == sent


def test_what_is_public_is_everybodys():
    async def scenario(served):
        for name in ("ann", "bob"):
            user.set(name)
            await served.api.get("/x")
        return len(served.asked)

    headers = {"Cache-Control": "public, max-age=60"}
    assert played(scenario, lambda *_: reply(headers=headers), auth=Bearer(user.get), cache=Cache()) == 1


def test_a_user_that_changes_while_the_answer_is_under_way_stores_nothing():
    async def scenario(served):
        task = asyncio.create_task(served.api.get("/x"))
        await served.clock.sleep(0.5)
        now[0] = "bob"
        await task
        now[0] = "ann"
        await served.api.get("/x")
        return len(served.asked)

    async def slow(request):
        await asyncio.sleep(1)
        return reply(headers={"Cache-Control": "max-age=60"})

    now = ["ann"]
    assert played(scenario, lambda request, _: slow(request), auth=Bearer(lambda: now[0]), cache=Cache()) == 2


def test_a_stale_answer_is_its_users_own():
    def handler(request, number):
        return reply(content=request.headers["Authorization"].encode()) if number == 1 else reply(503)

    async def scenario(served):
        await served.api.get("/me")
        user.set("bob")
        others = (await served.api.get("/me", raise_for_status=False)).status
        user.set("ann")
        return others, (await served.api.get("/me")).text

    settings = {"auth": Bearer(user.get), "fallback": Fallback(stale=60)}
    assert played(scenario, handler, **settings) == (503, "Bearer ann")


def test_keys_of_a_pool_share_what_is_stored():
    async def scenario(served):
        for _ in range(3):
            await served.api.get("/x")
        return len(served.asked)

    pool = KeyPool([ApiKey("one"), ApiKey("two")])
    assert played(scenario, lambda *_: reply(headers=FRESH), auth=pool, cache=Cache()) == 1


class _Own:
    """A credential that a user has written, and that does not say whose it is."""

    max_resends = 0

    def cached_signature(self, request, means):
        return Signature(headers=(("Authorization", user.get()),))

    async def fetch_signature(self, request, means):
        return self.cached_signature(request, means)

    def on_response(self, signature, response, refused, means):
        return ""

    def describe(self):
        return "own"


def test_a_credential_that_does_not_say_whose_it_is_shares_only_what_is_public():
    async def scenario(served):
        for path in ("/private", "/public"):
            for _ in range(2):
                await served.api.get(path)
        await asyncio.gather(served.api.get("/flight"), served.api.get("/flight"))
        return [request.url.path for request in served.asked]

    def handler(request, number):
        return reply(headers={"Cache-Control": f"{request.url.path[1:]}, max-age=60"})

    asked = played(scenario, handler, auth=_Own(), cache=Cache(), single_flight=True)
    assert asked == ["/private", "/private", "/public", "/flight", "/flight"]


def test_another_login_is_another_user_and_a_refreshed_token_is_the_same():
    """Until the first token is there nobody knows whose an answer is."""
    names = iter(("ann", "ann2", "bob"))

    async def login(means):
        return Token(next(names), issued_at=means.clock.wall(), lifetime=100.0, refresh_token="r")

    class Server:
        name, where, proofs = "Test", "", None

        def describe(self):
            return ""

        def tokens(self, fetch, store, kind, *, needed):
            stored = Stored(fetch, store, kind, who="Test", check=lambda token: None, needed=needed)
            return Tokens("Test", stored.fetch, lambda token: bearer(token.access_token)), stored

        async def token(self, means, form, *, before="", key=""):
            if refused[0]:
                raise Refused("refused", "invalid_grant")
            return await login(means)

    class Login(_Own):
        def __init__(self):
            self.session = session = Session(Server(), login, None, "", None)
            tokens = session.tokens
            self.cached_signature, self.fetch_signature = tokens.cached_signature, tokens.fetch_signature
            self.on_response, self.max_resends = tokens.on_response, tokens.max_resends
            self.principal = session.principal

    async def scenario(served):
        seen = []
        for _ in range(4):
            seen.append(((await served.api.get("/me")).text, len(served.asked)))
            await served.clock.sleep(1)
        await served.clock.sleep(100)  # a token later
        seen.append(((await served.api.get("/me")).text, len(served.asked)))
        await served.api.get("/other")
        seen.append(((await served.api.get("/me")).text, len(served.asked)))
        refused[0] = True
        await served.clock.sleep(101)
        await served.api.get("/other", headers={"Cache-Control": "no-store"})
        seen.append(((await served.api.get("/me")).text, len(served.asked)))
        return seen

    refused = [False]

    def handler(request, number):
        return reply(content=request.headers["Authorization"].encode(), headers={"Cache-Control": "max-age=1000"})

    assert played(scenario, handler, auth=Login(), cache=Cache()) == [
        ("Bearer ann", 1), ("Bearer ann", 2), ("Bearer ann", 2), ("Bearer ann", 2), ("Bearer ann", 2),
        ("Bearer ann", 3), ("Bearer bob", 5),
    ]  # fmt: skip


# Keys and those who wait for them.


def _one_a_second(number=1):
    return KeyPool([Key(ApiKey(f"key-{n}"), rate=RateLimit(1, per=1.0)) for n in range(number)])


def test_who_does_not_wait_does_not_stand_in_the_line_before_the_keys():
    async def scenario(served):
        api, clock = served.api, served.clock
        await api.get("/first")
        others = [asyncio.create_task(api.get("/other")) for _ in range(3)]
        await clock.sleep(0.1)
        began = clock.now()
        with pytest.raises(RateExceeded) as refused:
            await api.get("/", wait=False)
        told = refused.value.retry_after
        with pytest.raises(RateExceeded):
            await api.get("/", wait=2.0)
        with pytest.raises(RequestTimeout):
            await api.get("/", timeout=2.0)
        waited = clock.now() - began
        await asyncio.gather(*others)
        return waited, told

    waited, told = played(scenario, lambda *_: reply(), auth=_one_a_second())
    assert waited == 0
    assert told == pytest.approx(3.9)


@pytest.mark.parametrize("keys", [1, 3])
def test_urgent_calls_go_first_before_the_keys_and_tenants_take_turns(keys):
    async def scenario(served):
        api = served.api
        await asyncio.gather(*(api.get("/first") for _ in range(keys)))
        calls = [("/waits", 0, "a"), ("/low", -1, ""), ("/a", 0, "a"), ("/a", 0, "a"), ("/b", 0, "b"), ("/high", 1, "")]
        waiting = []
        for path, priority, tenant in calls:
            waiting.append(asyncio.create_task(api.get(path, priority=priority, tenant=tenant)))
            await served.clock.sleep(0.01)
        await asyncio.gather(*waiting)
        return [request.url.path for request in served.asked[keys:]]

    assert played(scenario, lambda *_: reply(), auth=_one_a_second(keys)) == [
        "/waits", "/high", "/a", "/b", "/a", "/low",
    ]  # fmt: skip


def test_who_leaves_the_line_before_the_keys_at_any_moment_holds_up_nobody():
    async def scenario(served, left):
        api = served.api
        await api.get("/first")
        waiting = [asyncio.create_task(api.get(f"/{number}")) for number in range(4)]
        for number, when in left:
            served.clock.call_at(when, waiting[number].cancel)
        await asyncio.gather(*waiting, return_exceptions=True)
        began = served.clock.now()
        await api.get("/last")
        return began, served.clock.now()

    for left in ([(0, 0.5)], [(1, 0.5)], [(0, 1.0)], [(1, 1.0)], [(0, 0.5), (1, 0.5)], [(n, 1.0) for n in range(4)]):
        began, ended = played(partial(scenario, left=left), lambda *_: reply(), auth=_one_a_second())
        assert ended - began <= 1.0, left
        assert began <= 4.0


def test_a_call_with_a_key_of_its_own_uses_none_of_the_pool():
    async def scenario(served):
        for _ in range(3):
            await served.api.get("/", headers={"X-Api-Key": "own"})
        await served.api.get("/")
        with pytest.raises(AuthError, match="used up"):
            await served.api.get("/")
        return served.clock.now(), [request.headers["X-Api-Key"] for request in served.asked]

    pool = KeyPool([Key(ApiKey("pool"), rate=RateLimit(1, per=60.0), quota=1)])
    assert played(scenario, lambda *_: reply(), auth=pool) == (0.0, ["own", "own", "own", "pool"])


# The pacer and attempts that were not sent.


def _told(left, reset):
    told = {"RateLimit-Limit": "100", "RateLimit-Remaining": str(left), "RateLimit-Reset": str(reset)}
    return reply(headers=told)


def test_what_was_not_sent_after_all_takes_nothing_from_what_the_server_leaves():
    """Ten are left of the window: those that are cancelled below, in line for a place, are not among them."""

    async def scenario(served):
        api, clock = served.api, served.clock
        await api.get("/")
        pacer = api._state.paces["h"].pacer
        before = [level.left for level in pacer._quotas._levels.values()]
        holds = asyncio.create_task(api.get("/holds"))
        await clock.sleep(0)
        cut = []
        for _ in range(4):
            await clock.sleep(7)
            cut.append(asyncio.create_task(api.get("/cut")))
        await clock.sleep(1)
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)
        await clock.sleep(7)
        with pytest.raises(QueueFull):
            await api.get("/", wait=False)
        after = [level.left for level in pacer._quotas._levels.values()]
        await holds
        return before, after, [level.left for level in pacer._quotas._levels.values()]

    async def holds(request):
        await asyncio.sleep(50)
        return _told(9, 10)

    before, after, told = played(
        scenario,
        lambda request, number: holds(request) if request.url.path == "/holds" else _told(10, 60),
        concurrency=1,
        timeout=None,
    )
    assert before == [10.0]
    assert after == [9.0]
    assert told == [9.0]  # by the answer to the oldest: nothing was sent after it


# What a record says of the limits and the breaker.


def test_attempts_record_the_state_of_limits_and_breaker():
    """All but a first attempt that succeeds at once."""
    redirected = reply(302, headers={"Location": "/"})
    answers = {"/again": iter([reply(503), reply()]), "/on": iter([redirected])}

    def handler(request, number):
        return next(answers.get(request.url.path, iter(())), None) or reply()

    async def scenario(served):
        api = served.api
        got = {}
        for path in ("/", "/again", "/on"):
            await served.clock.sleep(9)
            got[path] = [bool(one.state) for one in (await api.get(path)).attempts]
        await served.clock.sleep(9)
        held = await asyncio.gather(api.get("/"), api.get("/"))
        got["held"] = [bool(one.state) for response in held for one in response.attempts]
        return got, held[1].attempts[0].state

    settings = {"retry": Retry(2), "breaker": Breaker(), "rate": RateLimit(2, per=1.0, burst=1), "concurrency": 3}
    got, state = played(scenario, handler, **settings)
    assert got == {"/": [False], "/again": [True, True], "/on": [True, True], "held": [False, True]}
    assert set(state) == {"retry budget", "concurrency", "rate (client)", "breaker"}


def test_a_failure_that_ends_the_call_says_it_too():
    def handler(request, number):
        raise ProtocolError("cut")

    async def scenario(served):
        with pytest.raises(ProtocolError) as failed:
            await served.api.get("/")
        return failed.value.attempts[0].state

    assert played(scenario, handler, concurrency=3)["concurrency"].startswith("1 of 3")


# Streams and learned limits, keys, the server's limits.


async def _lasting(clock):
    yield b"x"
    await clock.sleep(3600)
    yield b"y"


async def _first(api, path):
    """What it is told before the rest of a stream that stays open."""
    async with api.stream("GET", path, timeout=Timeout(None, read=None)) as response:
        async for _ in response.bytes():
            pass


async def _cut(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_streams_that_last_do_not_stop_a_learned_limit():
    async def answer(request, served):
        await served.clock.sleep(0.05)
        return reply(content=_lasting(served.clock)) if request.url.path == "/s" else reply()

    async def scenario(served):
        served.handler = lambda request, _: answer(request, served)
        streams = [asyncio.create_task(_first(served.api, "/s")) for _ in range(40)]
        await served.clock.sleep(2)
        gate = served.api._state.gates["h"]
        seen = gate.streams, gate.free == gate.limit > 4
        await served.api.get("/x", timeout=1)
        await _cut(streams)
        return *seen, gate.streams, gate.free == gate.limit

    assert played(scenario, None, concurrency=Adaptive(initial=4), timeout=None) == (40, True, 0, True)


def test_open_streams_are_bounded_by_the_most_that_a_learned_limit_may_be():
    async def scenario(served):
        served.handler = lambda request, _: reply(content=_lasting(served.clock))
        streams = [asyncio.create_task(_first(served.api, "/s")) for _ in range(30)]
        await served.clock.sleep(2)
        opened = len(served.asked)
        await _cut(streams)
        gate = served.api._state.gates["h"]
        return opened <= 10, gate.streams, gate.free == gate.limit

    settings = {"concurrency": Adaptive(initial=4, maximum=10), "timeout": None}
    assert played(scenario, None, **settings) == (True, 0, True)


def test_a_stream_is_opened_with_the_next_key_where_one_is_refused_or_at_its_limit():
    refused = {"one": 429, "two": 401}

    def handler(request, number):
        return reply(refused.get(request.headers["X-Api-Key"], 200), headers={"Retry-After": "9"})

    async def scenario(served):
        async with served.api.stream("GET", "/") as response:
            return response.status, [one.why for one in response.attempts], served.clock.now()

    pool = KeyPool([ApiKey("one"), ApiKey("two"), ApiKey("three")])
    assert played(scenario, handler, auth=pool) == (
        200, ["first", "auth: 429, another key", "auth: 401, another key"], 0.0,
    )  # fmt: skip


def test_after_a_429_to_a_stream_one_goes_first_and_its_headers_count():
    """Its headers are read while its body is still open."""

    async def scenario(served):
        def handler(request, number):
            if number == 1:
                return reply(429, headers={"Retry-After": "3"})
            told = {"RateLimit-Limit": "100", "RateLimit-Remaining": "0", "RateLimit-Reset": "40"}
            return reply(content=_lasting(served.clock), headers=told if number == 2 else {})

        served.handler = handler
        first = asyncio.create_task(_first(served.api, "/a"))
        await served.clock.sleep(0.1)
        others = [first, *(asyncio.create_task(_first(served.api, "/b")) for _ in range(2))]
        seen = []
        for seconds in (2.8, 1, 38, 5):
            await served.clock.sleep(seconds)
            seen.append(len(served.asked))
        await _cut(others)
        return seen

    seen = played(scenario, None, retry=Retry(3), timeout=None)
    assert seen[:2] == [2, 2]
    assert seen[2] > 2


# Proofs and signatures: each attempt its own.


def _claims(request):
    part = request.headers["DPoP"].split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def test_every_copy_hop_and_retry_proves_itself_anew():
    pytest.importorskip("joserfc")

    async def answer(request, served):
        path = request.url.path
        seen = sum(one.url.path == path for one in served.asked)
        if path == "/token":
            return reply(json={"access_token": "t", "token_type": "DPoP", "expires_in": 3600})
        if path == "/late" and seen == 1:
            await served.clock.sleep(5)
        if path == "/on":
            return reply(302, headers={"Location": "/there?x=1"})
        if path == "/again" and seen == 1:
            return reply(503)
        if path == "/nonce" and "nonce" not in _claims(request):
            asks = 'DPoP error="use_dpop_nonce"'
            return reply(401, headers={"DPoP-Nonce": "n", "WWW-Authenticate": asks})
        return reply(content=_pieces(b"a", b"b"))

    async def scenario(served):
        served.handler = lambda request, _: answer(request, served)
        whys = {}
        for path in ("/late", "/again", "/on", "/nonce"):
            async with served.api.stream("GET", path) as response:
                assert await response.read() == b"ab"
            whys[path] = [one.why.partition(":")[0] for one in response.attempts]
        proofs = [(_claims(one), one.url) for one in served.asked if one.url.path != "/token"]
        return whys, proofs

    auth = OAuth2ClientCredentials("https://h/token", "id", "secret", dpop=True)
    settings = {"retry": Retry(2), "hedge": Hedge(0.5, budget=1.0), "cache": Cache(), "breaker": Breaker()}
    whys, proofs = played(scenario, None, auth=auth, **settings)
    assert whys == {
        "/late": ["first", "hedge"], "/again": ["first", "retry"], "/on": ["first", "redirect"],
        "/nonce": ["first", "auth"],
    }  # fmt: skip
    assert len({proof["jti"] for proof, _ in proofs}) == len(proofs) == 8
    assert all(proof["htu"] == str(url.with_query(None)) for proof, url in proofs)


def test_a_hedged_copy_waits_for_no_key():
    """It would stand in line before the keys, and hold up the call that it was to speed up."""

    async def scenario(served):
        async def late(request):
            await served.clock.sleep(3)
            return reply()

        served.handler = lambda request, _: late(request)
        others = [asyncio.create_task(served.api.get(f"/{n}")) for n in range(3)]
        response = (await asyncio.gather(*others))[0]
        return len(served.asked), {one.then for one in response.attempts}, served.clock.now()

    asked, then, took = played(scenario, None, auth=_one_a_second(), hedge=Hedge(0.5, budget=1.0), timeout=None)
    assert asked == 3
    assert then == {"not hedged: RateExceeded"}
    assert took == pytest.approx(5.0)


def test_what_a_further_copy_alone_is_refused_holds_nobody():
    async def scenario(served):
        async def late(number):
            if number == 1:
                await served.clock.sleep(2)
            return reply(429, headers={"Retry-After": "4"}) if number == 2 else reply(content=b"first")

        served.handler = lambda _, number: late(number)
        response = await served.api.get("/")
        answered = served.clock.now()
        await served.api.get("/next")
        return response.text, answered, served.clock.now()

    told = played(scenario, None, hedge=Hedge(0.5, budget=1.0), timeout=None)
    assert told == ("first", 2.0, 2.0)


@pytest.mark.lanes
async def test_cookies_that_are_kept_are_a_user_too():
    """A login by cookie: what was stored of the one before is not the next one's."""

    async def login(request):
        answer = web.Response()
        answer.set_cookie("sid", request.query["as"])
        return answer

    async def me(request):
        nonlocal asked
        asked += 1
        return web.Response(text=request.cookies.get("sid", "nobody"), headers={"Cache-Control": "max-age=60"})

    asked, told = 0, []
    async with application(web.post("/login", login), web.get("/me", me)) as url:
        named = url.replace("127.0.0.1", "localhost")  # aiohttp's jar keeps no cookie of a bare address
        async with Client(named, cookies=True, cache=Cache()) as api:
            for name in ("", "ann", "bob", "ann"):
                if name:
                    await api.post("/login", params={"as": name})
                told += [(await api.get("/me")).text for _ in range(2)]
    assert told == ["nobody"] * 2 + ["ann"] * 2 + ["bob"] * 2 + ["ann"] * 2
    assert asked == 3
