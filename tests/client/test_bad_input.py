"""Whatever is wrong ends in one named error of one line that says what to do, before anything is sent."""

from __future__ import annotations

import asyncio
import functools
import re
from types import SimpleNamespace

import pytest

from asyncapi import TLS, Budget, Client, ConfigError, RateLimit, Request, Retry, Timeout, deadline
from asyncapi.testing import MockTransport, reply
from servers import always, scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


async def refused(call, message: str, base: str = "") -> None:
    """It is refused with this message; nothing reaches the transport."""
    transport = MockTransport(lambda _: reply())
    async with Client(base, transport=transport) as api:
        with pytest.raises(ConfigError, match=message) as caught:
            await call(api)
    assert transport.requests == 0
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("/users", r"'/users' is relative and the client has no base_url: give Client\('https://\.\.\.'\)"),
        ("users", "'users' is relative and the client has no base_url"),
        ("", "'' is relative"),
        ("example.com/x", "is relative and the client has no base_url"),
        ("mailto:a@b", "unknown scheme 'mailto'"),
    ],
)
async def test_a_relative_url_needs_a_base(url, message):
    await refused(lambda api: api.get(url), message)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://h/x", "'ftp://h/x': unknown scheme 'ftp': only http and https can be used"),
        ("ws://h/x", "unknown scheme 'ws'"),
        ("file:///etc/passwd", "unknown scheme 'file'"),
        ("http://", "has no host"),
        ("http:///x", "has no host: write http://host/path"),
        ("http:/h/x", "has no host"),
        ("https:h", "has no host"),
        ("http://h:99999/", "not a valid URL: .*Port out of range"),
        ("http://h:abc/", "not a valid URL: .*port"),
        ("http://[::1/", "not a valid URL: .*Invalid IPv6"),
        ("http://\u2100/", "not a valid URL"),
        ("http://h/a\r\nX: y", r"control characters in the URL 'http://h/a\\r\\nX: y': quote them"),
        ("http://h/a\tb", "control characters in the URL"),
        ("http://h/\x00", "control characters in the URL"),
        ("http://h/\u202e", "control characters in the URL"),
        ("http://h/\x7f", "control characters in the URL"),
        ("http://h/\x85", "control characters in the URL"),
        ("http://h/?q=\x9f", "control characters in the URL"),
        ("http://h/\ud83d", "a lone surrogate, which is not a character, in the URL"),
        ("http://h/?\udcff", "a lone surrogate, which is not a character, in the URL"),
        ("http://h\u200c/", "not a valid URL"),
        ("http://a b/", "not a valid URL"),
        (5, "a URL is text or a yarl.URL, not int"),
        (None, "a URL is text or a yarl.URL, not NoneType"),
        (b"http://h/", "a URL is text or a yarl.URL, not bytes"),
    ],
)
@pytest.mark.parametrize("base", ["", "https://base/v1"])
async def test_a_wrong_url_is_told(base, url, message):
    await refused(lambda api: api.get(url), message, base)


