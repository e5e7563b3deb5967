"""Before a job: everything is checked, and what must not be sent twice is noted just before it is sent."""

import pytest

from asyncapi import ConfigError, ConnectError, ProtocolError, Request
from asyncapi.bulk import Job
from asyncapi.bulk.prepare import NotingTransport, check, client_for, unsafe_to_repeat
from asyncapi.testing import MockTransport, reply


@pytest.mark.parametrize(
    ("request_", "unsafe"),
    [
        (Request("GET", "https://h"), False), (Request("DELETE", "https://h"), False),
        (Request("POST", "https://h"), True), (Request("PATCH", "https://h"), True),
        (Request("POST", "https://h", idempotency_key="k"), False),
        (Request("POST", "https://h", idempotent=True), False),
        (Request("GET", "https://h", idempotent=False), True),
        (Request("POST", "https://h", idempotency_key="k", idempotent=False), True),
        (Request("POST", "https://h", headers={"idempotency-key": "k"}), False),
    ],
)  # fmt: skip
def test_a_post_without_a_key_is_unsafe_to_repeat(request_, unsafe):
    assert unsafe_to_repeat(request_) is unsafe


class Observer:
    def __init__(self):
        self.seen = []

    def answered(self, key, response, began, now):
        self.seen.append((key, response.status))

    def failed(self, key, why, began, now):
        self.seen.append((key, why))


async def test_an_unsafe_request_is_noted_before_it_is_sent():
    order = []
    transport = NotingTransport(MockTransport(lambda request: order.append("sent") or reply(200)), order.append)
    await transport.send(Request("POST", "https://h/1", id=7))
    await transport.send(Request("GET", "https://h/1", id=8))
    assert order == [7, "sent", "sent"]
    await transport.aclose()


async def test_a_note_that_cannot_be_written_keeps_the_request_back():
    sent = []

    def note(index):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        await NotingTransport(MockTransport(sent.append), note).send(Request("POST", "https://h/1", id=7))
    assert not sent


async def test_the_observer_learns_of_responses_and_failures_by_host():
    """A kept-alive connection that had died before it was used says nothing of the host."""
    observer = Observer()
    stale = ProtocolError("closed")
    stale.stale = True
    ends = iter([reply(503), ConnectError("refused"), stale])

    def handler(request):
        end = next(ends)
        if isinstance(end, Exception):
            raise end
        return end

    transport = NotingTransport(MockTransport(handler), lambda index: None, observer)
    await transport.send(Request("GET", "https://h:8/1"))
    for error in (ConnectError, ProtocolError):
        with pytest.raises(error):
            await transport.send(Request("GET", "https://h:8/1"))
    assert observer.seen == [("h:8", 503), ("h:8", "ConnectError: refused")]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"output": "none/out.jsonl"}, "no folder"),
        ({"model": "none.such:X"}, "cannot import"),
        ({"output": "out.xyz"}, "ending"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_opened(tmp_path, monkeypatch, settings, problem):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    with pytest.raises(ConfigError, match=problem):
        check(Job(**{"input": "in.txt", "output": "out.jsonl", **settings}))
    assert [file.name for file in tmp_path.iterdir()] == ["in.txt"]


async def test_the_client_of_a_job_has_the_settings_of_the_job():
    async with client_for(Job("a", "b", rate=50, concurrency=7, base_url="https://h/v1"), lambda index: None) as api:
        assert api.base_url == "https://h/v1"
        assert api._state.settings.concurrency == 7


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"summary": "out.jsonl"}, "--output and --summary are the same file"),
        ({"summary": "./in.txt"}, "the input and --summary are the same file"),
        ({"failed_to": "in.txt"}, "the input and --failed-to are the same file"),
        ({"report": "r.html", "summary": "r.html"}, "--report and --summary are the same file"),
    ],
)
def test_nothing_is_written_over_something_else(tmp_path, monkeypatch, settings, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    with pytest.raises(ConfigError, match=says):
        check(Job("in.txt", "out.jsonl", **settings))


def test_devices_may_be_there_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").write_text("https://h/1\n")
    check(Job("in.txt", "/dev/null", summary="/dev/null"))
