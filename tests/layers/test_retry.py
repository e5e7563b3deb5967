"""The retry table: method x failure x idempotency key x Retry-After form x the server's own verdict.

The expected column is written here by hand, rule by rule from the documentation, and does not ask the code.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from itertools import product
from time import asctime, gmtime, strftime

import pytest

from asyncapi import (
    AsyncAPIError,
    BudgetSpent,
    Client,
    ConnectError,
    OutcomeUnknown,
    ProtocolError,
    RateLimited,
    Request,
    RequestTimeout,
    Retry,
    ServerError,
    StatusError,
    Timeout,
    TLSError,
)
from asyncapi.settings import Budget
from asyncapi.testing import FakeClock, MockTransport, reply, run

DEADLINE = 50.0
BACKOFF = (0.25, 0.5, 1.0)  # full jitter of base 0.5 with every draw 0.5
UPPER_HALF = (0.375, 0.75, 1.5)  # of the same


class HalfClock(FakeClock):
    """Every draw of chance is 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.random = lambda: 0.5


class Host:
    """A host that always answers with `answer(request)`, and the moments at which attempts came."""

    def __init__(self, answer, **settings) -> None:
        self.clock = HalfClock()
        self.times: list[float] = []
        self.requests: list[Request] = []
        self._answer = answer
        settings.setdefault("timeout", DEADLINE)
        settings.setdefault("pace", False)  # the retry layer alone; pacing has its own tests
        self.client = Client(
            "https://h", transport=MockTransport(self._handle, clock=self.clock), clock=self.clock, **settings
        )

    def _handle(self, request):
        self.times.append(self.clock.now())
        self.requests.append(request)
        answer = self._answer(request) if callable(self._answer) else next(self._answer)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def waits(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]

    async def fails(self, method: str = "GET", **settings) -> AsyncAPIError:
        with pytest.raises(AsyncAPIError) as caught:
            await self.client.request(method, "/", **settings)
        assert len(caught.value.attempts) == len(self.times)
        return caught.value


# -- the table of statuses ---------------------------------------------------------------------------------------

WORTH_IT = {
    400: False, 402: False, 403: False, 404: False, 408: True, 409: False, 425: True, 429: True,
    500: True, 501: False, 502: True, 503: True, 504: True,
}  # fmt: skip
PROVES_NOTHING_WAS_DONE = {403, 429}
BEHIND_A_PROXY = {520: True, 521: True, 522: True, 523: True, 524: True, 525: False, 526: False, 529: True, 530: False}
NEVER_REACHED_IT = {521, 523, 529}
ALWAYS_SAFE = {"GET": True, "HEAD": True, "OPTIONS": True, "TRACE": True, "PUT": True, "DELETE": True,
               "POST": False, "PATCH": False}  # fmt: skip

# form of Retry-After: (what the headers say at a date, the waits until attempts 2, 3 and 4)
FORMS = {
    "none": (lambda wall: {}, BACKOFF),
    "seconds": (lambda wall: {"Retry-After": "7"}, (7, 7, 7)),
    "IMF date": (lambda wall: {"Retry-After": formatdate(wall + 7, usegmt=True)}, (7, 7, 7)),
    "RFC 850 date": (
        lambda wall: {"Retry-After": strftime("%A, %d-%b-%y %H:%M:%S GMT", gmtime(wall + 7))}, (7, 7, 7),
    ),
    "asctime date": (lambda wall: {"Retry-After": asctime(gmtime(wall + 7))}, (7, 7, 7)),
    "past date": (lambda wall: {"Retry-After": formatdate(wall - 99, usegmt=True)}, UPPER_HALF),
    "at once": (lambda wall: {"Retry-After": "0"}, UPPER_HALF),
    "milliseconds": (lambda wall: {"retry-after-ms": "125", "Retry-After": "9"}, (0.125, 0.125, 0.125)),
    "garbage": (lambda wall: {"Retry-After": "in a while"}, BACKOFF),
    "negative": (lambda wall: {"Retry-After": "-3"}, BACKOFF),
    "over max_retry_after": (lambda wall: {"Retry-After": "61"}, ()),
    "past the deadline": (lambda wall: {"Retry-After": "51"}, ()),
    "past the deadline later": (lambda wall: {"Retry-After": "20"}, (20, 20)),
}  # fmt: skip
SAYS_NOTHING = {"none", "garbage", "negative"}
VERDICTS = {None: {}, True: {"x-should-retry": "true"}, False: {"x-should-retry": "false"}}


