"""A google.rpc.Status is read without protobuf."""

from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.sansio.rpc.packed import packed_details, retry_delay

RETRY = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=2, nanos=500_000_000))
WHY = error_details_pb2.ErrorInfo(reason="QUOTA", domain="example.com", metadata={"a": "b"})


def packed(*messages):
    status = status_pb2.Status(code=8, message="too much")
    for message in messages:
        status.details.add().Pack(message)
    return status.SerializeToString()


def test_details_have_their_types_and_bytes():
    assert packed_details(packed(WHY, RETRY)) == [
        ("type.googleapis.com/google.rpc.ErrorInfo", WHY.SerializeToString()),
        ("type.googleapis.com/google.rpc.RetryInfo", RETRY.SerializeToString()),
    ]
    assert packed_details(b"") == []


def test_the_delay_of_a_retry_is_read():
    assert retry_delay(packed(WHY, RETRY)) == 2.5
    assert retry_delay(packed(WHY)) is None
    assert retry_delay(packed(error_details_pb2.RetryInfo())) is None


def test_a_delay_that_makes_no_sense_does_not_count():
    below = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=-2))
    assert retry_delay(packed(below)) is None


@given(st.binary(max_size=60))
def test_garbage_breaks_nothing(data):
    assert isinstance(packed_details(packed(WHY)[:20] + data), list)
    assert retry_delay(data) is None or retry_delay(data) >= 0
