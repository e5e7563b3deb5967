"""The options of a call: each is documented once, and what is none is answered with the one that was meant."""

from __future__ import annotations

import ast
import gc
import inspect
import warnings
from pathlib import Path

import pytest

from asyncapi import Client, Cursor, options
from asyncapi.blocking import Client as BlockingClient
from asyncapi.calls.builder import Builder
from asyncapi.messages.request import Request
from asyncapi.testing import MockTransport, reply


def calls(api):
    """Every way to call, as a function of its options."""
    return {
        "get": lambda **given: api.get("/", **given),
        "request": lambda **given: api.request("GET", "/", **given),
        "stream": lambda **given: api.stream("GET", "/", **given),
        "events": lambda **given: api.events("/", **given),
        "paginate": lambda **given: api.paginate("/", by=Cursor(), **given),
        "map": lambda **given: api.map(["/"], **given),
        "gather": lambda **given: api.gather(["/"], **given),
    }


def refused(api, method, **given) -> str:
    """The error of the call itself: nothing is awaited or iterated."""
    try:
        calls(api)[method](**given)
    except TypeError as error:
        return str(error)
    pytest.fail("it was taken")


@pytest.fixture
def api():
    return Client("https://h", transport=MockTransport(lambda _: reply(json={})))


@pytest.fixture
def sync():
    with BlockingClient("https://h", transport=MockTransport(lambda _: reply(json={}))) as api:
        yield api


@pytest.mark.parametrize("method", ["get", "request", "stream", "events", "paginate", "map", "gather"])
def test_a_slip_is_answered_with_the_option_that_was_meant(api, method):
    assert refused(api, method, tiemout=3) == f"{method}() has no option 'tiemout'; did you mean 'timeout'?"


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete", "head", "options"])
def test_a_verb_refuses_a_slip_at_the_call_itself(api, verb):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(TypeError, match=rf"^{verb}\(\) has no option 'tiemout'"):
            getattr(api, verb)("/x", tiemout=3)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []  # no coroutine was made that nobody awaits


@pytest.mark.parametrize("method", ["get", "request", "stream", "events", "paginate", "map", "gather"])
def test_the_blocking_client_answers_in_the_same_words(sync, method):
    with pytest.raises(TypeError) as caught:
        list(calls(sync)[method](tiemout=3))
    assert str(caught.value) == f"{method}() has no option 'tiemout'; did you mean 'timeout'?"


FOREIGN = [
    ("verify", "Client(tls=...)"), ("cert", "TLS(cert=..., key=...)"), ("proxies", "Client(proxy=...)"),
    ("retries", "retry="), ("max_retries", "retry="), ("follow_redirects", "redirects="), ("query", "params="),
    ("allow_redirects", "redirects="), ("body", "json= for data, content= for"), ("payload", "json= for data"),
    ("query_params", "params="), ("stream", "client.stream(method, url)"), ("response_model", "model="),
    ("cast_to", "model="), ("base_url", "Client('https://...')"), ("concurrency", "Client(concurrency=...)"),
    ("deadline", "with deadline(...)"), ("cache", "Client(cache=...)"), ("connect_timeout", "Timeout(connect=...)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ours"), FOREIGN)
def test_a_name_of_another_library_is_answered_with_ours(api, name, ours):
    message = refused(api, "get", **{name: 1})
    assert message.startswith(f"get() has no option {name!r}: ")
    assert ours in message


@pytest.mark.parametrize(
    ("method", "name", "why"),
    [
        ("map", "json", "give Requests"),
        ("gather", "content", "give Requests"),
        ("events", "data", "plain GETs"),
        ("paginate", "files", "plain GETs"),
        ("map", "max_error", "did you mean 'max_errors'"),
        ("paginate", "max_page", "did you mean 'max_pages'"),
        ("events", "lastid", "did you mean 'last_id'"),
    ],
)
def test_an_option_of_another_method_is_answered_with_what_to_do(api, method, name, why):
    assert why in refused(api, method, **{name: 1})


def test_an_unlike_name_is_answered_without_a_guess(api):
    assert refused(api, "get", zzz=1) == "get() has no option 'zzz'"


SETTINGS = [
    ("verify", "tls="), ("cert", "TLS(cert=..., key=...)"), ("max_connections", "concurrency="), ("limits", "concurrency="),
    ("retries", "retry="), ("timeout_total", "Timeout(total=...)"), ("follow_redirects", "redirects="),
    ("concurency", "did you mean 'concurrency'?"), ("json", "client.get(url, json=...)"), ("api_key", "auth=ApiKey(...)"),
]  # fmt: skip


@pytest.mark.parametrize("made", [Client, BlockingClient])
@pytest.mark.parametrize(("name", "ours"), SETTINGS)
def test_an_unknown_setting_of_a_client_is_answered_with_ours(made, name, ours):
    with pytest.raises(TypeError) as caught:
        made("https://h", **{name: 1})
    assert str(caught.value).startswith(f"Client() has no setting {name!r}")
    assert ours in str(caught.value)


async def test_a_type_error_of_the_users_own_function_is_left_as_it_is(api):
    class Odd(str):
        __slots__ = ()

        def __str__(self):
            raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        await api.get(Odd("/"), timeout=3)


def test_every_option_is_documented_once():
    tree = ast.parse(Path(options.__file__).read_text(encoding="utf-8"))
    documented = []
    for made in [node for node in tree.body if isinstance(node, ast.ClassDef)]:
        for field, text in zip(made.body, made.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign):
                assert isinstance(text, ast.Expr), f"{field.target.id} has no docstring"
                documented.append(field.target.id)
    assert sorted(documented) == sorted(options.CALL)


def test_requests_and_the_builder_take_the_options_of_calls():
    built = set(inspect.signature(Builder.build).parameters) - {"self", "method", "url"}
    assert built == options.CALL
    named = set(inspect.signature(Request).parameters) - {"method", "url", "id"}
    assert named == options.CALL - {"raise_for_status"}


def test_what_is_named_as_a_setting_of_clients_is_one():
    settings = set(inspect.signature(Client).parameters)
    assert settings >= options.SETTINGS
    assert settings - options.CALL - {"base_url"} == options.SETTINGS
