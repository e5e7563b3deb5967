"""What decorators refuse at once."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel

from asyncapi import API, Client, ConfigError, Cursor, Form, Pages, WebSocket, get, post, websocket
from asyncapi.testing import MockTransport, reply, run


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"heartbeat": -1}, "heartbeat=-1"),
        ({"max_message": 0}, "max_message=0"),
        ({"compress": 1}, "compress=1"),
        ({"subprotocols": ("a b",)}, "subprotocols"),
        ({"reconnect_on": {999}}, "999"),
        ({"reconnect": -1}, "-1"),
        ({"retry": -1}, "-1"),
        ({"timeout": -1}, "-1"),
        ({"on_open": "subscribe"}, "on_open='subscribe'"),
        ({"headers": {"Sec-WebSocket-Protocol": "a"}}, "say subprotocols="),
        ({"headers": {"Upgrade": "h2c"}}, "leave it out"),
    ],
)
def test_a_socket_with_an_argument_that_makes_no_sense_is_refused(how, says):
    with pytest.raises(ConfigError) as refused:
        websocket("/feed", **how)
    assert says in str(refused.value)


@pytest.mark.parametrize(("decorator", "name"), [(get, "@get"), (websocket, "@websocket")])
def test_a_function_outside_of_a_class_is_told_where_it_belongs(decorator, name):
    @decorator("/feed")
    def feed(self) -> WebSocket: ...

    with pytest.raises(ConfigError, match=f"{name} declares a method of a class derived from API"):
        feed(None)


class Query(BaseModel):
    q: str


def test_a_list_by_post_has_its_cursor_in_the_json_body():
    class Found(API):
        @post("/search", by=Cursor(), items="rows")
        def search(self, query: Query | None = None) -> Pages[int]: ...

    bodies = []

    async def answer(request):
        bodies.append(request.content)
        return reply(json={"rows": [len(bodies)], "next_cursor": "n" if len(bodies) == 1 else None})

    async def read(*given):
        async with Found(Client("https://x.test", transport=MockTransport(answer))) as api:
            return [row async for row in api.search(*given)]

    assert run(read(Query(q="a"))) == [1, 2]
    assert bodies == [b'{"q":"a"}', b'{"q":"a","cursor":"n"}']
    assert run(read()) == [3]
    assert bodies[2] == b"{}"


def test_a_list_by_post_has_no_form_and_needs_no_key():
    with pytest.raises(ConfigError, match="has a JSON body"):

        class Sent(API):
            @post("/search", by=Cursor())
            def search(self, q: Annotated[str, Form()]) -> Pages[int]: ...

    with pytest.raises(ConfigError, match="safe to resend"):
        post("/search", by=Cursor(), idempotency_key=True)
