"""Chunks of a worker share a client, and each note goes to the chunk that the row belongs to."""

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.shared_client import SharedClient


class Observer:
    def __init__(self):
        self.heard = []

    def answered(self, key, response, began, now):
        self.heard.append(("answered", key))

    def failed(self, key, why, began, now):
        self.heard.append(("failed", key))


async def never():
    raise AssertionError


@pytest.fixture
async def shared():
    made = SharedClient(Job("in.txt", "o.jsonl"))
    yield made
    await made.aclose()


async def test_a_note_goes_to_the_chunk_of_the_row(shared):
    one, two = [], []
    with shared.joined(0, 10, one.append, Observer(), never), shared.joined(10, 5, two.append, Observer(), never):
        for row in (3, 10, 14):
            shared._note(row)
    assert (one, two) == ([3], [10, 14])


async def test_a_row_of_no_open_chunk_is_not_sent(shared):
    with (
        shared.joined(0, 10, print, Observer(), never),
        pytest.raises(RuntimeError, match="row 10 belongs to no chunk"),
    ):
        shared._note(10)
    with pytest.raises(RuntimeError, match="it must not be sent"):
        shared._note(3)


async def test_all_open_chunks_hear_how_hosts_respond(shared):
    one, two = Observer(), Observer()
    with shared.joined(0, 10, print, one, never):
        with shared.joined(10, 10, print, two, never):
            shared.failed("h", "ConnectError", 0.0, 1.0)
        shared.answered("h", None, 0.0, 1.0)
    assert one.heard == [("failed", "h"), ("answered", "h")]
    assert two.heard == [("failed", "h")]
