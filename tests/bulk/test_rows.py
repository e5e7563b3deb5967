"""A row says how a request ended, in exactly eight keys, and becomes text that every reader of a format reads back."""

from datetime import UTC, datetime, timedelta

import pydantic
import pytest

from asyncapi.bulk.reader import Item
from asyncapi.bulk.rows import UNKNOWN, row_of, unknown_row, value_of
from asyncapi.errors import ConnectError, DecodeError
from asyncapi.types import Attempt, Outcome, Response

KEYS = ["id", "url", "status", "ok", "data", "attempts", "elapsed_ms", "at"]


def item(url="https://h/1", id=None):  # noqa: A002
    made = Item("GET", url)
    made.index, made.name, made.given = 7, id, url
    return made


def response(content, kind=None, status=200):
    return Response(status, {} if kind is None else {"Content-Type": kind}, content)


def test_a_good_row_has_data():
    """`elapsed_ms` leaves out what was spent in our own queue."""
    attempts = tuple(Attempt(n, "GET", item().url, "first", 0.0, 0.0, queued=0.001) for n in (1, 2))
    row = row_of(item(), Outcome(0, item(), response(b'{"a":1}', "application/json"), None, attempts, 0.01234, 200))
    at = datetime.fromisoformat(row.pop("at"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)
    assert row == {
        "id": 7,
        "url": "https://h/1",
        "status": 200,
        "ok": True,
        "data": {"a": 1},
        "attempts": 2,
        "elapsed_ms": 10.3,
    }


def test_a_failed_row_has_an_error_instead():
    row = row_of(item(id="x"), Outcome(0, item(), None, ConnectError("refused"), (), 0.5, None))
    assert list(row) == [key if key != "data" else "error" for key in KEYS]
    assert (row["id"], row["ok"], row["status"], row["error"]) == ("x", False, None, "ConnectError: refused")


def test_a_model_is_the_data():
    class User(pydantic.BaseModel):
        name: str

    row = row_of(item(), Outcome(0, item(), User(name="a"), None, (), 0.1, 200))
    assert row["data"] == User(name="a")


def test_the_url_is_the_text_of_the_input_to_join_on():
    given = "https://u:p@h/a b?api_key=s3cret&q=1"
    assert row_of(item(given), Outcome(0, item(given), 1, None, (), 0.1, 200))["url"] == given
    assert unknown_row(item(given))["url"] == given


def test_the_status_is_that_of_the_last_attempt():
    attempts = [Attempt(n, "GET", item().url, "retry", 0.0, 0.0, status=status) for n, status in enumerate((503, None))]
    end = ConnectError("refused")
    assert row_of(item(), Outcome(0, item(), None, end, tuple(attempts), 0.5, 503))["status"] is None
    assert row_of(item(), Outcome(0, item(), None, end, tuple(attempts[:1]), 0.5, 503))["status"] == 503


def test_a_row_in_flight_at_a_kill_is_unknown():
    row = unknown_row(item())
    assert list(row) == [key if key != "data" else "error" for key in KEYS]
    assert (row["id"], row["status"], row["ok"], row["error"]) == (7, None, False, UNKNOWN)


@pytest.mark.parametrize(
    ("content", "kind", "data"),
    [
        (b'{"a":[1]}', "application/json; charset=utf-8", {"a": [1]}),
        (b"[1]", "application/problem+json", [1]),
        (b"", "application/json", None),
        (b"", "image/png", None),
        (b"caf\xe9", "text/value_of; charset=latin-1", "café"),
        (b"<a/>", "application/atom+xml", "<a/>"),
        (b"\xff\xfe", "text/value_of", "data:text/value_of;base64,//4="),
        (b"\x89PNG", "image/png", "data:image/png;base64,iVBORw=="),
        (b"abc", "application/octet-stream", "data:application/octet-stream;base64,YWJj"),
        (b'{"a":1}', None, {"a": 1}),
        (b"hello", None, "hello"),
        (b"\xff", None, "data:application/octet-stream;base64,/w=="),
    ],
)
def test_a_body_becomes_what_json_can_carry(content, kind, data):
    assert value_of(response(content, kind)) == data


def test_broken_json_fails_its_row():
    with pytest.raises(DecodeError):
        value_of(response(b"{", "application/json"))
    row = row_of(item(), Outcome(0, item(), response(b"{", "application/json"), None, (), 0.1, 200))
    assert not row["ok"]
    assert row["error"].startswith("DecodeError: the response isn't valid JSON")
