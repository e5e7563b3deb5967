"""The error tree: which class for what, one line each, and every one of them pickles."""

from __future__ import annotations

import copy
import pickle

import pytest

import asyncapi
from asyncapi import (
    AsyncAPIError,
    BadRequest,
    BudgetSpent,
    CircuitOpen,
    Client,
    ClientError,
    ConfigError,
    Conflict,
    ConnectError,
    DeadlineExceeded,
    DecodeError,
    Forbidden,
    Gone,
    NotFound,
    PaymentRequired,
    ProtocolError,
    QueueFull,
    RateLimited,
    RejectedError,
    Request,
    RequestTimeout,
    Retry,
    SchemaError,
    ServerError,
    StatusError,
    TLSError,
    TransportError,
    Unauthorized,
    UnprocessableEntity,
)
from asyncapi.errors import AuthError, status_error
from asyncapi.testing import FakeClock, MockTransport, reply, run

TREE = {
    TransportError: AsyncAPIError,
    ConnectError: TransportError,
    TLSError: ConnectError,
    ProtocolError: TransportError,
    RequestTimeout: TransportError,
    StatusError: AsyncAPIError,
    ClientError: StatusError,
    BadRequest: ClientError,
    Unauthorized: ClientError,
    PaymentRequired: ClientError,
    Forbidden: ClientError,
    NotFound: ClientError,
    Conflict: ClientError,
    Gone: ClientError,
    UnprocessableEntity: ClientError,
    RateLimited: ClientError,
    ServerError: StatusError,
    DecodeError: AsyncAPIError,
    SchemaError: DecodeError,
    AuthError: AsyncAPIError,
    RejectedError: AsyncAPIError,
    CircuitOpen: RejectedError,
    DeadlineExceeded: RejectedError,
    QueueFull: RejectedError,
    BudgetSpent: RejectedError,
    ConfigError: AsyncAPIError,
}


@pytest.mark.parametrize("kind", TREE)
def test_the_tree_is_as_drawn(kind):
    assert issubclass(kind, TREE[kind])
    assert getattr(asyncapi, kind.__name__) is kind


def test_time_outs_and_wrong_use_are_builtin_errors_too():
    assert issubclass(RequestTimeout, TimeoutError)
    assert issubclass(DeadlineExceeded, TimeoutError)
    assert issubclass(ConfigError, ValueError)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest), (401, Unauthorized), (402, PaymentRequired), (403, Forbidden), (404, NotFound),
        (409, Conflict), (410, Gone), (422, UnprocessableEntity), (429, RateLimited), (418, ClientError),
        (499, ClientError), (500, ServerError), (503, ServerError), (599, ServerError), (999, ServerError),
    ],
)  # fmt: skip
def test_each_status_has_its_class(status, kind):
    assert type(status_error(reply(status))) is kind


def test_a_status_error_reads_as_one_line_with_the_server_s_words():
    error = status_error(reply(422, json={"error": "no such\nuser"}), request=Request("GET", "https://h/u?key=s"))
    assert str(error).startswith("GET https://h/u?key=***: 422 Unprocessable")
    assert str(error).endswith('{"error":"no such\\nuser"}')
    assert str(status_error(reply(404, content=b"\x00\xff" * 99))) == "404 Not Found"
    assert len(str(status_error(reply(500, content=b"x" * 10_000)))) < 200
    assert "\n" not in str(status_error(reply(500, content=b"a\nb")))


@pytest.mark.parametrize("name", ["X-Request-Id", "request-id", "x-amzn-RequestId", "X-Correlation-ID", "CF-Ray"])
def test_the_server_s_own_name_for_a_request_is_kept(name):
    assert status_error(reply(500, headers={name: "abc"})).request_id == "abc"
    assert status_error(reply(500)).request_id is None


# Pickling: across processes, queues and clusters


def made() -> list[AsyncAPIError]:
    request = Request(
        "GET", "https://h/?key=canary", headers={"Authorization": "canary"}, retry=Retry(wait=lambda _: 1)
    )
    error = SchemaError("no", body=b"{}", request=request)
    error.__cause__ = KeyError()
    return [
        *(
            kind("said", request=request)
            for kind in TREE
            if not issubclass(kind, StatusError | DecodeError | RequestTimeout)
        ),
        RequestTimeout("late", phase="body", request=request),
        DecodeError("what", body=b"x"),
        error,
        *(status_error(reply(status, json=1), request=request, retry_after=2.5) for status in (400, 404, 429, 503)),
    ]


@pytest.mark.parametrize("error", made(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("through", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_every_error_survives_a_round_trip(error, through):
    twin = through(error)
    assert type(twin) is type(error)
    assert (str(twin), twin.message, twin.phase) == (str(error), error.message, error.phase)
    for name in ("status", "body", "retry_after", "request_id", "final", "stale"):
        assert getattr(twin, name, None) == getattr(error, name, None)
    if isinstance(error, StatusError):
        assert (twin.response.status, twin.response.content) == (error.status, error.body)
        assert twin.response.headers["content-type"] == "application/json"
        assert twin.response.json() == 1
    assert "canary" not in f"{vars(twin)}"
    assert b"canary" not in pickle.dumps(error)


def test_an_error_of_a_real_call_survives_with_its_records():
    """With strategies that are lambdas, and a body that no pickle can hold."""
    clock = FakeClock()

    async def scenario():
        retry = Retry(3, wait=lambda _: 1.0)
        transport = MockTransport(lambda _: reply(503, headers={"Retry-After": "1", "Set-Cookie": "sid=canary"}))
        async with Client("https://h", transport=transport, clock=clock, retry=retry) as api:
            with pytest.raises(ServerError) as caught:
                await api.put("/?token=canary", content=[b"x"], headers={"X-Api-Key": "canary"})
        return caught.value

    error = run(scenario())
    blob = pickle.dumps(error)
    twin = pickle.loads(blob)
    assert b"canary" not in blob
    assert str(twin) == str(error)
    assert str(twin).endswith("(after 3 attempts)")
    assert repr(twin.attempts) == repr(error.attempts)
    assert [attempt.url for attempt in twin.attempts] == ["https://h/?token=***"] * 3
    assert twin.retry_after == 1
    assert twin.response.headers["Set-Cookie"] == "***"
    assert error.response.headers["Set-Cookie"] == "sid=canary"  # the error itself is not changed
    assert error.attempts[0].target.query["token"] == "canary"