def expected_waits(method: str, status: int, form: str, *, keyed: bool, verdict: bool | None) -> tuple[float, ...]:
    limited = status == 403 and form not in SAYS_NOTHING
    worth_it = WORTH_IT[status] or (status == 409 and keyed) or limited
    if verdict is not None:
        worth_it = verdict and status != 402
    safe = ALWAYS_SAFE[method] or keyed or (status in PROVES_NOTHING_WAS_DONE and (status != 403 or limited))
    return FORMS[form][1] if worth_it and safe else ()


@pytest.mark.parametrize(("method", "keyed"), list(product(("GET", "PUT", "POST", "PATCH"), (False, True))))
@pytest.mark.parametrize("status", WORTH_IT)
def test_a_status(status, method, keyed):
    """With every form of Retry-After and every verdict of the server's: one case, because there are thousands."""

    async def scenario(form, verdict):
        def answer(_):
            return reply(status, headers=FORMS[form][0](host.clock.wall()) | VERDICTS[verdict])

        host = Host(answer)
        error = await host.fails(method, idempotency_key="k" if keyed else None)
        assert type(error) is type_of(status)
        expected = expected_waits(method, status, form, keyed=keyed, verdict=verdict)
        assert host.waits == pytest.approx(expected, abs=1e-6), (form, verdict)
        assert [attempt.status for attempt in error.attempts] == [status] * len(host.times), (form, verdict)

    for form, verdict in product(FORMS, VERDICTS):
        run(scenario(form, verdict))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", BEHIND_A_PROXY)
def test_a_proxys_error_about_the_host_behind_it_is_retried(status, method):
    """A POST is retried only where the proxy's error says that the host saw nothing of it."""

    async def scenario():
        host = Host(lambda _: reply(status))
        await host.fails(method)
        again = BEHIND_A_PROXY[status] and (method == "GET" or status in NEVER_REACHED_IT)
        assert host.waits == pytest.approx(BACKOFF if again else ())

    run(scenario())


def type_of(status: int) -> type[StatusError]:
    import asyncapi.errors as e

    named = {400: e.BadRequest, 402: e.PaymentRequired, 403: e.Forbidden, 404: e.NotFound, 409: e.Conflict,
             429: e.RateLimited}  # fmt: skip
    return named.get(status, e.ServerError if status >= 500 else e.ClientError)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "DELETE"])
@pytest.mark.parametrize("status", WORTH_IT)
def test_the_other_idempotent_methods_are_as_get(method, status):
    async def scenario():
        host = Host(lambda _: reply(status))
        await host.fails(method)
        assert host.waits == pytest.approx(BACKOFF if WORTH_IT[status] else ())

    run(scenario())


# -- the table of failures without an answer ---------------------------------------------------------------------


def stale(request):
    error = ProtocolError("closed", request=request)
    error.stale = True
    return error


def unprocessed(request):
    error = ProtocolError("refused", request=request)
    error.unprocessed = True
    return error


def endless(request):
    error = ProtocolError("over max_body", request=request)
    error.final = True
    return error


def timeout(phase):
    return lambda request: RequestTimeout("late", phase=phase, request=request)


# failure: (made how, waits where the request is safe to resend, waits where it is not)
FAILURES = {
    "connect": (lambda r: ConnectError("refused", request=r), BACKOFF, BACKOFF),
    "tls": (lambda r: TLSError("expired", request=r), (), ()),
    "stale": (stale, (0, *BACKOFF), ()),  # one replay outside the count
    "unprocessed": (unprocessed, (0, 0, 0, *BACKOFF), (0, 0, 0, *BACKOFF)),  # three replays outside the count
    "protocol": (lambda r: ProtocolError("cut", request=r), BACKOFF, ()),
    "max_body": (endless, (), ()),
    "timeout in queue": (timeout("queue"), BACKOFF, BACKOFF),
    "timeout in connect": (timeout("connect"), BACKOFF, BACKOFF),
    "timeout in send": (timeout("send"), BACKOFF, ()),
    "timeout in headers": (timeout("headers"), BACKOFF, ()),
    "timeout in body": (timeout("body"), BACKOFF, ()),
}


