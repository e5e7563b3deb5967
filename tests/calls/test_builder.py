"""From what the user asks for to the request that goes out: URL, parameters, headers, keys, limits."""

from __future__ import annotations

import datetime as dt
import enum
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from yarl import URL

from asyncapi import Bearer, Breaker, Cache, Client, ConfigError, RateLimit, Request, Timeout
from asyncapi.messages.uri import has_dot_segments, parse_url
from asyncapi.sansio.http.origin import origin
from asyncapi.testing import MockTransport, reply


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    L = "large"


async def sent(base="https://h", url="/", *, client=None, method="GET", **call):
    """The request that reaches the transport."""
    seen = []

    def handler(request):
        seen.append(request)
        return reply()

    async with Client(base, transport=MockTransport(handler), **(client or {})) as api:
        await api.request(method, url, **call)
    return seen[0]


@pytest.mark.parametrize(
    ("base", "url", "joined"),
    [
        ("https://h", "/a", "https://h/a"),
        ("https://h", "a", "https://h/a"),
        ("https://h/", "/a", "https://h/a"),
        ("https://h/v1", "/users", "https://h/v1/users"),
        ("https://h/v1/", "/users", "https://h/v1/users"),
        ("https://h/v1", "users/1", "https://h/v1/users/1"),
        ("https://h/v1", "", "https://h/v1"),
        ("https://h/v1", "/", "https://h/v1/"),
        ("https://h/v1", "?q=1", "https://h/v1?q=1"),
        ("https://h/v1", "/a?q=1&q=2", "https://h/v1/a?q=1&q=2"),
        ("https://h/v1", "/a#top", "https://h/v1/a#top"),
        ("https://h/v1", "https://other/x", "https://other/x"),
        ("https://h/v1", "HTTPS://other/x", "https://other/x"),
        ("https://h/v1", "items:search", "https://h/v1/items:search"),
        ("https://h/v1", "/a b/é", "https://h/v1/a%20b/%C3%A9"),
        ("https://h/v1", "/a%2Fb", "https://h/v1/a%2Fb"),
        ("https://h/v1", "/a.b/.c/...?x=/../", "https://h/v1/a.b/.c/...?x=/../"),
        ("https://h:8443/v1", "/a", "https://h:8443/v1/a"),
        ("http://[::1]:8080/v1", "/a", "http://[::1]:8080/v1/a"),
        ("", "https://h", "https://h"),
        (URL("https://h/v1"), "/a", "https://h/v1/a"),
        ("https://h/v1", URL("/a"), "https://h/v1/a"),
        ("https://h/v1", URL("https://other/x"), "https://other/x"),
    ],
)
async def test_a_url_is_joined_to_the_base_url_s_path(base, url, joined):
    assert (await sent(base, url)).url == URL(joined)


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({"a": 1}, "a=1"),
        ({"a": [1, None, 2], "b": (3,)}, "a=1&a=2&b=3"),
        ({"a": None}, ""),
        ({"a": []}, ""),
        ({"a": ""}, "a="),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({"a": Colour.RED, "b": Size.L, "c": [Colour.RED]}, "a=red&b=large&c=red"),
        ({"a": 1.5, "b": dt.date(2024, 2, 29)}, "a=1.5&b=2024-02-29"),
        ([("a", "1"), ("a", "2")], "a=1&a=2"),
        (MultiDict([("a", "1"), ("a", "2")]), "a=1&a=2"),
        (MappingProxyType({"a": "1"}), "a=1"),
        ((pair for pair in [("a", 1)]), "a=1"),
        ({"a b": "c&d=e+f"}, "a+b=c%26d%3De%2Bf"),
        ({"a": "\r\n"}, "a=%0D%0A"),
        ({"a": "%20"}, "a=%2520"),
        ({}, ""),
    ],
)
async def test_parameters_become_the_query(params, query):
    assert (await sent(url="/x", params=params)).url.raw_query_string == query


async def test_parameters_add_to_the_client_s_and_to_the_url_s():
    request = await sent(url="/x?a=1", client={"params": {"k": "v"}}, params={"b": 2, "k": "w"})
    assert str(request.url) == "https://h/x?a=1&k=v&b=2&k=w"


async def test_headers_of_a_call_replace_the_client_s_whatever_their_case():
    client = {"headers": {"X-A": "client", "X-B": "client", "user-agent": "mine"}}
    request = await sent(client=client, headers={"x-a": "call", "X-C": "call"})
    assert dict(request.headers) == {"x-a": "call", "X-B": "client", "user-agent": "mine", "X-C": "call"}


