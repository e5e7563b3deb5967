"""Messages are written as JSON: protobuf's by its mapping, plain data as it is."""

import pytest
from pydantic import BaseModel

from asyncapi import ConfigError
from asyncapi.speakers.rpc.json_codec import serializers
from greeter_pb2 import Ask, Reply


def test_messages_of_protobuf_go_by_its_mapping():
    write, read = serializers(Ask.SerializeToString, Reply.FromString)
    assert write(Ask(name="ü", data=b"\xff", delay_ms=3)) == '{"data":"/w==","delayMs":3,"name":"ü"}'.encode()
    assert read(b'{"text": "hi", "n": 4, "unknown": [1]}') == Reply(text="hi", n=4)


def test_plain_data_and_models_go_as_they_are():
    class Person(BaseModel):
        name: str

    write, read = serializers(None, None)
    assert write({"b": 1, "a": [None]}) == b'{"a":[null],"b":1}'
    assert write(Person(name="x")) == b'{"name":"x"}'
    assert read(b'{"a": 1}') == {"a": 1}


def test_the_same_message_gives_the_same_bytes():
    write, _ = serializers(None, None)
    assert write({"a": 1, "b": 2}) == write({"b": 2, "a": 1})


def test_a_response_whose_class_is_not_known_is_refused():
    with pytest.raises(ConfigError, match="FromString"):
        serializers(Ask.SerializeToString, bytes.decode)