NEVER_SENT = {"connect", "tls", "unprocessed", "timeout in queue", "timeout in connect"}


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("method", ALWAYS_SAFE)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_without_an_answer(failure, method, keyed):
    make, when_safe, when_not = FAILURES[failure]

    async def scenario():
        host = Host(make)
        error = await host.fails(method, idempotency_key=keyed or None)
        unsure = keyed and method not in {"GET", "HEAD", "OPTIONS", "TRACE"} and failure not in NEVER_SENT
        assert type(error.__cause__ if unsure else error) is type(make(None))
        assert isinstance(error, OutcomeUnknown) == unsure
        expected = when_safe if ALWAYS_SAFE[method] or keyed else when_not
        assert host.waits == pytest.approx(expected)

    run(scenario())


def test_every_attempt_of_a_call_carries_the_same_key():
    async def scenario():
        host = Host(lambda _: reply(503))
        await host.fails("POST", json={"amount": 1}, idempotency_key=True)
        keys = {request.headers["Idempotency-Key"] for request in host.requests}
        assert len(host.requests) == 4
        assert len(keys) == 1

    run(scenario())


def test_a_stream_that_cannot_be_rewound_is_never_resent():
    async def scenario():
        host = Host(lambda _: reply(503))
        error = await host.fails("PUT", content=iter([b"x"]))
        assert len(host.times) == 1
        assert "its streamed body can't be sent again" in error.attempts[-1].then

    run(scenario())


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("failure", [lambda r: reply(429), lambda r: ConnectError("refused"), lambda r: reply(503)])
def test_a_post_is_not_sent_again_for_a_failure_behind_its_redirect(status, failure):
    async def scenario():
        def answer(request):
            return reply(status, headers={"Location": "/done"}) if request.method == "POST" else failure(request)

        host = Host(answer)
        await host.fails("POST", json={"amount": 1})
        assert [request.method for request in host.requests] == ["POST", "GET"]

    run(scenario())


def test_a_post_whose_redirect_keeps_the_method_is_resent_where_that_is_safe():
    async def scenario():
        def answer(request):
            return reply(307, headers={"Location": "/there"}) if request.url.path == "/" else reply(429)

        host = Host(answer, retry=2)
        await host.fails("POST", json={"amount": 1})
        assert [request.url.path for request in host.requests] == ["/", "/there"] * 2

    run(scenario())


# -- what ends the attempts ---------------------------------------------------------------------------------------


def test_the_first_good_answer_ends_it():
    async def scenario():
        host = Host(iter([reply(503), ConnectError("refused"), reply(200), reply(500)]))
        response = await host.client.get("/")
        assert response.status == 200
        assert [attempt.why.partition(":")[0] for attempt in response.attempts] == ["first", "retry", "retry"]
        assert [attempt.then for attempt in response.attempts] == [
            "retried after 0.25 s (backoff)", "retried after 0.5 s (backoff)", "",
        ]  # fmt: skip
        assert response.attempts[1].why == "retry: 503, backoff 0.25 s"
        assert response.attempts[2].why == "retry: ConnectError, backoff 0.5 s"
        assert response.elapsed == pytest.approx(0.75)

    run(scenario())


@pytest.mark.parametrize(
    ("client_retry", "call", "expected"),
    [
        (Retry(), {}, 4),
        (2, {}, 2),
        (None, {}, 1),
        (Retry(), {"retry": None}, 1),
        (Retry(), {"retry": 1}, 1),
        (Retry(), {"retry": 6}, 6),
        (None, {"retry": 3}, 3),
        (None, {"retry": Retry(2, base=0)}, 2),
        (2, {"retry": Retry(5, statuses={503})}, 5),
        (Retry(), {"retry": Retry(5, statuses=frozenset())}, 1),
    ],
)
def test_a_call_may_have_retries_of_its_own(client_retry, call, expected):
    async def scenario():
        host = Host(lambda _: reply(503), retry=client_retry)
        await host.fails(**call)
        assert len(host.times) == expected

    run(scenario())


