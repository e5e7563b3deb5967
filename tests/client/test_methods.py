"""The ways to call: real methods, which tools see and mocks imitate, and which take the same options."""

from __future__ import annotations

import gc
import inspect
import pydoc
import weakref
from unittest import mock

import pytest

from asyncapi import AsyncAPIError, Bearer, Client, ConfigError, NotFound, Request, Response, Retry
from asyncapi.blocking import Client as BlockingClient
from asyncapi.testing import FakeClock, MockTransport, reply

VERBS = ("get", "post", "put", "patch", "delete", "head", "options")
METHODS = (*VERBS, "request", "stream", "events", "paginate", "map", "gather")


class Server:
    """Remembers the requests that it was sent."""

    def __init__(self, *statuses):
        self.requests = []
        self._statuses = list(statuses)

    def __call__(self, request):
        self.requests.append(request)
        return reply(self._statuses.pop(0) if self._statuses else 200, json={"method": request.method})


def client(server, **settings):
    clock = FakeClock()
    return Client("https://h", transport=MockTransport(server, clock=clock), clock=clock, **settings)


@pytest.mark.parametrize("made", [Client, BlockingClient])
@pytest.mark.parametrize("name", METHODS)
def test_help_and_signatures_are_those_of_a_method(made, name):
    method = getattr(made, name)
    assert "**options" in str(inspect.signature(method)) or made is BlockingClient
    assert len(inspect.getdoc(method)) > 20
    assert name in pydoc.render_doc(method)


@pytest.mark.parametrize("name", [*VERBS, "request", "gather"])
@pytest.mark.parametrize("instance", [True, False])
def test_an_autospec_awaits_what_is_awaited(name, instance):
    fake = mock.create_autospec(Client, instance=instance)
    assert isinstance(getattr(fake, name), mock.AsyncMock)
    assert inspect.iscoroutinefunction(getattr(fake, name))


async def test_an_autospec_takes_what_the_client_takes():
    fake = mock.create_autospec(Client, instance=True)
    fake.get.return_value = 5
    assert await fake.get("/users/1", model=int, timeout=3) == 5
    with pytest.raises(TypeError):
        await fake.get()


@pytest.mark.parametrize("verb", VERBS)
async def test_each_verb_sends_its_method(verb):
    server = Server()
    await getattr(client(server), verb)("/")
    assert [request.method for request in server.requests] == [verb.upper()]


def test_a_client_is_freed_without_the_garbage_collector():
    gc.disable()
    try:
        api = client(Server())
        gone = weakref.ref(api)
        del api
        assert gone() is None
    finally:
        gc.enable()


# --- what map and gather take for their items -------------------------------------------------------------------


async def test_options_of_a_map_hold_for_every_item():
    server = Server()
    api = client(server)
    values = await api.gather(
        ["/a", "/b"], headers={"A": "1"}, params={"q": [1, 2]}, cookies={"c": "d"}, auth=Bearer("x"), route="/{name}",
        priority=3, tenant="t", timeout=5, retry=2, wait=1.0, redirects=1, model=dict,
    )  # fmt: skip
    assert values == [{"method": "GET"}] * 2
    for request in server.requests:
        assert request.headers["A"] == "1"
        assert request.url.raw_query_string == "q=1&q=2"
        assert (request.headers["Cookie"], request.headers["Authorization"]) == ("c=d", "Bearer x")
        assert (request.route, request.call.settings.priority, request.call.settings.tenant) == ("/{name}", 3, "t")
        assert (request.call.settings.retry.max_attempts, request.call.settings.max_wait, request.redirects) == (
            2,
            1.0,
            1,
        )


