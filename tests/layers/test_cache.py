"""The cache in a client: a hit sends nothing; whose an answer is, is never mixed up; what is written is forgotten."""

from __future__ import annotations

import asyncio
import gc

import pytest

from asyncapi import (
    ApiKey,
    Bearer,
    Cache,
    Client,
    ConfigError,
    ConnectError,
    Fallback,
    NotFound,
    ProtocolError,
    RateLimit,
    ServerError,
)
from asyncapi.layers.cache import _Cache
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Origin:
    """A server whose answer to a path is set, and what came to it."""

    def __init__(self, **settings):
        self.clock = FakeClock()
        self.asked = []
        self.version = 1
        self.headers = {"Cache-Control": "max-age=60"}
        self.status = 200
        self.takes = 0.0
        settings.setdefault("cache", Cache())
        settings.setdefault("retry", None)
        transport = MockTransport(self.answer, clock=self.clock)
        self.api = Client("https://h", transport=transport, clock=self.clock, **settings)

    async def answer(self, request):
        self.asked.append((request.method, request.url.path_qs, dict(request.headers)))
        if self.takes:
            await self.clock.sleep(self.takes)
        tag = f'"{self.version}"'
        if request.headers.get("If-None-Match") == tag and self.status == 200:
            return reply(304, headers={"ETag": tag, **self.headers})
        return reply(self.status, json={"n": self.version}, headers={"ETag": tag, **self.headers})


def _cache_of(api):
    """The layer itself, out of the chain that goes through it."""
    (found,) = [
        one
        for one in gc.get_objects()
        if isinstance(one, _Cache) and one._shelf.variants._answers is api._state.answers
    ]
    return found


def played(scenario, **settings):
    async def main():
        origin = Origin(**settings)
        async with origin.api:
            return await scenario(origin)

    return run(main())


def test_a_hit_sends_nothing_and_waits_for_nothing():
    async def scenario(origin):
        first = await origin.api.get("/x")
        await origin.clock.sleep(30)
        hit = await origin.api.get("/x", wait=False)
        return first, hit, origin.asked, origin.api.stats

    first, hit, asked, stats = played(scenario, rate=RateLimit(1, per=1000), concurrency=1)
    assert len(asked) == 1
    assert (first.from_cache, hit.from_cache) == ("", "fresh")
    assert (hit.json(), hit.status, hit.attempts, hit.degraded) == ({"n": 1}, 200, (), "")
    assert hit.headers["Age"] == "30"
    assert hit.request is not first.request
    assert (stats.calls, stats.attempts) == (2, 1)
    kept = stats.cache.pop("bytes")
    assert stats.cache == {"hits": 1, "revalidated": 0, "stale": 0, "misses": 1, "stored": 1}
    assert 500 < kept < 2000


def test_what_is_no_longer_fresh_is_asked_about_and_a_304_freshens_it():
    async def scenario(origin):
        await origin.api.get("/x")
        await origin.clock.sleep(61)
        valid = await origin.api.get("/x")
        await origin.clock.sleep(59)
        again = await origin.api.get("/x")
        origin.version = 2
        await origin.clock.sleep(2)
        new = await origin.api.get("/x")
        return valid, again, new, origin.asked

    valid, again, new, asked = played(scenario)
    assert (valid.from_cache, valid.status, valid.json(), len(valid.attempts)) == ("revalidated", 200, {"n": 1}, 1)
    assert again.from_cache == "fresh"
    assert (new.from_cache, new.json()) == ("", {"n": 2})
    assert [headers.get("If-None-Match") for *_, headers in asked] == [None, '"1"', '"1"']


def test_models_are_read_from_what_is_stored():
    async def scenario(origin):
        return [await origin.api.get("/x", model=dict[str, int]) for _ in range(2)], len(origin.asked)

    assert played(scenario) == ([{"n": 1}, {"n": 1}], 1)