def test_a_wait_that_would_pass_the_deadline_raises_at_once():
    async def scenario():
        host = Host(lambda _: reply(429, headers={"Retry-After": "10"}), timeout=10.0)
        error = await host.fails()
        assert host.clock.now() == 0.0
        assert isinstance(error, RateLimited)
        assert (error.retry_after, error.phase) == (10.0, "backoff")
        assert error.attempts[-1].then == "gave up: a wait of 10 s would pass the deadline"

    run(scenario())


def test_a_wait_over_max_retry_after_raises_at_once_with_the_wait():
    async def scenario():
        host = Host(lambda _: reply(503, headers={"Retry-After": "3600"}), timeout=None)
        error = await host.fails()
        assert host.clock.now() == 0.0
        assert error.retry_after == 3600
        assert "longer than max_retry_after=60" in error.attempts[-1].then

    run(scenario())


def test_max_retry_after_bounds_what_servers_ask_for_and_not_our_own_waits():
    """Beside a tenacity wait strategy."""

    async def scenario():
        host = Host(lambda _: reply(503, headers={"Retry-After": "3600"}), timeout=None, retry=Retry(wait=lambda _: 1))
        await host.fails()
        assert host.waits == []
        patient = Host(lambda _: reply(503), timeout=None, retry=Retry(3, base=1000, cap=2000))
        await patient.fails()
        assert patient.waits == [500, 1000]

    run(scenario())


@pytest.mark.parametrize("answer", [lambda r: reply(503), lambda r: ConnectError("refused", request=r)])
def test_a_spent_budget_is_the_cause_of_the_failure(answer):
    async def scenario():
        host = Host(answer, retry=Retry(budget=Budget(ratio=0, floor=1)))
        first = await host.fails()
        assert len(host.times) == 2
        assert isinstance(first.__cause__, BudgetSpent)
        assert first.attempts[-1].then == "gave up: the retry budget of h is spent"
        host.times.clear()
        second = await host.fails()
        assert len(host.times) == 1
        assert isinstance(second.__cause__, BudgetSpent)

    run(scenario())


def test_a_failure_says_in_a_word_that_the_budget_held_its_retry_back():
    async def scenario():
        host = Host(lambda _: reply(503), retry=Retry(8, budget=Budget(ratio=0, floor=1)))
        error = await host.fails()
        assert error.held_by == "budget"
        assert str(error).endswith("(after 2 attempts) (held back by: budget)")
        response = await host.client.get("/", raise_for_status=False)
        assert response.attempts[-1].then == "gave up: the retry budget of h is spent"
        assert host.client.stats.held_back == {"budget": 2}
        assert len((await host.client.get("/", raise_for_status=False, retry=Retry(8, budget=None))).attempts) == 8

    run(scenario())


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"timeout": 0.5}, "deadline"),
        ({"retry": Retry(max_retry_after=5)}, "max_retry_after"),
        ({"retry": Retry(2)}, None),  # as many attempts as were asked for
        ({"retry": None}, None),
    ],
)
def test_what_ends_retries_early_is_named(settings, word):
    async def scenario():
        host = Host(lambda _: reply(503, headers={"Retry-After": "10"}), **{"timeout": None, **settings})
        error = await host.fails()
        assert error.held_by == word
        assert ("held back by" in str(error)) is (word is not None)
        assert host.client.stats.held_back == ({} if word is None else {word: 1})

    run(scenario())


def test_a_used_up_quota_is_waited_for_until_it_is_whole_again():
    async def scenario():
        def answer(_):
            if len(host.times) > 1:
                return reply(200)
            told = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(host.clock.wall()) + 7)}
            return reply(403, headers=told)

        host = Host(answer)
        assert (await host.client.post("/")).status == 200
        assert host.waits == pytest.approx([7], abs=1)

    run(scenario())


