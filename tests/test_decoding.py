"""From bytes to values: any type pydantic knows, any charset, and what is said where it does not fit."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncapi import Client, ConfigError, DecodeError, Response, SchemaError
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
    with pytest.raises(DecodeError, match=r"an empty body where .* was expected; use model=.* \| None, or no model"):
        await called(b"", model, status=204, method=method)


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (User, '{"id":"x"}', "does not fit User: Input should be a valid integer.* at id$"),
        (User, "{}", "does not fit User: Field required at id$"),
        (User, "[]", "does not fit User: .* at the top level$"),
        (list[User], '[{"id":1},{}]', r"does not fit list\[.*User\]: Field required at 1.id$"),
        (Row, '{"a":"x","b":[]}', "does not fit Row: .* at a$"),
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
        ("<html>\nno", "text/html", r"not JSON \(text/html\): .*it begins '<html>\\nno'"),
        ("{", JSON, "not JSON"),
        ("{}{}", JSON, "not JSON"),
        ("", JSON, "an empty body where JSON was expected"),
        ("oops", "", r"not JSON \(no Content-Type\)"),
        (b"\xff\xfe", JSON, "not JSON"),
        ('{"n":"é"}'.encode("latin-1"), JSON, "not JSON"),
        ("[" * 100_000, JSON, "recursion limit"),
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


@pytest.mark.parametrize(
    ("body", "kind", "text"),
    [
        ("é".encode(), "text/plain", "é"),
        ("é".encode(), "", "é"),
        ("é".encode("latin-1"), "text/plain; charset=latin-1", "é"),
        ("é".encode("utf-16"), 'text/plain; charset="utf-16"', "é"),
        (b"", "text/plain; charset=utf-16", ""),
    ],
)
def test_text_is_read_by_its_charset(body, kind, text):
    assert answer(body, kind).text == text


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text/plain; charset=bogus", "the server names an unknown charset 'bogus'; use .content"),
        ("text/plain; charset=hex", "unknown charset 'hex'"),
        ("text/plain; charset=undefined", "the body is not undefined"),
        ("text/plain; charset=idna", "the body is not idna"),
        ("text/plain; charset=utf-8", "the body is not utf-8: invalid .* at byte 1; use .content"),
        ("text/plain; charset=ascii", "the body is not ascii: .* at byte 1"),
        ("text/plain", "the body is not utf-8"),
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
    with pytest.raises(ConfigError, match=r"model=.* is no type that pydantic can validate: [^\n]+$"):
        await called("1", model)


def test_a_validator_is_made_once():
    from asyncapi.decoding import adapter

    assert adapter(list[User]) is adapter(list[User])
    assert adapter(Annotated[int, {"unhashable": []}]).validate_json(b"1") == 1