def test_an_error_is_stored_too_where_its_headers_say_so():
    async def scenario(origin):
        origin.status = 404
        for _ in range(2):
            with pytest.raises(NotFound):
                await origin.api.get("/x")
        return len(origin.asked)

    assert played(scenario) == 1


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Cookie", "X-Auth-Token"])
def test_one_users_answer_is_not_anothers(name):
    async def scenario(origin):
        for user in ("lynn", "hugo", "lynn", "hugo"):
            await origin.api.get("/me", headers={name: user})
        await origin.api.get("/me")
        return [headers.get(name) for *_, headers in origin.asked], repr(origin.api._state.answers._entries)

    asked, kept = played(scenario)
    assert asked == ["lynn", "hugo", None]
    assert "lynn" not in kept  # nor is a credential kept


def test_the_credential_of_the_client_is_one_user():
    async def scenario(origin):
        for _ in range(2):
            await origin.api.get("/me")
        return [headers["X-Api-Key"] for *_, headers in origin.asked], repr(origin.api._state.answers._entries)

    asked, kept = played(scenario, auth=ApiKey("s3cr3t"))
    assert asked == ["s3cr3t"]
    assert "s3cr3t" not in kept


def test_vary_tells_answers_apart():
    async def scenario(origin):
        origin.headers["Vary"] = "Accept-Language"
        for language in ("en", "de", "en", "de"):
            await origin.api.get("/x", headers={"Accept-Language": language})
        return len(origin.asked)

    assert played(scenario) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(("status", "asked_again"), [(200, True), (404, False), (500, False)])
def test_a_write_that_succeeds_forgets_what_it_has_changed(method, status, asked_again):
    async def scenario(origin):
        await origin.api.get("/x")
        origin.status = status
        await origin.api.request(method, "/x", raise_for_status=False)
        origin.status = 200
        return (await origin.api.get("/x")).from_cache

    assert played(scenario) == ("" if asked_again else "fresh")


@pytest.mark.parametrize("known", [False, True])
def test_what_was_asked_for_before_a_write_and_comes_after_it_is_not_stored(known):
    async def scenario(origin):
        if known:
            await origin.api.get("/x")
            await origin.clock.sleep(61)
        origin.takes = 2.0
        slow = asyncio.create_task(origin.api.get("/x"))
        await origin.clock.sleep(1)
        origin.takes = 0.0
        await origin.api.put("/x", json=1)
        await slow
        return (await origin.api.get("/x")).from_cache

    assert played(scenario) == ""


def test_a_write_forgets_the_places_of_the_same_origin_that_its_answer_names():
    async def scenario(origin):
        for path in ("/made", "/other", "https://elsewhere/made"):
            await origin.api.get(path)
        origin.headers = {"Location": "/made", "Content-Location": "https://elsewhere/made"}
        await origin.api.post("/x")
        return [(await origin.api.get(path)).from_cache for path in ("/made", "/other", "https://elsewhere/made")]

    assert played(scenario) == ["", "fresh", "fresh"]


@pytest.mark.parametrize(
    "headers", [{"Cache-Control": "no-store"}, {"Range": "bytes=0-1"}, {"If-None-Match": '"7"'}], ids=str
)
def test_requests_that_are_none_of_its_business_pass_it_by(headers):
    async def scenario(origin):
        await origin.api.get("/x", headers=headers)
        await origin.api.get("/x", headers=headers)
        return len(origin.asked), origin.api.stats.cache["stored"]

    assert played(scenario) == (2, 0)


def test_a_users_own_conditions_get_their_304():
    async def scenario(origin):
        await origin.api.get("/x")
        return (await origin.api.get("/x", headers={"If-None-Match": '"1"'})).status

    assert played(scenario) == 304


def test_only_if_cached_asks_nobody():
    async def scenario(origin):
        only = {"Cache-Control": "only-if-cached"}
        miss = await origin.api.get("/x", headers=only, raise_for_status=False)
        await origin.api.get("/x")
        return miss.status, (await origin.api.get("/x", headers=only)).from_cache, len(origin.asked)

    assert played(scenario) == (504, "fresh", 1)