@pytest.mark.parametrize("pace", [True, False])
@pytest.mark.parametrize("status", [403, 429])
def test_retries_that_come_when_a_limit_told_them_to_cost_no_budget(pace, status):
    """Single calls, one after the other, each refused once: none may be lost to the budget."""

    async def scenario():
        def answer(_):
            return reply(status, headers={"Retry-After": "1"}) if len(host.times) % 2 else reply(200)

        host = Host(answer, retry=Retry(budget=Budget(ratio=0, floor=0)), pace=pace)
        for _ in range(40):
            assert (await host.client.get("/")).status == 200

    run(scenario())


def test_a_limit_that_says_at_once_is_no_storm_where_nothing_else_holds_it():
    async def scenario():
        host = Host(lambda _: reply(429, headers={"Retry-After": "0"}), retry=Retry(budget=Budget(ratio=0, floor=1)))
        for _ in range(10):
            with pytest.raises(RateLimited):
                await host.client.get("/")
        assert len(host.times) == 11
        assert host.client.stats.held_back == {"budget": 10}

    run(scenario())


def test_timeouts_are_not_retried_where_nearly_everything_times_out():
    """A retry of a time-out would be work on top of what the host is busy with: it waits, looks, and gives up."""

    async def scenario():
        hangs, times = True, 0

        async def answer(_):
            nonlocal times
            times += 1
            if hangs:
                await asyncio.sleep(100)
            return reply(200)

        clock = FakeClock()
        settings = {"timeout": Timeout(30, attempt=1.0), "concurrency": None, "clock": clock}
        async with Client("https://h", transport=MockTransport(answer, clock=clock), **settings) as api:
            calls = []
            for _ in range(400):
                calls.append(asyncio.create_task(api.get("/")))
                await asyncio.sleep(0.01)
            errors = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(error, RequestTimeout) for error in errors)
            assert times < 400 + 40  # those of the first second: nothing was known then
            late = errors[300]
            assert late.held_by == "budget"
            assert "its retry budget is closed" in late.attempts[-1].then
            assert isinstance(late.__cause__, BudgetSpent)
            hangs = False
            await asyncio.gather(*(api.get("/") for _ in range(200)))
            hangs = True
            again = asyncio.create_task(api.get("/"))
            await asyncio.sleep(1.0)
            hangs = False
            assert len((await again).attempts) == 2  # retries are back

    run(scenario())


def test_a_quiet_clients_time_outs_are_retried():
    async def scenario():
        async def answer(_):
            host.moments.append(host.clock.now())
            await asyncio.sleep(100)

        host = Host(answer)
        host.moments = []
        with pytest.raises(RequestTimeout):
            await host.client.get("/", timeout=Timeout(30, attempt=1.0))
        assert len(host.times) == 4

    run(scenario())


def test_one_hosts_spent_budget_is_not_anothers():
    async def scenario():
        host = Host(lambda _: reply(503), retry=Retry(2, budget=Budget(ratio=0, floor=1)))
        for name, attempts in (("a", 2), ("a", 1), ("b", 2), ("b:8443", 2)):
            host.times.clear()
            with pytest.raises(ServerError):
                await host.client.get(f"https://{name}/")
            assert len(host.times) == attempts

    run(scenario())


def test_a_failed_attempts_own_cause_is_kept():
    async def scenario():
        reason = OSError("broken")

        def answer(request):
            error = ConnectError("refused", request=request)
            error.__cause__ = reason
            return error

        assert (await Host(answer).fails()).__cause__ is reason

    run(scenario())


def test_our_own_refusal_before_the_first_attempt_is_retried():
    """A transport-shaped error with no attempt behind it (a wait in a queue that failed) breaks nothing."""
    from asyncapi.layers.retry import retry
    from asyncapi.messages.call import Call, CallSettings
    from asyncapi.sansio.failures.retry_budget import RetryBudget
    from asyncapi.sansio.limits.keyed import Keyed

    async def scenario():
        clock, calls = HalfClock(), []

        async def inner(request):
            calls.append(clock.now())
            raise RequestTimeout("no place", phase="queue", request=request)

        request = Request("POST", "https://h/")
        request.call = Call(0.0, "h", CallSettings(retry=Retry(3)))
        send = retry(Keyed(lambda: RetryBudget(0.2, 10)), clock)(inner)
        with pytest.raises(RequestTimeout):
            await send(request)
        assert len(calls) == 3

    run(scenario())