async def test_a_wrong_scheme_with_a_base_url_is_no_path():
    """`http:/x` is a mistyped URL, never a path under the base URL."""
    await refused(lambda api: api.get("http:/h/x"), "has no host", "https://base")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"headers": {"X": "a\r\nEvil: 1"}}, "header X: a line break or control character.*injection"),
        ({"headers": {"X": "a\nEvil: 1"}}, "header X: a line break"),
        ({"headers": {"X": "a\x00"}}, "header X: a line break or control"),
        ({"headers": {"X": "\x01"}}, "header X: a line break or control"),
        ({"headers": {"X": "\x80\ud83d"}}, "header X: a lone surrogate"),
        ({"headers": {"X": "\udc7f"}}, "header X: a lone surrogate"),
        ({"params": {"q": "a\ud83d"}}, "params: 'q' or its value has a lone surrogate"),
        ({"params": {"\udcff": 1}}, "params: .* has a lone surrogate"),
        ({"params": {"q": ["a", "\udcff"]}}, "params: 'q' or its value has a lone surrogate"),
        ({"data": {"q": "\ud83d"}}, "data: 'q' or its value has a lone surrogate"),
        ({"headers": {"X\r\nEvil": "1"}}, "header name .*: only letters"),
        ({"headers": {"X: Evil": "1"}}, "header name"),
        ({"headers": {"X Y": "1"}}, "header name 'X Y': only letters, digits"),
        ({"headers": {"": "1"}}, "header name ''"),
        ({"headers": {"é": "1"}}, "header name"),
        ({"headers": {"X": 1}}, "header X: its value is int, give text"),
        ({"headers": {"X": None}}, "header X: its value is NoneType"),
        ({"headers": {"X": b"1"}}, "header X: its value is bytes"),
        ({"headers": {1: "x"}}, "headers: the name 1 is int"),
        ({"headers": "X: y"}, "headers: give a mapping or .* pairs, not str"),
        ({"headers": ["X: y"]}, "headers: give a mapping or .* pairs, not list"),
        ({"headers": 5}, "headers: give a mapping or .* pairs, not int"),
        ({"params": 5}, "params: give a mapping or .* pairs, not int"),
        ({"params": "a=1"}, "params= takes a mapping or pairs; a query string goes into the URL"),
        ({"params": ["abc"]}, "params: give a mapping"),
        ({"params": {1: 2}}, "params: the name 1 is int"),
        ({"params": {"a": {}}}, "params: 'a' is a dict: give text, a number or a list of them"),
        ({"params": {"a": b"x"}}, "params: 'a' is a bytes"),
        ({"json": {}, "data": {}}, "a request has one body"),
        ({"json": object()}, "json=object"),
        ({"timeout": 0}, "Timeout"),
        ({"timeout": -1}, "Timeout"),
        ({"timeout": float("nan")}, "Timeout"),
        ({"retry": 0}, "Retry"),
        ({"idempotency_key": "a\r\nb"}, r"idempotency_key=.*visible ASCII"),
        ({"idempotency_key": 5}, "idempotency_key=5: give True, or text"),
        ({"headers": {"Content-Length": "5"}}, "header Content-Length: '5', but the body has 0 bytes: leave it out"),
        ({"headers": {"Content-Length": "5"}, "content": b"1234"}, "'5', but the body has 4 bytes"),
        ({"headers": {"Content-Length": "x"}, "content": iter([])}, "header Content-Length: 'x'"),
        ({"headers": {"Content-Length": "-1"}, "content": iter([])}, "header Content-Length: '-1'"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "header Transfer-Encoding: leave it out"),
        ({"headers": {"Transfer-Encoding": "chunked"}, "content": b"x"}, "header Transfer-Encoding: leave it out"),
    ],
)
async def test_a_wrong_argument_is_told(call, message):
    await refused(lambda api: api.post("http://h/", **call), message)