def test_where_the_server_cannot_be_asked_an_old_answer_says_what_it_is():
    async def scenario(origin):
        await origin.api.get("/x")
        origin.status = 503
        await origin.clock.sleep(100)
        old = await origin.api.get("/x")
        await origin.clock.sleep(100)
        with pytest.raises(ServerError):
            await origin.api.get("/x")
        return old, origin.api.stats

    old, stats = played(scenario, cache=Cache(stale_if_error=60))
    assert (old.from_cache, old.json()) == ("stale", {"n": 1})
    assert old.degraded == "stale: 100 s old, after 503"
    assert (stats.degraded, stats.cache["stale"]) == (1, 1)


def test_a_304_to_another_answer_is_no_answer_the_whole_is_asked_for():
    async def scenario(origin):
        await origin.api.get("/x")
        await origin.clock.sleep(61)
        told = iter([reply(304, headers={"ETag": '"9"'}), reply(200, json={"n": 9}, headers={"ETag": '"9"'})])
        origin.api._transport._handler = lambda request: next(told)
        response = await origin.api.get("/x")
        return response.json(), len(response.attempts), response.from_cache

    assert played(scenario) == ({"n": 9}, 2, "")


def test_what_came_from_elsewhere_is_not_stored_under_this_url():
    async def scenario(origin):
        real = origin.answer

        async def answer(request):
            if request.url.path == "/x":
                return reply(302, headers={"Location": "/y"})
            return await real(request)

        origin.api._transport._handler = answer
        for _ in range(2):
            await origin.api.get("/x")
        return len(origin.asked), origin.api.stats.cache["stored"]

    assert played(scenario) == (2, 0)


def test_a_fallbacks_answer_is_not_stored():
    async def scenario(origin):
        origin.status = 500
        await origin.api.get("/x")
        return origin.api.stats.cache["stored"], (await origin.api.get("/x")).degraded

    default = reply(200, json={"n": 0}, headers={"Cache-Control": "max-age=60"})
    assert played(scenario, fallback=Fallback(value=default)) == (0, "default value, after 500")


def test_a_stale_fallback_and_the_cache_share_one_memory_and_know_of_each_other():
    """A revalidation that fails finds the last good answer, though it asked with conditions; a 304 has kept it young."""

    async def scenario(origin):
        await origin.api.get("/x")
        await origin.clock.sleep(100)
        assert (await origin.api.get("/x")).from_cache == "revalidated"
        origin.status = 503
        await origin.clock.sleep(100)
        old = await origin.api.get("/x")
        return old.json(), old.degraded, origin.api.stats.cache["bytes"] == origin.api._state.answers.size

    assert played(scenario, fallback=Fallback(stale=150)) == ({"n": 1}, "stale: 100 s old, after 503", True)


def test_a_304_about_another_response_costs_other_users_nothing():
    user = ["a"]

    async def scenario():
        clock = FakeClock()

        def server(request):
            if "If-None-Match" in request.headers:
                return reply(304, headers={"ETag": '"other"'})
            return reply(200, json=user[0], headers={"ETag": '"1"', "Cache-Control": "max-age=10"})

        transport = MockTransport(server)
        async with Client(
            "https://h", transport=transport, clock=clock, cache=Cache(), auth=Bearer(lambda: user[0])
        ) as api:
            await api.get("/x")
            await clock.sleep(11)
            user[0] = "b"
            await api.get("/x")
            user[0] = "a"
            again = await api.get("/x")
            user[0] = "b"
            other = await api.get("/x")
        return again.json(), again.from_cache, other.json(), other.from_cache

    assert run(scenario()) == ("a", "", "b", "fresh")