async def test_a_request_keeps_what_it_sets_itself():
    server = Server()
    api = client(server)
    own = Request(
        "PUT", "/a", headers={"A": "own"}, params={"q": 3}, cookies={"c": "own"}, json={}, timeout=None, retry=None,
        priority=1, tenant="own", route="/own", wait=False, redirects=0, id="mine",
    )  # fmt: skip
    async with api.map(
        [own], headers={"A": "1", "B": "2"}, params=[("q", 1)], cookies={"c": "d", "e": "f"}, timeout=5, retry=4,
        priority=9, tenant="t", route="/r", wait=True, redirects=3,
    ) as outcomes:  # fmt: skip
        [outcome] = [outcome async for outcome in outcomes]
    [request] = server.requests
    assert outcome.request is own
    assert (request.method, request.headers["A"], request.headers["B"]) == ("PUT", "own", "2")
    assert (request.url.raw_query_string, request.headers["Cookie"]) == ("q=1&q=3", "c=own; e=f")
    assert (request.deadline, request.call.settings.retry, request.redirects) == (None, None, 0)
    assert (
        request.call.settings.priority,
        request.call.settings.tenant,
        request.route,
        request.call.settings.max_wait,
    ) == (1, "own", "/own", 0.0)


async def test_what_only_the_first_item_could_read_is_read_for_all():
    server = Server()
    api = client(server)
    await api.gather(["/a", "/b"], params=iter([("q", "1")]), headers=iter([("A", "1")]))
    assert [(request.url.raw_query_string, request.headers["A"]) for request in server.requests] == [("q=1", "1")] * 2


@pytest.mark.parametrize(
    "wrong",
    [{"headers": {"a b": "c"}}, {"params": "q=1"}, {"timeout": "x"}, {"retry": "x"}, {"wait": -1}, {"redirects": -1},
     {"cookies": {"a": ";"}}, {"priority": "high"}, {"auth": 3}],
)  # fmt: skip
async def test_a_wrong_option_is_said_at_once_and_not_by_each_item(wrong):
    server = Server()
    api = client(server)
    for call in (lambda: api.map(["/"], **wrong), lambda: api.paginate("/", by=lambda page: None, **wrong)):
        with pytest.raises(ConfigError):
            call()
    assert server.requests == []


async def test_gather_returns_failures_in_their_place_where_asked_to():
    api = client(Server(200, 404, 200), concurrency=1)
    one, two, three = await api.gather(["/a", "/b", "/c"], return_exceptions=True)
    assert isinstance(one, Response)
    assert isinstance(two, NotFound)
    assert isinstance(three, Response)


async def test_gather_raises_the_first_failure_by_default():
    with pytest.raises(AsyncAPIError):
        await client(Server(200, 404, 200), concurrency=1).gather(["/a", "/b", "/c"])


async def test_gather_may_return_error_statuses_as_responses():
    responses = await client(Server(404)).gather(["/a"], raise_for_status=False)
    assert [response.status for response in responses] == [404]


async def test_retries_of_a_map_are_those_of_its_items():
    server = Server(503, 200)
    await client(server, retry=None).gather(["/a"], retry=Retry(attempts=2))
    assert len(server.requests) == 2


# --- cookies of a call -------------------------------------------------------------------------------------------


async def test_cookies_of_a_call_go_verbatim_and_with_that_call_alone():
    server = Server()
    api = client(server, headers={"Cookie": "usual=1; a=old"})
    await api.get("/", cookies={"a": 'x=",y z', "b": ""})
    await api.get("/")
    assert [request.headers["Cookie"] for request in server.requests] == ['usual=1; a=x=",y z; b=', "usual=1; a=old"]


async def test_cookies_beside_a_cookie_header_of_the_call_are_refused():
    with pytest.raises(ConfigError, match="cookies= and a Cookie header"):
        await client(Server()).get("/", cookies={"a": "b"}, headers={"cookie": "c=d"})


@pytest.mark.parametrize("cookies", [["a"], "a=b", {"a": 1}, {"a;": "b"}, {"a": "b;c"}, {"a": "b\r\nX: y"}, {1: "b"}])
async def test_cookies_that_can_not_be_sent_as_they_are_are_refused(cookies):
    with pytest.raises(ConfigError, match="cookies"):
        await client(Server()).get("/", cookies=cookies)


def test_cookies_of_a_client_are_a_switch():
    with pytest.raises(ConfigError, match="give cookies= to a call"):
        Client(cookies={"a": "b"})


@pytest.mark.parametrize("make", [lambda: Client(timeout=(3, 10)), lambda: client(Server()).map([], timeout=(3, 10))])
def test_a_pair_of_timeouts_is_answered_with_the_names_of_both(make):
    with pytest.raises(ConfigError, match=r"Timeout\(total=..., connect=..., read=...\)"):
        make()