async def test_a_header_may_be_repeated_by_pairs():
    request = await sent(headers=[("X-A", "1"), ("X-A", "2")])
    assert request.headers.getall("X-A") == ["1", "2"]


async def test_one_call_s_headers_do_not_stay():
    seen = []
    transport = MockTransport(lambda request: seen.append(dict(request.headers)) or reply())
    async with Client("https://h", transport=transport, headers={"X-A": "client"}) as api:
        await api.post("/", headers={"X-A": "call"}, json=1, idempotency_key="k")
        await api.get("/")
    assert set(seen[1]) == {"X-A", "User-Agent"}
    assert seen[1]["X-A"] == "client"


async def test_what_an_answer_s_header_held_may_be_sent():
    """Bytes that are no UTF-8 are in an answer's text as lone surrogates, and go out as those bytes."""
    assert (await sent(headers={"If-Match": '"\udce9"'})).headers["If-Match"] == '"\udce9"'


async def test_files_have_a_content_type_with_their_boundary():
    client = {"headers": {"Content-Type": "application/json"}}
    with pytest.raises(ConfigError, match="where it is the client's own, give multipart/form-data for this call"):
        await sent(client=client, method="POST", files={"f": b"x"})
    request = await sent(
        client=client, method="POST", files={"f": b"x"}, headers={"Content-Type": "multipart/form-data"}
    )
    assert request.headers.getall("Content-Type")[0].startswith("multipart/form-data; boundary=")
    assert len(request.headers.getall("Content-Type")) == 1


async def test_methods_are_upper_cased_and_free():
    assert (await sent(method="propfind")).method == "PROPFIND"


# Idempotency keys


async def test_a_key_is_made_sent_or_taken_from_the_headers():
    one = await sent(method="POST", idempotency_key=True)
    two = await sent(method="POST", idempotency_key=True)
    assert len(one.idempotency_key) == 36
    assert one.idempotency_key == one.headers["Idempotency-Key"] != two.idempotency_key
    assert (await sent(method="POST", idempotency_key="k-1")).headers["Idempotency-Key"] == "k-1"
    assert (await sent(method="POST", headers={"idempotency-key": "k-2"})).idempotency_key == "k-2"
    assert "Idempotency-Key" not in (await sent(method="POST")).headers


@pytest.mark.parametrize("key", ["", " ", " k", "k\n", "a\tb", "clé", 17, b"k", 1.0])
@pytest.mark.parametrize("by", ["argument", "header"])
async def test_a_key_that_would_be_none_or_read_otherwise_is_refused(key, by):
    """An empty one, of an unset variable, say, was not sent; and the charge would have been taken for safe to resend."""
    given = {"idempotency_key": key} if by == "argument" else {"headers": {"Idempotency-Key": key}}
    with pytest.raises(ConfigError, match=r"(?i)idempotency.key"):
        await sent(method="POST", json={}, **given)


# Requests made by hand, as fan-outs take them


async def test_a_request_of_the_user_is_left_as_it_is():
    asked = Request(
        "post", "/x", params={"a": 1}, headers={"X-A": "b"}, json={"n": 1}, id=7, idempotency_key=True, route="/x"
    )
    before = {name: getattr(asked, name) for name in Request.__slots__}
    seen = []
    transport = MockTransport(lambda request: seen.append(request) or reply())
    async with Client("https://h/v1", transport=transport, headers={"X-B": "c"}) as api:
        await api.gather([asked, asked])
    assert {name: getattr(asked, name) for name in Request.__slots__} == before
    one, two = seen
    assert str(one.url) == "https://h/v1/x?a=1"
    assert (one.method, one.content, one.id, one.route) == ("POST", b'{"n":1}', 7, "/x")
    assert (one.headers["X-A"], one.headers["X-B"]) == ("b", "c")
    assert one.idempotency_key != two.idempotency_key  # two sendings of it are two requests


# Limits


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        (5, (5, 5, None)),
        (2.5, (2.5, 5, None)),
        (None, (None, None, None)),
        (Timeout(9, connect=1, attempt=2), (9, 1, 2)),
        (Timeout(None, connect=None), (None, None, None)),
    ],
)
async def test_a_call_s_time_limits_replace_the_client_s(given, limits):
    request = await sent(timeout=given)
    total, connect, attempt = limits
    assert (request.call.settings.connect, request.call.settings.attempt) == (connect, attempt)
    left = None if request.deadline is None else request.deadline - request.call.started
    assert left == (None if total is None else pytest.approx(total))