def test_a_304_of_a_fallback_says_nothing_of_what_is_stored():
    seen = []

    async def scenario():
        clock, down = FakeClock(), []

        def server(request):
            asked = request.headers.get("If-None-Match")
            seen.append((request.url.host, asked))
            if down and request.url.host == "h":
                return reply(503)
            headers = {"ETag": '"1"', "Cache-Control": "max-age=10"}
            return reply(304, headers=headers) if asked else reply(200, json=request.url.host, headers=headers)

        api = Client(
            "https://h", transport=MockTransport(server), clock=clock, cache=Cache(), retry=None,
            fallback=Fallback(to="https://mirror"),
        )  # fmt: skip
        async with api:
            await api.get("/x")
            await clock.sleep(11)
            down.append(1)
            other = await api.get("/x")
            del down[:]
            again = await api.get("/x")
        return other.json(), other.from_cache, again.json(), again.from_cache

    assert run(scenario()) == ("mirror", "", "h", "revalidated")
    assert seen[-1] == ("h", '"1"')


def test_memory_is_bounded_in_bytes():
    async def scenario(origin):
        for number in range(500):
            await origin.api.get(f"/{number}")
        fresh = [(await origin.api.get(f"/{number}")).from_cache for number in (499, 498, 0)]
        return origin.api.stats.cache["bytes"], fresh

    kept, fresh = played(scenario, cache=Cache(50_000))
    assert kept <= 50_000
    assert fresh == ["fresh", "fresh", ""]


def test_variants_of_one_url_are_bounded():
    async def scenario(origin):
        origin.headers["Vary"] = "X-N"
        for number in range(100):
            await origin.api.get("/x", headers={"X-N": str(number)})
        (kept,) = origin.api._state.answers._entries.values()
        return len(kept[1:])

    assert played(scenario) == 32


def test_those_who_ask_at_the_same_time_share_a_flight_and_then_the_cache():
    async def scenario(origin):
        origin.takes = 1.0
        await asyncio.gather(*(origin.api.get("/x") for _ in range(1000)))
        return len(origin.asked), (await origin.api.get("/x")).from_cache

    assert played(scenario, single_flight=True) == (1, "fresh")


def test_a_call_that_is_cancelled_stores_nothing_and_breaks_nothing():
    async def scenario(origin):
        origin.takes = 1.0
        call = asyncio.create_task(origin.api.get("/x"))
        await origin.clock.sleep(0.5)
        call.cancel()
        await asyncio.wait([call])
        assert not origin.api._state.fetching
        return call.cancelled(), len(origin.api._state.answers), (await origin.api.get("/x")).from_cache

    assert played(scenario) == (True, 0, "")


def test_answers_are_not_shared_so_that_one_could_change_anothers():
    async def scenario(origin):
        await origin.api.get("/x")
        one, other = await origin.api.get("/x"), await origin.api.get("/x")
        one.status, one.content = 500, b"changed"
        with pytest.raises(TypeError):
            one.headers["X"] = "y"
        return other.status, (await origin.api.get("/x")).json()

    assert played(scenario) == (200, {"n": 1})


@pytest.mark.parametrize(
    "wrong", [{"room": 0}, {"heuristic": 2}, {"stale_if_error": -1}, {"stale_if_error": float("inf")}], ids=str
)
def test_settings_that_make_no_sense_are_said_to(wrong):
    with pytest.raises(ConfigError, match="Cache"):
        Cache(**wrong)


def test_another_host_behind_the_same_address_is_another_resource():
    """RFC 9110 section 7.1: a request's Host is part of what it asks for."""

    async def scenario(origin):
        origin.answer_of = origin.answer

        async def answer(request):
            response = await origin.answer_of(request)
            return reply(200, json={"host": request.headers.get("Host")}, headers=dict(response.headers))

        origin.api._transport._handler = answer
        other = {"Host": "evil.example"}
        first = await origin.api.get("/x", headers=other)
        usual = await origin.api.get("/x")
        again = await origin.api.get("/x", headers={"host": "Evil.Example"})
        named = await origin.api.get("/x", headers={"Host": "h"})  # the same as without
        await origin.api.post("/x", headers=other)
        after = [(await origin.api.get("/x", headers=headers)).from_cache for headers in (other, {})]
        return first, usual, again, named, after

    first, usual, again, named, after = played(scenario)
    assert first.json() == again.json() == {"host": "evil.example"}
    assert usual.json() == {"host": None}
    assert [each.from_cache for each in (first, usual, again, named)] == ["", "", "fresh", "fresh"]
    assert after == ["", "fresh"]


