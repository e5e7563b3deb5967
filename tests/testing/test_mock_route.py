"""A route's script and its questions: what comes first, what repeats, what was sent."""

import pytest

from asyncapi import Client, ConfigError, NotFound


async def get(path="/a", **options):
    async with Client("https://h", retry=None, raise_for_status=False) as api:
        return (await api.get(path, **options)).status


async def test_the_last_step_repeats_and_those_before_are_for_one_call(api_mock):
    api_mock.get("/a").reply(201).then.reply(202, times=2).then.reply(203)
    assert [await get() for _ in range(5)] == [201, 202, 202, 203, 203]


async def test_a_script_is_started_anew_without_then(api_mock):
    route = api_mock.get("/a").reply(201)
    assert await get() == 201
    route.reply(202)
    assert await get() == 202
    for status in (203, 204):
        route.then.reply(status)
    assert [await get(), await get()] == [203, 204]


async def test_without_a_script_it_is_an_empty_200(api_mock):
    api_mock.get("/a")
    assert await get() == 200


async def test_what_was_sent_can_be_asserted(api_mock):
    route = api_mock.post("/a")
    route.assert_not_called()
    for wrong in (route.assert_called, route.assert_called_once, lambda: route.assert_called_once_with(json={})):
        with pytest.raises(AssertionError, match="POST /a"):
            wrong()
    async with Client("https://h") as api:
        await api.post("/a", json={"n": 1, "m": 2}, params={"x": 1}, headers={"X-A": "b"})
    route.assert_called_once_with(json={"n": 1}, params={"x": 1}, headers={"x-a": "b"})
    with pytest.raises(AssertionError, match=r"the last call of POST /a: in the JSON body, \$.n is 1, not 2"):
        route.assert_called_with(json={"n": 2})
    with pytest.raises(AssertionError, match="had 1 call, not 2"):
        route.assert_called(2)
    with pytest.raises(AssertionError, match="had 1 call, not none"):
        route.assert_not_called()
    assert (route.called, route.call_count, repr(route)) == (True, 1, "<Route POST /a, 1 call>")


def test_what_makes_no_sense_is_refused_at_once(api_mock):
    api_mock.required = False
    for mistake in (
        lambda: api_mock.get("/a").reply(times=0),
        lambda: api_mock.get("/a").reply(99),
        lambda: api_mock.get("/a").reply(json=1, text="2"),
        lambda: api_mock.get("/a").reply({"id": 1}),
        lambda: api_mock.get("/a").reply(lambda _: None, json=1),
        lambda: api_mock.get("/a").reply(json=1, cut=5),
        lambda: api_mock.get("/a").fail("nope"),
        lambda: api_mock.get("/a").fail(7),
        lambda: api_mock.get("/a").accept(),
        lambda: api_mock.websocket("/a").accept("one"),
    ):
        with pytest.raises(ConfigError):  # noqa: PT012 - all of it fails
            made = mistake()
            made.next_step().make(None)
    with pytest.raises(TypeError, match="no option 'jsn': the options are"):
        api_mock.get("/a", jsn={})


async def test_a_path_that_is_not_there_is_a_reply_like_any_other(api_mock):
    api_mock.get("/a").reply(404, json={"error": "no"})
    async with Client("https://h") as api:
        with pytest.raises(NotFound):
            await api.get("/a")


async def test_one_of_several_calls_is_found_or_each_is_told(api_mock):
    route = api_mock.get("/a").reply(json={})
    for page in (1, 2, 3):
        await get(params={"page": page})
    route.assert_any_call(params={"page": 2})
    with pytest.raises(AssertionError) as failed:
        route.assert_any_call(params={"page": 4})
    assert str(failed.value) == (
        "none of the 3 calls of GET /a is like that:\n  call 1: query parameter page is '1', not 4\n"
        "  call 2: query parameter page is '2', not 4\n  call 3: query parameter page is '3', not 4"
    )


async def test_too_many_calls_are_listed_and_bounded(api_mock):
    route = api_mock.get("/a").reply(json={})
    for page in range(12):
        await get(params={"page": page, "token": "abc-1"})
    with pytest.raises(AssertionError) as failed:
        route.assert_called_once()
    lines = str(failed.value).splitlines()
    assert lines[:2] == ["GET /a had 12 calls, not 1", "  GET https://h/a?page=0&token=***"]
    assert lines[-1] == "  and 2 more"


async def test_the_order_of_calls_over_all_routes_is_known(api_mock):
    first, second = api_mock.get("/a").reply(json={}), api_mock.get("/b").reply(json={})
    await get("/b")
    await get("/a")
    assert [call.route for call in api_mock.calls] == [second, first]
    assert [call.line for call in api_mock.calls] == ["GET https://h/b", "GET https://h/a"]


@pytest.mark.parametrize("option", ["status", "payload", "side_effect", "repeat"])
def test_an_option_of_a_response_is_told_where_it_goes(api_mock, option):
    with pytest.raises(TypeError, match=rf"no option '{option}': what it responds with goes into \.reply"):
        api_mock.get("/a", **{option: 5})
