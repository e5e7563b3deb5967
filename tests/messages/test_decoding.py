"""From bytes to values: any type pydantic knows, any charset, and what is said where it does not fit."""

from __future__ import annotations

import json
import math
import time
from datetime import date
from typing import Annotated, Any, Literal

import pydantic
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncapi import Client, ConfigError, DecodeError, Response, SchemaError, ServerSentEvent
from asyncapi.testing import MockTransport, reply

JSON = "application/json"


class User(BaseModel):
    id: int
    name: str = ""


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


class Row(TypedDict):
    a: int


class Node(BaseModel):
    next: Node | None = None


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


def answer(body: bytes | str, kind: str = JSON) -> Response:
    return Response(200, {"Content-Type": kind} if kind else {}, body.encode() if isinstance(body, str) else body)


async def called(body: bytes | str, model, *, kind: str = JSON, status: int = 200, method: str = "GET"):
    """The same through a client's call, which takes a quicker way."""
    content = body.encode() if isinstance(body, str) else body
    transport = MockTransport(lambda _: reply(status, content=content, headers={"Content-Type": kind}))
    async with Client("https://h", transport=transport) as api:
        return await api.request(method, "/", model=model)


@pytest.mark.parametrize(
    ("model", "body", "value"),
    [
        (User, '{"id":1}', User(id=1)),
        (list[User], '[{"id":1},{"id":2}]', [User(id=1), User(id=2)]),
        (dict[str, User], '{"a":{"id":1}}', {"a": User(id=1)}),
        (Cat | Dog, '{"kind":"dog"}', Dog(kind="dog")),
        (Pet, '{"kind":"cat","lives":9}', Cat(kind="cat", lives=9)),
        (list[Pet], '[{"kind":"dog"}]', [Dog(kind="dog")]),
        (Row, '{"a":1}', {"a": 1}),
        (list[Row], '[{"a":1}]', [{"a": 1}]),
        (Annotated[int, Field(gt=0)], "5", 5),
        (User | None, "null", None),
        (User | None, '{"id":1}', User(id=1)),
        (tuple[int, str], '[1,"a"]', (1, "a")),
        (Literal["a", "b"], '"a"', "a"),
        (int, "7", 7),
        (str, '"x"', "x"),
        (bool, "true", True),
        (Node, '{"next":{"next":null}}', Node(next=Node())),
        (None, "null", None),
    ],
)
async def test_any_type_pydantic_knows_is_a_model(model, body, value):
    assert answer(body).parse(model) == value
    if model is not None:
        assert await called(body, model) == value


@pytest.mark.parametrize("status", [200, 204])
async def test_an_empty_body_is_none_where_the_model_allows_it(status):
    assert await called(b"", User | None, status=status) is None
    assert answer(" \n").parse(User | None) is None


