"""An open body ends once, and whatever waits for its end is released then, with the error that ended it."""

from __future__ import annotations

import pytest

from asyncapi.errors import ConfigError, ProtocolError
from asyncapi.messages.open_body import OpenBody, release_at_end
from asyncapi.messages.response import Response


class Source:
    def __init__(self) -> None:
        self.stopped = 0

    async def read(self) -> bytes:
        return b"piece"

    def stop(self) -> None:
        self.stopped += 1


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def body(source) -> OpenBody:
    return OpenBody(source.read, source.stop)


def test_a_body_stops_its_source_once(source, body):
    body.close()
    body.close()
    assert (source.stopped, body.closed) == (1, True)


def test_releases_run_in_their_order_with_the_error(body):
    seen, error = [], ProtocolError("cut")
    body.hold(lambda reason: seen.append(("first", reason)))
    body.hold(lambda reason: seen.append(("second", reason)))
    body.close(error)
    body.close()
    assert seen == [("first", error), ("second", error)]


def test_releases_run_even_if_the_source_can_not_be_stopped():
    def stop() -> None:
        raise RuntimeError("stuck")

    seen: list[object] = []
    body = OpenBody(Source().read, stop)
    body.hold(seen.append)
    with pytest.raises(RuntimeError, match="stuck"):
        body.close()
    assert seen == [None]


def test_a_release_of_a_body_that_is_closed_runs_at_once(body):
    seen: list[object] = []
    body.close()
    body.hold(seen.append)
    assert seen == [None]


async def test_a_closed_body_says_what_is_wrong_with_reading_it(body):
    assert await body.read() == b"piece"
    body.close()
    with pytest.raises(ConfigError, match="the stream is closed: read it inside its `async with` block"):
        await body.read()


def test_a_closed_body_lets_go_of_what_waited_for_it(source, body):
    """Or else body, release, call and body would hold each other until the garbage collector runs."""
    body.hold(lambda _: None)
    body.close()
    assert body._releases == []
    assert body._stop is None


def test_what_waits_for_the_end_of_no_response_is_released_at_once():
    seen: list[object] = []
    release_at_end(None, seen.append)
    assert seen == [None]


def test_what_waits_for_the_end_of_a_read_response_is_released_at_once():
    seen: list[object] = []
    release_at_end(Response(200), seen.append)
    assert seen == [None]


def test_what_waits_for_the_end_of_an_open_body_is_released_with_it(body):
    seen: list[object] = []
    response, error = Response(200), ProtocolError("cut")
    response.open_body = body
    release_at_end(response, seen.append)
    assert seen == []
    body.close(error)
    assert seen == [error]
