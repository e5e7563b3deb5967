"""What the user names is retried, and nothing else."""

from contextlib import suppress

import pytest

from asyncapi import Client, ConfigError, ConnectError, ProtocolError, RequestTimeout
from asyncapi.bulk import Job
from asyncapi.errors import TLSError
from asyncapi.testing import FakeClock, MockTransport, reply, run


def sent(retry_on, *answers, method="GET", **settings):
    """How many attempts a row takes that gets these responses and errors, the last one for ever."""
    seen = []

    def handler(request):
        seen.append(request)
        answer = answers[min(len(seen), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return reply(answer) if isinstance(answer, int) else answer

    async def main():
        job = Job("a", "b", retry_on=retry_on, retry=3, retry_budget="none")
        async with Client(
            retry=job.retries(), transport=MockTransport(handler), clock=FakeClock(), raise_for_status=False, **settings
        ) as api:
            with suppress(ConnectError, ProtocolError, RequestTimeout):
                await api.request(method, "https://h/")

    run(main())
    return len(seen)


@pytest.mark.parametrize(
    ("retry_on", "answer", "attempts"),
    [
        ((503,), 503, 3), ((503,), 500, 1), (("503",), 503, 3), ((404,), 404, 3), ((503,), 429, 1), ((429,), 429, 3),
        (("RateLimited",), 429, 3), (("ServerError",), 500, 3), (("ServerError",), 418, 1), (("NotFound",), 404, 3),
        (("StatusError",), 418, 3), ((503,), ConnectError("x"), 1), (("ConnectError",), ConnectError("x"), 3),
        (("ConnectError",), TLSError("x"), 1), (("TransportError",), ProtocolError("x"), 3),
        (("RequestTimeout",), ProtocolError("x"), 1), ((503, "ConnectError"), 503, 3), ((), 503, 1),
        ((429,), reply(403, headers={"Retry-After": "1"}), 3), ((503,), reply(403, headers={"Retry-After": "1"}), 1),
    ],
)  # fmt: skip
def test_it_is_retried_if_it_is_named(retry_on, answer, attempts):
    assert sent(retry_on, answer) == attempts


def test_a_post_without_a_key_is_not_sent_twice_whatever_is_named():
    assert sent((500, "ProtocolError"), 500, method="POST") == 1
    assert sent((500, "ProtocolError"), ProtocolError("x"), method="POST") == 1
    assert sent((429,), 429, method="POST") == 3, "a rate limit: nothing was done"


@pytest.mark.parametrize("wrong", ["Foo", "DecodeError", "QueueFull", 200, "5xx", "99", ""])
def test_what_cannot_be_retried_is_refused_with_what_can(wrong):
    with pytest.raises(ConfigError, match=r"--retry-on .* write a status such as 503, or one of .*ConnectError"):
        Job("a", "b", retry_on=(wrong,)).retries()


def test_statuses_of_a_named_class_are_known_to_what_holds_rows_back():
    assert 429 in Job("a", "b", retry_on=("RateLimited",)).retries().statuses