async def test_a_call_s_retries_replace_the_client_s():
    assert (await sent()).call.settings.retry.max_attempts == 4
    assert (await sent(retry=2)).call.settings.retry.max_attempts == 2
    assert (await sent(retry=None)).call.settings.retry is None
    assert (await sent(client={"retry": None}, retry=3)).call.settings.retry.max_attempts == 3


@pytest.mark.parametrize("setting", [{"timeout": [1]}, {"retry": {}}, {"timeout": "x"}, {"retry": "x"}])
async def test_limits_of_another_kind_are_told(setting):
    with pytest.raises(ConfigError, match=r"timeout|retry|Timeout|Retry"):
        await sent(**setting)


def test_calls_with_the_same_options_share_their_settings():
    build = Client("https://h", transport=MockTransport(reply))._build
    one, other = build("GET", "/a", wait=2, retry=3), build("GET", "/b", wait=2, retry=3)
    assert one.call.settings is other.call.settings


def test_true_and_one_second_are_not_the_same_wait():
    build = Client("https://h", transport=MockTransport(reply))._build
    assert build("GET", "/", wait=True).call.settings.max_wait is None
    assert build("GET", "/", wait=1).call.settings.max_wait == 1.0
    assert build("GET", "/", wait=False).call.settings.max_wait == build("GET", "/", wait=0).call.settings.max_wait == 0


@pytest.mark.parametrize(
    "options", [{"timeout": [1, 2]}, {"retry": [3]}, {"wait": [1]}, {"priority": [1]}, {"tenant": ["a"]}]
)
def test_an_option_that_cannot_be_hashed_is_named(options):
    build = Client("https://h", transport=MockTransport(reply))._build
    with pytest.raises(ConfigError, match=rf"^{next(iter(options))}=\["):
        build("GET", "/", **options)


# --- targets ---------------------------------------------------------------------------------------------------

BASES = ["https://h", "https://h/v1", "http://h:8080/a%2fb", "http://[::1]:8080/v1", "http://u:p@h/v1", "http://h./v1",
         "http://h:80", "https://bücher.example/é"]  # fmt: skip
RELATIVE = st.text("ab/.%2E?&=+#:@é \\", max_size=10).map("/{}".format)


def built(base: str, url: str | URL | Request, **options: Any) -> Request:
    builder = Client(base, transport=MockTransport(lambda _: reply()))._builder
    return builder.rebuild(url) if isinstance(url, Request) else builder.build("GET", url, **options)


@given(st.sampled_from(BASES), RELATIVE)
def test_a_target_below_a_base_is_what_the_whole_text_says(base, url):
    whole = f"{base}{url}"
    if has_dot_segments(url):
        with pytest.raises(ConfigError, match="another path"):
            built(base, url)
        return
    said = parse_url(whole)
    # a Request of its own would read "//" as the beginning of a host
    for way in (url,) if url.startswith("//") else (url, Request("GET", url)):
        target = built(base, way).target
        assert target.text == str(said)
        assert (target.host, target.path) == (said.host_port_subcomponent, said.raw_path_qs)
        assert target.origin == origin(said)
        assert str(target.url) == str(said)


@pytest.mark.parametrize("base", ["https://h", "http://h:8080/v1"])
@pytest.mark.parametrize(
    ("url", "params"),
    [("/items/1", None), ("/items?a=1", None), ("/items", {"page": 2, "q": "é b"}), ("http://other:1/x?a=%2F", None),
     ("https://other/x", {"a": [1, 2]}), ("/a.b/%7E", None)],
)  # fmt: skip
async def test_usual_calls_make_no_url_object(base, url, params):
    seen = []
    transport = MockTransport(lambda request: seen.append(request) or reply())
    async with Client(base, transport=transport, auth=Bearer("t0ken-t0ken"), cookies=False, rate=RateLimit(50), breaker=Breaker(),
                      pace=True, cache=Cache(), single_flight=True) as api:  # fmt: skip
        response = await api.get(url, params=params)
        request = Request("GET", url, params=params)
        [outcome] = await api.gather([request])
    assert outcome.ok
    for target in (seen[0].target, response.target, response.request.target, request.target):
        assert target._url is None
    assert response.attempts[0].url.startswith("http")
    assert response.attempts[0].target is response.url is seen[0].target.url
