"""A body becomes a file that is there whole or not at all, under a name that the id alone decides."""

import asyncio
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi import Client, Retry
from asyncapi.bulk.item import Item
from asyncapi.bulk.saving import Names, Saver, ending_of, file_stem
from asyncapi.bulk.store import NotWritten
from asyncapi.errors import ConfigError, NotFound, ProtocolError
from asyncapi.fanout.outcomes import Outcomes
from asyncapi.testing import FakeClock, MockTransport, reply


def item(index=0, name=None, method="GET", **settings):
    made = Item(method, f"https://h/{index}", **settings)
    made.id = made.index = index
    made.name, made.given = name, f"https://h/{index}"
    return made


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        (None, "0"), ("plain", "plain"), ("with-dash_1.x", "with-dash_1.x"), ("é", "é"), (5, "5"), ("logo.png", "logo.png"),
        ("a/b", r"a_b~\w{10}"), ("../../x", r"_.*x~\w{10}"), ("..", r"__~\w{10}"), ("", r"_~\w{10}"), ("CON", r"_CON~\w{10}"),
        ("com1.txt", r"_com1~\w{10}\.txt"), (".rc", r"_rc~\w{10}"), ("-rf", r"_rf~\w{10}"), ("x" * 300, r"x{120}~\w{10}"),
        ("a\0b", r"a_b~\w{10}"), ("é" * 100, r"é{60}~\w{10}"), ("end.", r"end_~\w{10}"), ({"a": 1}, r"__a__1_~\w{10}"),
    ],
)  # fmt: skip
def test_a_name_is_made_of_the_id(name, stem):
    assert re.fullmatch(stem, file_stem(item(name=name)))


@given(st.lists(st.one_of(st.text(max_size=12), st.sampled_from(["a", "A", "a.json", "a.b", "a.json.json", "..", "a/"])),
                max_size=30))  # fmt: skip
def test_no_two_rows_have_one_file_and_none_leaves_the_folder(ids):
    names, items = Names(), [item(index, name) for index, name in enumerate(ids)]
    for each in items:
        names.claim(each)
    found = [names.name(each, kind) for each in items for kind in ["application/json"]]
    assert len({name.casefold() for name in found}) == len(ids)
    for name in found:
        assert name == os.path.basename(name)
        assert not name.startswith((".", "-"))
        assert ".." not in name
        assert len(name.encode()) < 200


def test_names_are_the_same_in_every_run():
    ids = ["a", "a", "b/", "A", None]
    made = []
    for _ in range(2):
        names = Names()
        items = [item(index, name) for index, name in enumerate(ids)]
        for each in items:
            names.claim(each)
        made.append([names.name(each, "") for each in reversed(items)])
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("image/png", ".png"), ("TEXT/HTML; charset=x", ".html"), ("application/json", ".json"), ("", ""), ("x/y", ""),
     ("../../x", "")],
)  # fmt: skip
def test_the_ending_is_that_of_the_type(kind, ending):
    assert ending_of(kind) == ending


def saver(tmp_path, handler, **settings):
    clock = FakeClock()
    client = Client(transport=MockTransport(handler, clock=clock), clock=clock, timeout=None, **settings)
    made = Saver(tmp_path / "files", "out.jsonl", client)
    made.open()
    return made


async def save(made, *items):
    """Save through a fan-out, as a job does."""
    async with Outcomes(made.call, items, made._client._clock, workers=4, ordered=True) as outcomes:
        found = [outcome async for outcome in outcomes]
    made.close()
    await made._client.aclose()
    return found


async def test_bodies_are_saved_and_the_outcome_says_where(tmp_path):
    made = saver(tmp_path, lambda request: reply(200, content=b"body", headers={"Content-Type": "text/plain"}))
    first, second = await save(made, item(0), item(1, "x"))
    assert (first.value.file, first.value.size, first.status) == (str(tmp_path / "files/0.txt"), 4, 200)
    assert (tmp_path / "files/x.txt").read_bytes() == b"body"
    assert second.value.response.headers["Content-Type"] == "text/plain"
    assert [attempt.status for attempt in second.attempts] == [200]
    assert sorted(os.listdir(tmp_path / "files")) == ["0.txt", "x.txt"]


async def test_a_row_that_fails_leaves_nothing(tmp_path):
    made = saver(tmp_path, lambda request: reply(404))
    (outcome,) = await save(made, item(0))
    assert isinstance(outcome.error, NotFound)
    assert os.listdir(tmp_path / "files") == []


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
async def test_a_response_without_a_body_has_no_file(tmp_path, method, status):
    made = saver(tmp_path, lambda request: reply(status))
    (outcome,) = await save(made, item(0, method=method))
    assert (outcome.value.file, outcome.value.size) == (None, 0)


async def test_retries_of_the_call_and_of_the_body_are_counted_together(tmp_path):
    answers = [reply(503), reply(200, content=b"whole")]
    made = saver(tmp_path, lambda request: answers.pop(0), retry=Retry(4, base=0.01))
    (outcome,) = await save(made, item(0))
    assert outcome.error is None
    assert [attempt.why.partition(":")[0] for attempt in outcome.attempts] == ["first", "retry"]


async def test_what_an_earlier_run_left_unfinished_is_removed(tmp_path):
    folder = tmp_path / "files" / ".out.jsonl.part"
    folder.mkdir(parents=True)
    (folder / ".0.abcd.part").write_text("torn")
    (tmp_path / "files" / "0").write_text("older")
    made = saver(tmp_path, lambda request: reply(200, content=b"new"))
    assert os.listdir(folder) == []
    await save(made, item(0))
    assert {name: (tmp_path / "files" / name).read_bytes() for name in os.listdir(tmp_path / "files")} == {"0": b"new"}


async def test_an_error_of_the_file_system_is_not_the_rows_failure(tmp_path):
    made = saver(tmp_path, lambda request: reply(200, content=b"new"))
    (tmp_path / "files" / "0").mkdir()
    with pytest.raises(NotWritten, match=r"the file .*files/0: Is a directory"):
        await save(made, item(0))
    made = saver(tmp_path, lambda request: reply(200, content=b"new"))
    made._unfinished.rmdir()
    with pytest.raises(NotWritten, match=r"the file .*files/1: "):
        await save(made, item(1))


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "files").write_text("")
    with pytest.raises(ConfigError, match=r"cannot write to the folder .*files"):
        saver(tmp_path, lambda request: reply(200))


async def test_a_body_that_must_not_be_requested_twice_is_not(tmp_path):
    """A POST whose body breaks off has been processed: its row fails."""
    sent = []

    async def broken():
        yield b"half"
        raise ConnectionError("gone")

    def handler(request):
        sent.append(request)
        return reply(200, content=broken())

    for method, count in (("POST", 1), ("GET", 4)):
        made = saver(tmp_path, handler, retry=Retry(4, base=0.01))
        sent.clear()
        (outcome,) = await save(made, item(0, method=method))
        assert isinstance(outcome.error, ProtocolError)
        assert (len(sent), len(outcome.attempts)) == (count, count)
    assert os.listdir(tmp_path / "files") == []


async def test_a_cancelled_job_leaves_no_half_file(tmp_path):
    hang = asyncio.Event()

    async def slow(_):
        await hang.wait()

    made = saver(tmp_path, slow)
    task = asyncio.create_task(save(made, item(0)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [name for name in os.listdir(tmp_path / "files") if not name.startswith(".")] == []
    await made._client.aclose()