@pytest.mark.parametrize("method", ["", "G E T", "GET /evil HTTP/1.1\r\nX: y\r\n", "GÉT", "GET\n", "CONNECT"])
async def test_a_wrong_method_is_told(method):
    await refused(lambda api: api.request(method, "http://h/"), "method '.*': give an HTTP method, such as GET")


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
def test_a_client_s_headers_do_not_frame_bodies(name):
    with pytest.raises(ConfigError, match=f"header {name}: each request sets its own"):
        Client("http://h", headers={name: "5"})


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("example.com", "give an absolute URL, like https://api.example.com/v1"),
        ("ftp://h", "give an absolute URL"),
        ("https://", "give an absolute URL"),
        ("https://h?x=1", "it has a query or fragment; give params= instead"),
        ("https://h#x", "it has a query or fragment"),
        ("https://h:bad", "not a valid URL"),
        ("https://h/\n", "control characters"),
        (5, "a URL is text"),
    ],
)
def test_a_wrong_base_url_is_told(url, message):
    with pytest.raises(ConfigError, match=message):
        Client(url)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retry(0),
        lambda: Retry(attempts=-1),
        lambda: Retry(attempts="many"),
        lambda: Retry(base=-1),
        lambda: Retry(statuses={99}),
        lambda: Retry(nothing=1),
        lambda: Budget(-1),
        lambda: RateLimit(0),
        lambda: RateLimit(-5),
        lambda: RateLimit("x"),
        lambda: RateLimit(1, per=0),
        lambda: RateLimit(1, burst=0.5),
        lambda: RateLimit(1, by="user"),
        lambda: Timeout(0),
        lambda: Timeout(-1),
        lambda: Timeout(float("nan")),
        lambda: Timeout(float("inf")),
        lambda: Timeout("x"),
        lambda: Timeout(1, connect=-1),
        lambda: Timeout(1, attempt=0),
        lambda: TLS(min_version="1.1"),
        lambda: TLS(ca=5),
        lambda: deadline(0),
        lambda: deadline(-1),
        lambda: deadline(float("nan")),
        lambda: Client("http://h", timeout=-1),
        lambda: Client("http://h", timeout="x"),
        lambda: Client("http://h", retry=0),
        lambda: Client("http://h", concurrency=0),
        lambda: Client("http://h", concurrency=-3),
        lambda: Client("http://h", max_body=0),
        lambda: Client("http://h", redirects=-1),
        lambda: Client("http://h", hooks=[5]),
        lambda: Client("http://h", tls="no-such-file.pem"),
        lambda: Client("http://h", proxy="nope"),
        lambda: Client("http://h", unix_socket=5),
        lambda: Client("http://h", session=SimpleNamespace()),
        lambda: Client("http://h", headers={"A\r\n": "b"}),
        lambda: Client("http://h", params=5),
    ],
)
def test_a_wrong_setting_is_one_line(make):
    with pytest.raises(ConfigError) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 20


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"cache": True}, "Client(cache=True): give Cache(...)"),
        ({"rate": 5}, "Client(rate=5): give RateLimit(...)"),
        ({"rate": [RateLimit(5), 7]}, "Client(rate.1=7): give RateLimit(...)"),
        ({"breaker": 1}, "Client(breaker=1): give Breaker(...)"),
    ],
)
def test_a_setting_that_is_an_object_is_asked_for_by_name(wrong, told):
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}$"):
        Client("http://h", **wrong)


async def test_a_hook_that_is_async_is_told():
    async def hook(record):
        pass

    class Hook:
        async def __call__(self, record):
            pass

    for wrong in (hook, Hook(), functools.partial(hook)):
        with pytest.raises(ConfigError, match="is not a plain function: start a task in it"):
            Client("http://h", hooks=[wrong])


# Lives of a client


@pytest.mark.lanes
async def test_a_closed_client_says_so():
    async with scripted(always(OK)) as server:
        async with Client(server.url) as api:
            await api.get("/")
        for call in (api.get("/"), api.gather(["/"]), api.__aenter__()):
            with pytest.raises(ConfigError, match="this client is closed: make a new"):
                await call
        await api.aclose()  # twice is fine


async def test_a_client_may_be_closed_without_having_been_used():
    await Client("http://h").aclose()


def test_a_client_used_from_a_second_event_loop_says_so():
    """It does not hang, and works on in its own loop."""
    api = Client("http://h", transport=MockTransport(lambda _: reply()))

    async def call():
        return (await api.get("/")).status

    with asyncio.Runner() as first:
        assert first.run(call()) == 200
        with (
            asyncio.Runner() as second,
            pytest.raises(ConfigError, match=r"belongs to another event loop.*make one Client"),
        ):
            second.run(call())
        assert first.run(call()) == 200
        first.run(api.aclose())


async def test_a_source_of_something_else_says_so():
    async with Client("http://h", transport=MockTransport(lambda _: reply())) as api:
        for source in ([5], [None], [b"/x"]):
            with pytest.raises(ConfigError, match="a source yields URLs and Requests, not"):
                await api.gather(source)
        for source in ("http://h/", 5, None):
            with pytest.raises(ConfigError, match="a source is an iterable of URLs or Requests"):
                await api.gather(source)


@pytest.mark.parametrize("make", [lambda: Request("GET", 5), lambda: Request("GET", "http://h\n")])
def test_a_request_of_a_wrong_url_is_told_at_once(make):
    with pytest.raises(ConfigError):
        make()
