"""Concerns that meet: what each promises alone still holds when another one is on."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from asyncapi import ApiKey, Bearer, Cache, Client, Fallback, KeyPool
from asyncapi.credentials.credential import Signature
from asyncapi.credentials.plain import bearer
from asyncapi.credentials.session import Session
from asyncapi.credentials.stored import Stored
from asyncapi.credentials.tokens import Tokens
from asyncapi.sansio.oauth import Refused, Token
from asyncapi.testing import FakeClock, MockTransport, reply, run


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
            return await response.read(), len(served.asked)

    assert played(scenario, lambda *_: reply(content=b"whole", headers=FRESH), cache=Cache()) == (b"whole", 1)


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

    resends = 0

    def ready(self, request, means):
        return Signature(headers=(("Authorization", user.get()),))

    async def obtain(self, request, means):
        return self.ready(request, means)

    def answered(self, signature, response, refused, means):
        return ""

    def told(self):
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

        def told(self):
            return ""

        def tokens(self, fetch, store, kind):
            stored = Stored(fetch, store, kind)
            return Tokens("Test", stored.fetch, lambda token: bearer(token.access_token)), stored

        async def token(self, means, form, *, before="", key=""):
            if refused[0]:
                raise Refused("refused", "invalid_grant")
            return await login(means)

    class Login(_Own):
        def __init__(self):
            self.session = session = Session(Server(), login, None, "", None)
            self.ready, self.obtain, self.answered = session.ready, session.obtain, session.answered
            self.resends, self.whose = session.resends, session.whose

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
