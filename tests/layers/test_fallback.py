"""When the usual way fails: another place, a stale answer, a default; and the answer says so."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from asyncapi import Bearer, Client, ConfigError, ConnectError, Fallback, RequestTimeout, Retry, ServerError
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Places:
    """`main.example` and `spare.example`: what each does is set, and what it got is counted."""

    def __init__(self, main, spare=None):
        self.answers = {"main.example": main, "spare.example": spare or (lambda request: reply(200, json="spare"))}
        self.got = {"main.example": 0, "spare.example": 0}
        self.paths = []

    def __call__(self, request):
        self.got[request.url.host] += 1
        self.paths.append(str(request.url))
        return self.answers[request.url.host](request)


def client(places, *fallback, **settings):
    clock = FakeClock()
    transport = MockTransport(places, clock=clock)
    settings.setdefault("retry", None)
    return Client("https://main.example/v1", transport=transport, clock=clock, fallback=fallback, **settings), clock


def refused(request):
    raise ConnectError("refused", request=request)


def down(request):
    return reply(503)


async def hangs(request):
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("broken", [refused, down])
def test_another_base_url_answers_the_same_path_and_says_so(broken):
    async def scenario():
        places = Places(broken)
        api, _ = client(places, Fallback(to="https://spare.example/eu"))
        async with api:
            response = await api.get("/users/1", params={"a": "b"})
        return response, places

    response, places = run(scenario())
    assert response.json() == "spare"
    assert response.degraded.startswith("answered by spare.example, after ")
    assert places.paths[-1] == "https://spare.example/eu/users/1?a=b"
    assert [attempt.why.partition(":")[0] for attempt in response.attempts] == ["first", "fallback to spare.example"]


def test_a_healthy_answer_is_not_degraded_and_asks_nobody_else():
    async def scenario():
        places = Places(lambda request: reply(200, json="main"))
        api, _ = client(places, Fallback(to="https://spare.example"))
        async with api:
            return await api.get("/x"), places

    response, places = run(scenario())
    assert (response.degraded, places.got["spare.example"]) == ("", 0)


def test_4xx_is_an_answer():
    async def scenario():
        places = Places(lambda request: reply(404))
        api, _ = client(places, Fallback(to="https://spare.example"), raise_for_status=False)
        async with api:
            return (await api.get("/x")).status, places.got["spare.example"]

    assert run(scenario()) == (404, 0)


def test_a_dead_place_is_passed_over_and_taken_back_one_probe_after_its_return():
    async def scenario():
        places = Places(refused)
        api, clock = client(places, Fallback(to="https://spare.example"))
        seen = []
        async with api:
            for _ in range(100):
                await api.get("/x")
            while_down = places.got["main.example"]
            await clock.sleep(5.1)
            await api.get("/x")  # the probe finds it still dead
            probed = places.got["main.example"]
            places.answers["main.example"] = lambda request: reply(200, json="main")
            await clock.sleep(5.1)
            for _ in range(3):
                seen.append((await api.get("/x")).json())
        return while_down, probed, seen

    assert run(scenario()) == (3, 4, ["main", "main", "main"])


def test_a_hanging_place_leaves_time_for_the_next_within_the_deadline():
    async def scenario():
        places = Places(hangs)
        api, _ = client(places, Fallback(to="https://spare.example"), timeout=10)
        async with api:
            response = await api.get("/x")
        return response.json(), response.elapsed

    answer, elapsed = run(scenario())
    assert answer == "spare"
    assert elapsed == pytest.approx(6.0)


def test_all_places_hanging_ends_by_the_deadline_with_the_first_failure():
    async def scenario():
        api, clock = client(Places(hangs, hangs), Fallback(to="https://spare.example"), timeout=10)
        async with api:
            with pytest.raises(RequestTimeout):
                await api.get("/x")
            return clock.now()

    assert run(scenario()) <= 10.0


def test_a_post_without_a_key_goes_elsewhere_only_if_nothing_was_processed():
    async def scenario(broken, **call):
        places = Places(broken)
        api, _ = client(places, Fallback(to="https://spare.example"), raise_for_status=False)
        async with api:
            response = await api.post("/pay", json={"a": 1}, **call)
        return response.status, places.got["spare.example"]

    assert run(scenario(down)) == (503, 0)
    assert run(scenario(refused)) == (200, 1)
    assert run(scenario(down, idempotency_key=True)) == (200, 1)


def test_a_stale_answer_is_given_while_it_is_young_enough():
    async def scenario():
        places = Places(lambda request: reply(200, json={"n": 1}))
        api, clock = client(places, Fallback(stale=60))
        async with api:
            await api.get("/x")
            places.answers["main.example"] = down
            await clock.sleep(30)
            young = await api.get("/x")
            await clock.sleep(31)
            with pytest.raises(ServerError):
                await api.get("/x")
            with pytest.raises(ServerError):
                await api.get("/never-seen")
        return young

    young = run(scenario())
    assert young.json() == {"n": 1}
    assert young.degraded.startswith("stale: 30 s old, after 503")


def test_one_users_stale_answer_is_not_anothers():
    async def scenario():
        places = Places(lambda request: reply(200, json=request.headers["Authorization"]))
        api, _ = client(places, Fallback(stale=60), raise_for_status=False)
        async with api:
            await api.get("/me", headers={"Authorization": "Bearer ada"})
            places.answers["main.example"] = down
            return (await api.get("/me", headers={"Authorization": "Bearer bob"})).status

    assert run(scenario()) == 503


async def later(request, failure):
    return {"path": request.url.path, "failure": type(failure).__name__}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"items": []}, {"items": []}),
        (lambda request, failure: failure.status, 503),
        (later, {"path": "/v1/x", "failure": "Response"}),
        (reply(200, json=[1]), [1]),
    ],
)
def test_a_default_is_data_a_response_or_a_function(value, expected):
    async def scenario():
        api, _ = client(Places(down), Fallback(value=value))
        async with api:
            return await api.get("/x")

    response = run(scenario())
    assert response.json() == expected
    assert response.degraded == "default value, after 503"


def test_ways_are_tried_in_order_until_one_answers():
    async def scenario():
        places = Places(down, down)
        ways = Fallback(to="https://spare.example"), Fallback(stale=60), Fallback(value=lambda request, failure: None)
        api, _ = client(places, *ways, Fallback(value="last"))
        async with api:
            return await api.get("/x"), places.got

    response, got = run(scenario())
    assert response.json() == "last"
    assert got == {"main.example": 1, "spare.example": 1}


def test_it_comes_after_the_retries():
    async def scenario():
        places = Places(down)
        api, _ = client(places, Fallback(value="default"), retry=Retry(3))
        async with api:
            response = await api.get("/x")
        return response.json(), places.got["main.example"]

    assert run(scenario()) == ("default", 3)


def test_a_place_that_is_passed_over_is_asked_all_the_same_when_nobody_else_answers():
    async def scenario():
        places = Places(down, down)
        api, _ = client(places, Fallback(to="https://spare.example"), raise_for_status=False)
        async with api:
            for _ in range(10):
                await api.get("/x")
            places.answers["main.example"] = lambda request: reply(200, json="main")
            return (await api.get("/x")).json()

    assert run(scenario()) == "main"


def test_cancelling_is_no_failure_and_leaves_the_probe_to_others():
    async def scenario():
        places = Places(hangs)
        api, _ = client(places, Fallback(value="default"))
        async with api:
            task = asyncio.create_task(api.get("/x"))
            await asyncio.sleep(1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            places.answers["main.example"] = lambda request: reply(200, json="main")
            return (await api.get("/x")).json()

    assert run(scenario()) == "main"


@pytest.mark.parametrize("wrong", [{}, {"to": "https://a", "stale": 1}, {"stale": 0}, {"to": "spare"}])
def test_a_fallback_is_one_way_and_makes_sense(wrong):
    with pytest.raises(ConfigError, match="Fallback"):
        Fallback(**wrong)


@pytest.mark.parametrize(
    "url", ["https://main.example/v10/x", "https://main.example/v1.evil/x", "https://main.example/other"]
)
def test_what_is_not_under_the_base_url_is_never_sent_elsewhere(url):
    """`/v1` + `0/x` must not become the host `spare.example0`."""

    async def scenario():
        places = Places(down)
        places.answers["spare.example0"] = places.answers["spare.example.evil"] = lambda request: reply(200)
        places.got |= {"spare.example0": 0, "spare.example.evil": 0}
        api, _ = client(places, Fallback(to="https://spare.example"), raise_for_status=False)
        async with api:
            return (await api.get(url)).status, set(places.paths)

    assert run(scenario()) == (503, {url})


def test_credentials_in_headers_stay_with_their_origin():
    async def scenario():
        seen = []

        def spare(request):
            seen.append(dict(request.headers))
            return reply(200)

        api, _ = client(Places(down, spare), Fallback(to="https://spare.example"), headers={"X-Api-Key": "mine"})
        async with api:
            await api.get("/x", headers={"Authorization": "Bearer ada", "Cookie": "a=b", "Accept": "text/x"})
        return seen[0]

    headers = run(scenario())
    assert {"Authorization", "Cookie", "X-Api-Key"}.isdisjoint(headers)
    assert headers["Accept"] == "text/x"


def test_the_clients_credential_goes_to_its_own_origin_alone():
    """Each fallback host may have a credential of its own."""

    async def scenario(auth):
        seen = {}

        def place(answer):
            def respond(request):
                seen[request.url.host] = request.headers.get("Authorization")
                return answer

            return respond

        places = Places(place(reply(503)), place(reply(200)))
        api, _ = client(places, Fallback(to="https://spare.example"), auth=auth)
        async with api:
            await api.get("/x")
        return seen["main.example"], seen["spare.example"]

    both = {"https://main.example": Bearer("one"), "https://spare.example": Bearer("two")}
    assert run(scenario(Bearer("one"))) == ("Bearer one", None)
    assert run(scenario(both)) == ("Bearer one", "Bearer two")


def test_a_post_that_a_spare_may_have_done_goes_nowhere_else():
    async def scenario(**call):
        asked = []

        def answer(request):
            asked.append(request.url.host)
            if request.url.host == "main.example":
                raise ConnectError("refused", request=request)
            return reply(500)

        ways = Fallback(to="https://spare.example"), Fallback(to="https://third.example")
        api, _ = client(answer, *ways, raise_for_status=False)
        async with api:
            for number in range(4):  # the fourth passes places over
                asked.append(number)
                with suppress(ConnectError):
                    await api.post("/pay", json=1, **call)
        return asked

    main, spare, third = "main.example", "spare.example", "third.example"
    assert run(scenario()) == [0, main, spare, 1, main, spare, 2, main, spare, 3, third]
    assert run(scenario(idempotency_key=True))[:4] == [0, main, spare, third]


@pytest.mark.parametrize("name", ["X-Api-Key", "X-User", "Accept-Language", "Range", "X-Tenant"])
def test_a_stale_answer_is_for_the_same_headers_only(name):
    async def scenario():
        places = Places(lambda request: reply(200, json=request.headers[name]))
        api, _ = client(places, Fallback(stale=60), raise_for_status=False)
        async with api:
            await api.get("/me", headers={name: "ada", "X-Request-Id": "1"})
            places.answers["main.example"] = down
            other = await api.get("/me", headers={name: "bob"})
            same = await api.get("/me", headers={name: "ada", "X-Request-Id": "2"})
        return other.status, same.status

    assert run(scenario()) == (503, 200)


def test_what_must_not_be_stored_is_not():
    async def scenario():
        places = Places(lambda request: reply(200, headers={"Cache-Control": "private, No-Store"}))
        api, _ = client(places, Fallback(stale=60), raise_for_status=False)
        async with api:
            await api.get("/me")
            places.answers["main.example"] = down
            return (await api.get("/me")).status

    assert run(scenario()) == 503


def test_who_is_asked_all_the_same_is_asked_on_its_own_budget_and_says_why():
    async def scenario():
        hosts = []

        def own(inner):
            async def send(request):
                response = await inner(request)
                hosts.append((request.call.host, request.call.attempts[-1].why))
                return response

            return send

        api, _ = client(Places(down, down), Fallback(to="https://spare.example"), raise_for_status=False, layers=[own])
        async with api:
            for _ in range(5):
                await api.get("/x")
        return hosts[-1]

    assert run(scenario()) == ("main.example", "sent all the same: no fallback has a response")


async def _fails_later(request, failure):
    await asyncio.sleep(1)
    raise KeyError("no default")


def _fails(request, failure):
    raise KeyError("no default")


@pytest.mark.parametrize("value", [_fails, _fails_later])
def test_a_function_that_raises_is_heard_and_what_failed_before_is_not_lost(value):
    async def scenario():
        api, _ = client(Places(down), Fallback(value=value))
        async with api:
            with pytest.raises(KeyError) as caught:
                await api.get("/x")
        return caught.value.__notes__

    assert "503" in run(scenario())[0]


def test_a_function_that_hangs_ends_by_the_deadline():
    async def scenario():
        async def never(request, failure):
            await asyncio.sleep(1000)

        api, clock = client(Places(down), Fallback(value=never), timeout=2)
        async with api:
            with pytest.raises(RequestTimeout):
                await api.get("/x")
        return clock.now()

    assert run(scenario()) == pytest.approx(2)


def test_a_default_that_is_no_json_is_refused_when_it_is_given():
    with pytest.raises(ConfigError, match="JSON"):
        Fallback(value=object())