@pytest.mark.parametrize("model", [User, list[User], int, dict])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_an_empty_body_is_told_where_it_is_not_allowed(model, method):
    with pytest.raises(
        DecodeError, match=r"the response body is empty where .* was expected: use model=.* \| None, or no model"
    ):
        await called(b"", model, status=204, method=method)


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (User, '{"id":"x"}', "doesn't match User: Input should be a valid integer.* at id$"),
        (User, "{}", "doesn't match User: Field required at id$"),
        (User, "[]", "doesn't match User: .* at the top level$"),
        (list[User], '[{"id":1},{}]', r"doesn't match list\[.*User\]: Field required at 1.id$"),
        (Row, '{"a":"x","b":[]}', "doesn't match Row: .* at a$"),
        (dict[str, int], '{"a":"x","b":"y"}', r"at a \(and 1 more\)$"),
    ],
)
async def test_json_that_does_not_fit_says_where(model, body, message):
    with pytest.raises(SchemaError, match=message) as caught:
        await called(body, model)
    error = caught.value
    assert error.body == body.encode()
    assert isinstance(error.__cause__, pydantic.ValidationError)
    assert error.request.method == "GET"
    assert len(error.attempts) == 1  # never retried
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("<html>\nno", "text/html", r"isn't valid JSON \(Content-Type text/html\): .*it begins '<html>\\nno'"),
        ("{", JSON, "isn't valid JSON"),
        ("{}{}", JSON, "isn't valid JSON"),
        ("", JSON, "the response body is empty where JSON was expected"),
        ("oops", "", r"isn't valid JSON \(no Content-Type\)"),
        (b"\xff\xfe", JSON, "isn't valid JSON"),
        ('{"n":"é"}'.encode("latin-1"), JSON, "isn't valid JSON"),
        ("[" * 100_000, JSON, "nested deeper than 500 levels"),
        (b"1" * 5000, JSON, "number out of range"),
    ],
)
def test_what_is_no_json_is_told_with_its_beginning(body, kind, message):
    response = answer(body, kind)
    with pytest.raises(DecodeError, match=message) as caught:
        response.json()
    assert caught.value.body == response.content
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    with pytest.raises(DecodeError):
        response.parse(list[int])


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-8", "; charset=latin-1"),  # what is valid UTF-8 is read as that
        ("utf-8-sig", ""),
        ("utf-16", "; charset=utf-16"),
        ("utf-16-be", "; charset=UTF-16BE"),
        ("utf-32", "; charset=utf-32"),
        ("latin-1", "; charset=iso-8859-1"),
        ("cp1252", '; charset="windows-1252"'),
        ("shift_jis", "; charset=Shift_JIS"),
    ],
)
async def test_json_in_another_charset_is_read_by_what_the_server_says(encoding, declared):
    name = "猫" if encoding == "shift_jis" or encoding.startswith("utf") else "é"
    body = f'{{"id":1,"name":"{name}"}}'.encode(encoding)
    assert answer(body, JSON + declared).json() == {"id": 1, "name": name}
    assert await called(body, User, kind=JSON + declared) == User(id=1, name=name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
async def test_json_shows_its_charset_where_nobody_says_it(encoding):
    body = '{"id":1,"name":"猫"}'.encode(encoding)
    assert answer(body).json() == {"id": 1, "name": "猫"}
    assert await called(body, User) == User(id=1, name="猫")


HALVES = [
    (r"caf\ud83d", "caf\ufffd"),
    (r"\uDE00 \ud83d\ud83d\ude00", "\ufffd \ufffd\U0001f600"),
    (r"\\ud83d\\\udead", "\\ud83d\\\ufffd"),
    (r"\n\"\ud800", '\n"\ufffd'),
]


@pytest.mark.parametrize(("written", "read"), HALVES)
@pytest.mark.parametrize("declared", ["", "; charset=latin-1", "; charset=utf-16"])
async def test_half_of_a_surrogate_pair_is_read_as_the_replacement_character(written, read, declared):
    body = f'{{"id":1,"name":"{written}"}}'.encode("utf-16" if "16" in declared else "utf-8")
    assert answer(body, JSON + declared).json() == {"id": 1, "name": read}
    assert await called(body, User, kind=JSON + declared) == User(id=1, name=read)


class Strict(BaseModel, strict=True):
    name: str
    at: date


async def test_a_strict_model_reads_it_as_json_too():
    assert (await called(r'{"name":"\ud800","at":"2026-11-27"}', Strict)).at == date(2026, 11, 27)
    with pytest.raises(SchemaError, match=r"at at$"):
        await called(r'{"name":"\ud800","at":5.5}', Strict)


def nested(levels: int) -> str:
    return '[{"a":' * (levels // 2) + "[]" * (levels % 2) + ("1" if levels % 2 == 0 else "") + "}]" * (levels // 2)


@pytest.mark.parametrize("levels", [200, 201, 202, 203, 300, 499, 500])
async def test_nesting_of_five_hundred_levels_is_read(levels):
    body, within = nested(levels), f'{{"id":1,"name":{nested(levels - 1)}}}'
    assert answer(body).json() == await called(body, Any) == json.loads(body)
    assert await called(within, dict) == json.loads(within)
    with pytest.raises(SchemaError, match="doesn't match User"):
        await called(within, User)


@pytest.mark.parametrize("levels", [501, 502, 1000, 5000, 200_001])
async def test_deeper_nesting_is_told(levels):
    with pytest.raises(DecodeError, match=r"isn't valid JSON .* nested deeper than 500 levels"):
        answer(nested(levels)).json()
    with pytest.raises(DecodeError, match=r"isn't valid JSON .* nested deeper than 500 levels"):
        await called(nested(levels), Any)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("[NaN]", [math.nan]),
        ("[Infinity,-Infinity]", [math.inf, -math.inf]),
        ("[1e400,-1e400]", [math.inf, -math.inf]),
        ('{"a":1,"a":2}', {"a": 2}),
        ("1" * 4300, int("1" * 4300)),
        ("1e5", 1e5),
    ],
)
@pytest.mark.parametrize("slow", [False, True])
async def test_every_way_of_reading_gives_the_same_value(body, value, slow):
    if slow:
        body, value = f'["\\ud83d",{"[" * 300}{"]" * 300},{body}]', ["\ufffd", json.loads("[" * 300 + "]" * 300), value]
    lines = MockTransport(lambda _: reply(200, content=body.encode()))
    async with Client("https://h", transport=lines) as api, api.stream("GET", "/") as stream:
        line = [one async for one in stream.json_lines()]
    found = [answer(body).json(), answer(body).parse(Any), await called(body, Any), line[0]]
    found.append(ServerSentEvent(body).json())
    assert {repr(one) for one in found} == {repr(value)}


