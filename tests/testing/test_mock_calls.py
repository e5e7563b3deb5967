"""What a mock has received can be asked for as JSON, a model, a form, files; and in order."""

import pytest
from pydantic import BaseModel

from asyncapi import Client, Request
from asyncapi.testing import Calls, MockCall


class Person(BaseModel):
    name: str


def test_a_body_is_read_as_json_a_model_or_text():
    call = MockCall(Request("POST", "https://h/a?x=1&x=2"), b'{"name": "Ada"}')
    assert call.json() == {"name": "Ada"}
    assert call.parse(Person).name == "Ada"
    assert call.text == '{"name": "Ada"}'
    assert call.params.getall("x") == ["1", "2"]
    assert not call.files
    assert repr(call) == "<MockCall POST https://h/a?x=1&x=2>"


def test_the_newest_and_the_oldest_call_are_at_hand_and_none_is_said_so():
    calls = Calls()
    with pytest.raises(AssertionError, match="there was no call"):
        _ = calls.last
    for path in ("a", "b", "c"):
        calls.add(MockCall(Request("GET", f"https://h/{path}")))
    assert (calls.first.url.path, calls.last.url.path, calls[1].url.path) == ("/a", "/c", "/b")
    assert [call.url.path for call in calls[1:]] == ["/b", "/c"]
    assert len(calls) == 3


async def test_a_form_and_files_are_taken_apart(api_mock):
    route = api_mock.post("/a")
    async with Client("https://h") as api:
        await api.post("/a", data={"x": "ä", "y": ""})
        await api.post("/a", data={"k": "v"}, files={"f": ("n.bin", b"\x00\r\n1"), "g": ("g.txt", b"", "text/x")})
    assert dict(route.calls[0].form) == {"x": "ä", "y": ""}
    assert dict(route.calls[1].form) == {"k": "v"}
    assert route.calls[1].files["f"].content == b"\x00\r\n1"
    assert tuple(route.calls[1].files["g"]) == ("g.txt", b"", "text/x")