def test_all_lines_of_a_header_that_an_answer_varies_by_count():
    async def scenario(origin):
        origin.headers["Vary"] = "Accept-Language"
        for language in ("fr", "de"):
            await origin.api.get("/x", headers=[("Accept-Language", "en;q=0.1"), ("Accept-Language", language)])
        return len(origin.asked)

    assert played(scenario) == 2


def test_a_write_that_broke_off_may_have_been_done():
    async def scenario(origin):
        real = origin.answer
        found = []
        for failure in (ProtocolError("cut"), ConnectError("refused")):
            await origin.api.get("/x")

            def fails(request, failure=failure):
                if request.method == "POST":
                    raise failure
                return real(request)

            origin.api._transport._handler = fails
            with pytest.raises(type(failure)):
                await origin.api.post("/x")
            found.append((await origin.api.get("/x")).from_cache)
        return found

    assert played(scenario) == ["", "fresh"]


def test_a_write_that_is_cancelled_may_have_been_done():
    async def scenario(origin):
        await origin.api.get("/x")
        origin.takes = 5.0
        call = asyncio.create_task(origin.api.post("/x"))
        await origin.clock.sleep(1)
        call.cancel()
        await asyncio.wait([call])
        return (await origin.api.get("/x")).from_cache

    assert played(scenario) == ""


def test_a_write_that_was_redirected_forgets_the_place_where_it_was_done():
    async def scenario(origin):
        real = origin.answer

        def answer(request):
            if request.method == "PUT" and request.url.path == "/x":
                return reply(307, headers={"Location": "/y"})
            return real(request)

        origin.api._transport._handler = answer
        await origin.api.get("/y")
        await origin.api.put("/x", json=1)
        return (await origin.api.get("/y")).from_cache

    assert played(scenario) == ""


@pytest.mark.parametrize(("version", "how"), [(1, "fresh"), (2, "")])
def test_a_head_that_finds_another_answer_forgets_the_stored_one(version, how):
    async def scenario(origin):
        await origin.api.get("/x")
        origin.version = version
        await origin.api.head("/x")
        return (await origin.api.get("/x")).from_cache

    assert played(scenario) == how


@pytest.mark.parametrize("told", [{"Cache-Control": "no-store"}, {"Vary": "*"}], ids=str)
def test_a_304_that_forbids_to_keep_it_is_heeded(told):
    async def scenario(origin):
        await origin.api.get("/x")
        await origin.clock.sleep(61)
        origin.headers = {"Cache-Control": "max-age=60", **told}
        valid = await origin.api.get("/x")
        await origin.api.get("/x")
        return valid.from_cache, [headers.get("If-None-Match") for *_, headers in origin.asked]

    assert played(scenario) == ("revalidated", [None, '"1"', None])


@pytest.mark.parametrize(("tag", "asked"), [('"caf\udce9"', '"caf\udce9"'), ('"a\x01"', None)])
def test_a_tag_is_asked_about_as_it_came_or_not_at_all(tag, asked):
    """RFC 9110 section 8.8.3 allows any byte over 0x7f in it: without them, another tag might be found valid."""

    async def scenario(origin):
        origin.headers = {"Cache-Control": "no-cache", "ETag": tag}
        for _ in range(2):
            await origin.api.get("/x")
        return [headers.get("If-None-Match") for *_, headers in origin.asked]

    assert played(scenario) == [None, asked]


def test_trailers_are_not_stored():
    """RFC 9111 section 3.1: a cache may discard trailer fields."""

    async def scenario():
        handler = MockTransport(lambda _: reply(headers={"Cache-Control": "max-age=60"}, trailers={"Checksum": "1"}))
        async with Client("https://h", transport=handler, cache=Cache()) as api:
            return [(seen.from_cache, dict(seen.trailers)) for seen in (await api.get("/"), await api.get("/"))]

    assert run(scenario()) == [("", {"Checksum": "1"}), ("fresh", {})]