class Wrapped(BaseModel):
    inner: pydantic.Json


async def test_a_field_that_holds_no_json_is_a_mismatch_of_its_own():
    with pytest.raises(SchemaError, match=r"doesn't match Wrapped: .* at inner$"):
        await called('{"inner":"oops"}', Wrapped)


@pytest.mark.parametrize("piece", ["\\", r"\ud83d", r"\ud83d\ude00", '"', "[]", "a", ";", "; a", '; a="'])
def test_the_slow_way_takes_time_in_proportion(piece):
    """Four times the input, less than nine times the CPU time."""

    def spent(size: int) -> float:
        body = ('["\\ud800' + piece * (size // len(piece))).encode()
        kind = JSON + "; charset" + piece * (size // 10 // len(piece))

        def once() -> float:
            began = time.process_time()
            with pytest.raises(DecodeError):
                answer(body, kind).json()
            return time.process_time() - began

        return min(once() for _ in range(5))

    assert spent(800_000) < 9 * spent(200_000) + 0.01


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("é".encode(), "text/plain", "é"),
        ("é".encode(), "", "é"),
        ("é".encode("latin-1"), "text/plain; charset=latin-1", "é"),
        ("é".encode("utf-16"), 'text/plain; charset="utf-16"', "é"),
        (b"", "text/plain; charset=utf-16", ""),
        ("é".encode(), 'text/plain; charset=utf-8; name="\xe9"', "é"),
        ("é".encode(), 'text/plain; name="; charset=latin-1"', "é"),
        ("é".encode("latin-1"), 'text/plain; name="\\"; charset=latin-1"; Charset = "latin-1"', "é"),
        ("é".encode(), "text/plain; charset*=utf-8''a%00b", "é"),
        ("é".encode(), "text/plain; xcharset=latin-1", "é"),
    ],
)
def test_text_is_read_by_its_charset(body, kind, text):
    assert answer(body, kind).text == text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text/plain; charset=bogus", "the server names an unknown charset 'bogus': use .content"),
        ("text/plain; charset=hex", "unknown charset 'hex'"),
        ("text/plain; charset=undefined", "unknown charset 'undefined'"),
        ("text/plain; charset=idna", "unknown charset 'idna'"),
        ("text/plain; charset=punycode", "unknown charset 'punycode'"),
        ("text/plain; charset=unicode_escape", "unknown charset 'unicode_escape'"),
        ("text/plain; charset=rot13", "unknown charset 'rot13'"),
        ("text/plain; charset=zip", "unknown charset 'zip'"),
        ("text/plain; charset=\xc3\xa9", "unknown charset"),
        ("text/plain; charset=\udcc3", "unknown charset"),
        ('text/plain; charset="a\0b"', r"unknown charset 'a\\x00b'"),
        ('text/plain; charset="\x1b[2J"', r"unknown charset '\\x1b\[2j'"),
        ("text/plain; charset=utf-8", "the body isn't valid utf-8: invalid .* at byte 1; use .content"),
        ("text/plain; charset=ascii", "the body isn't valid ascii: .* at byte 1"),
        ("text/plain", "the body isn't valid utf-8"),
        (f"text/plain; charset={'a' * 5000}", "unknown charset"),
    ],
)
def test_a_charset_that_is_unknown_or_wrong_is_told(kind, message):
    with pytest.raises(DecodeError, match=message) as caught:
        _ = answer(b"a\xff", kind).text
    assert caught.value.body == b"a\xff"
    with pytest.raises(DecodeError):
        answer(b"a\xff", kind).json()


@pytest.mark.parametrize(
    "kind", [";;;=charset", "charset", "x; charset*=utf-8''x", "x; charset=", "x; charset=\udcff", "\t"]
)
def test_a_broken_content_type_is_not_in_the_way(kind):
    assert answer("[1]", kind).parse(list[int]) == [1]
    assert answer("[1]", kind).json() == [1]


@pytest.mark.parametrize(
    "model",
    [5, object(), [], "NoSuchType", list["NoSuchType"], User(id=1)],  # noqa: F821
)
async def test_what_is_no_type_is_told(model):
    with pytest.raises(ConfigError, match=r"model=.* is not a type that pydantic can validate: [^\n]+$"):
        await called("1", model)


def test_a_validator_is_made_once():
    from asyncapi.messages.decoding import adapter

    assert adapter(list[User]) is adapter(list[User])
    assert adapter(Annotated[int, {"unhashable": []}]).validate_json(b"1") == 1