def test_a_cancelled_backoff_is_just_cancelled():
    async def scenario():
        host = Host(lambda _: reply(503, headers={"Retry-After": "20"}), timeout=None)
        call = asyncio.create_task(host.client.get("/"))
        await asyncio.sleep(5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(host.times) == 1

    run(scenario())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), ValueError("a bug"), KeyError("x")])
def test_what_is_no_transport_failure_is_never_retried_or_wrapped(error):
    async def scenario():
        times = []

        async def answer(_):
            times.append(1)
            raise error

        client = Client("https://h", transport=MockTransport(answer))
        with pytest.raises(type(error)) as caught:
            await client.get("/")
        assert caught.value is error
        assert len(times) == 1

    run(scenario())


def test_attempt_timeouts_are_retried_until_the_deadline_ends_it():
    async def scenario():
        clock = HalfClock()
        times = []

        async def answer(_):
            times.append(clock.now())
            await asyncio.sleep(1000)

        client = Client(
            "https://h", transport=MockTransport(answer, clock=clock), clock=clock, timeout=Timeout(7, attempt=3)
        )
        with pytest.raises(RequestTimeout) as caught:
            await client.get("/")
        assert times == [0.0, 3.25, 6.75]
        assert clock.now() == 7.0
        assert caught.value.phase == "headers"
        assert [a.error.partition(":")[0] for a in caught.value.attempts] == ["RequestTimeout"] * 3

    run(scenario())


@pytest.mark.parametrize(("method", "attempts"), [("GET", 2), ("POST", 1)])
def test_a_stale_connection_is_replayed_even_where_there_are_no_retries(method, attempts):
    async def scenario():
        made = []

        def handler(request):
            made.append(request.method)
            if len(made) == 1:
                error = ProtocolError("closed", request=request)
                error.stale = True
                raise error
            return reply()

        async with Client("https://h", transport=MockTransport(handler), retry=None) as api:
            try:
                response = await api.request(method, "/x")
            except ProtocolError as error:
                return len(error.attempts), ""
            return len(response.attempts), response.attempts[1].why

    made, why = run(scenario())
    assert made == attempts
    assert why.startswith("replay" if attempts == 2 else "")


@pytest.mark.parametrize("retry", [None, 1, 4])
@pytest.mark.parametrize("refusals", [1, 3])
def test_a_post_that_was_not_begun_is_replayed_at_once_and_costs_no_budget(retry, refusals):
    async def scenario():
        left = [refusals]

        def answer(request):
            left[0] -= 1
            return unprocessed(request) if left[0] >= 0 else reply(201)

        host = Host(answer, retry=retry)
        response = await host.client.post("/orders", json={"amount": 1})
        assert (response.status, host.waits) == (201, [0.0] * refusals)
        assert {made.why for made in response.attempts[1:]} == {"replay: the server had not begun the request"}
        assert {made.then for made in response.attempts[:-1]} == {"replayed at once"}
        assert not any(made.unsure for made in response.attempts)
        stats = host.client.stats
        assert (stats.retries, stats.budget.get("h", 10) >= 10) == (0, True)

    run(scenario())


def test_without_retries_a_request_that_is_never_begun_is_sent_four_times():
    async def scenario():
        host = Host(unprocessed, retry=None)
        error = await host.fails("POST", json={"amount": 1})
        assert (type(error), error.unprocessed, host.waits) == (ProtocolError, True, [0.0] * 3)

    run(scenario())


@pytest.mark.parametrize("retry", [None, 4])
def test_a_stream_that_cannot_be_rewound_is_not_replayed_either(retry):
    async def scenario():
        host = Host(unprocessed, retry=retry)
        await host.fails("POST", content=iter([b"x"]))
        assert len(host.times) == 1

    run(scenario())


def test_a_post_is_not_replayed_because_of_what_is_behind_its_redirect():
    async def scenario():
        def answer(request):
            return reply(303, headers={"Location": "/done"}) if request.method == "POST" else unprocessed(request)

        host = Host(answer)
        await host.fails("POST", json={"amount": 1})
        assert [request.method for request in host.requests] == ["POST", "GET"]

    run(scenario())
