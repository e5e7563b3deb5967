"""What decorators refuse at once."""

from __future__ import annotations

import pytest

from asyncapi import ConfigError, WebSocket, get, websocket


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
