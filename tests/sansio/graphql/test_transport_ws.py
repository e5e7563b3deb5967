"""graphql-transport-ws, message by message: what is sent, what each message brings, and what is none."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import ProtocolError
from asyncapi.sansio.graphql.transport_ws import Operation, after_close


def operation(**more):
    return Operation("1", {"query": "subscription { a }"}, **more)


def running():
    found = operation()
    found.receive('{"type": "connection_ack"}')
    return found


def text(**message):
    return json.dumps(message)


@pytest.mark.parametrize(
    ("init", "sent"),
    [
        (None, {"type": "connection_init"}),
        ({}, {"type": "connection_init", "payload": {}}),
        ({"Authorization": "Bearer t"}, {"type": "connection_init", "payload": {"Authorization": "Bearer t"}}),
    ],
)
def test_the_first_message_opens_the_connection(init, sent):
    assert json.loads(operation(init=init).first()) == sent


def test_the_operation_is_started_and_stopped_by_its_id():
    found = operation()
    assert json.loads(found.subscribe()) == {
        "id": "1",
        "type": "subscribe",
        "payload": {"query": "subscription { a }"},
    }
    assert json.loads(found.stop()) == {"id": "1", "type": "complete"}


def test_an_acknowledgement_brings_the_payload_of_the_server():
    found = operation()
    received = found.receive('{"type": "connection_ack", "payload": {"a": 1}}')
    assert (received.kind, received.payload, found.acknowledged) == ("ack", {"a": 1}, True)


@pytest.mark.parametrize("start", [operation, running])
def test_a_ping_is_answered_at_any_time(start):
    received = start().receive('{"type": "ping", "payload": {}}')
    assert received.kind == ""
    assert json.loads(received.reply) == {"type": "pong"}


def test_a_pong_needs_nothing():
    received = operation().receive('{"type": "pong"}')
    assert (received.kind, received.reply) == ("", None)


@pytest.mark.parametrize(
    ("message", "kind", "over"),
    [
        ({"type": "next", "payload": {"data": 1}}, "next", False),
        ({"type": "error", "payload": [{"message": "no"}]}, "error", True),
        ({"type": "complete"}, "complete", True),
    ],
)
def test_results_errors_and_the_end(message, kind, over):
    found = running()
    received = found.receive(text(id="1", **message))
    assert (received.kind, received.payload, found.over) == (kind, message.get("payload"), over)


def test_what_names_another_operation_or_comes_after_the_end_is_skipped():
    found = running()
    assert found.receive(text(id="2", type="next", payload={})).kind == ""
    found.receive(text(id="1", type="complete"))
    assert found.receive(text(id="1", type="next", payload={})).kind == ""


@pytest.mark.parametrize(
    "message",
    [
        "", "no JSON", "[]", "{}", '{"type": 1}', '{"type": "data"}', b"\xff", '{"type": "next"}', '{"type": "connection_ack"}',
        text(id="1", type="next"), text(id="1", type="next", payload=[]), text(id="1", type="error", payload={}),
        text(id="1", type="error", payload=["no"]), text(id=1, type="complete"),
    ],
)  # fmt: skip
def test_what_is_no_message_of_the_protocol_is_an_error_that_no_retry_mends(message):
    with pytest.raises(ProtocolError, match="which graphql-transport-ws does not allow") as caught:
        running().receive(message)
    assert caught.value.final


def test_a_result_before_the_acknowledgement_is_an_error():
    with pytest.raises(ProtocolError, match="before connection_ack"):
        operation().receive(text(id="1", type="next", payload={}))


def test_a_long_message_is_not_repeated_whole_in_the_error():
    with pytest.raises(ProtocolError) as caught:
        running().receive("a" * 10_000)
    assert len(str(caught.value)) < 300


@given(st.text() | st.binary())
def test_any_message_is_read_or_refused(message):
    with contextlib.suppress(ProtocolError):
        running().receive(message)


@pytest.mark.parametrize(
    ("code", "then"),
    [(1000, True), (4400, False), (4401, "renew"), (4403, "renew"), (4408, True), (4409, False), (4429, False),
     (4500, True), (1006, None), (1011, None), (1002, None), (4999, None)],
)  # fmt: skip
def test_what_follows_each_close_code(code, then):
    assert after_close(code, "why") == then
