"""Every layer goes by what a response means, and not by its status alone."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from asyncapi import Adaptive, Alert, Bearer, Breaker, Cache, Client, Fallback, Hedge, KeyPool, Retry
from asyncapi.errors import CircuitOpen, OutcomeUnknown, ProtocolError
from asyncapi.layers.watch import ending, failed
from asyncapi.messages.meaning import Meaning
from asyncapi.messages.response import Response
from asyncapi.speakers.line import line_of
from asyncapi.testing import FakeClock, MockTransport, reply, run


class Spoken:
    """A protocol whose responses are all 200: a header says what each means."""

    def __init__(self, *meanings, **settings) -> None:
        self._meanings, self.sent, self.clock = list(meanings), [], FakeClock()
        self.settings = {"base_url": "https://api.test", "clock": self.clock, "pace": False, **settings}
        self.client = Client(transport=MockTransport(self._reply), **self.settings)

    def _reply(self, request):
        self.sent.append(self.clock.now())
        number = min(len(self.sent), len(self._meanings)) - 1
        return reply(200, headers={"Number": str(number)})

    def read(self, response):
        return self._meanings[int(response.headers["Number"])]

    def call(self, method="GET", count=1, **options):
        async def calls():
            async with self.client:
                line = line_of(self.client)
                responses = [await line.call(method, "/", reading=self.read, **options) for _ in range(count)]
                self.stats = self.client.stats
                return responses[-1]

        return run(calls())


GOOD = None
DOWN = Meaning(503, "RPCError: UNAVAILABLE: no backend")


def test_a_failure_in_the_body_of_a_200_is_retried():
    spoken = Spoken(DOWN, GOOD)
    response = spoken.call()
    assert (response.status, response.effective_status, len(spoken.sent)) == (200, 200, 2)
    first, second = response.attempts
    assert (first.status, first.error) == (200, "RPCError: UNAVAILABLE: no backend")
    assert second.why.startswith("retry: RPCError: UNAVAILABLE, backoff")


def test_the_last_failure_comes_back_with_its_meaning():
    spoken = Spoken(DOWN, retry=2)
    response = spoken.call()
    assert (response.meaning, response.effective_status, len(spoken.sent)) == (DOWN, 503, 2)
    assert spoken.stats.by_status == {503: 1}


def test_what_means_no_retry_is_not_retried_whatever_its_status():
    spoken = Spoken(Meaning(503, retry=False), GOOD)
    assert spoken.call().effective_status == 503
    assert len(spoken.sent) == 1


def test_what_means_a_retry_is_retried_whatever_its_status():
    spoken = Spoken(Meaning(409, retry=True), GOOD)
    assert spoken.call().effective_status == 200


def test_an_unsafe_request_is_sent_again_only_where_nothing_was_done():
    assert len_sent(DOWN, "POST") == 1
    assert len_sent(Meaning(503, unprocessed=True), "POST") == 2
    assert len_sent(Meaning(429), "POST") == 2
    assert len_sent(Meaning(429, unprocessed=False), "POST") == 1
    assert len_sent(Meaning(429, unprocessed=False), "POST", idempotent=True) == 2


def test_a_401_that_proves_nothing_sends_only_a_safe_request_again():
    partly = Meaning(401, unprocessed=False)
    for options, sent in [({}, 1), ({"idempotent": True}, 2), ({"idempotency_key": "k"}, 2)]:
        keys = iter(["old", "new", "newer"])
        spoken = Spoken(partly, GOOD, auth=Bearer(lambda keys=keys: next(keys)))
        spoken.call("POST", json={}, **options)
        assert len(spoken.sent) == sent


def test_the_callers_word_on_resending_holds():
    assert len_sent(DOWN, "POST", idempotent=True) == 2
    assert len_sent(DOWN, "GET", idempotent=False) == 1
    assert len_sent(DOWN, "PUT", idempotent=False, idempotency_key=True) == 1


def len_sent(meaning, method, **options):
    spoken = Spoken(meaning, GOOD)
    spoken.call(method, **options)
    return len(spoken.sent)


def test_the_wait_that_is_asked_for_is_kept():
    spoken = Spoken(Meaning(503, wait=7.0), GOOD)
    assert spoken.call(timeout=60).attempts[0].then == "retried after 7 s (Retry-After)"
    assert spoken.sent[1] - spoken.sent[0] == pytest.approx(7.0)


def test_a_429_pauses_the_host_for_every_call():
    spoken = Spoken(Meaning(429, wait=5.0), GOOD, pace=True)
    spoken.call(timeout=60)
    assert spoken.sent[1] - spoken.sent[0] == pytest.approx(5.0, abs=0.5)


def test_attempts_of_a_mesh_count_as_ours():
    spoken = Spoken(Meaning(503, attempts=3), retry=Retry(4))
    spoken.call()
    assert len(spoken.sent) == 2  # 3 + 3 are more than 4
    spoken = Spoken(Meaning(503, attempts=4), retry=Retry(4))
    spoken.call()
    assert len(spoken.sent) == 1


def test_the_breaker_counts_what_is_meant():
    spoken = Spoken(DOWN, breaker=Breaker(minimum=4), retry=None)
    with pytest.raises(CircuitOpen):
        spoken.call(count=20)
    assert Spoken(Meaning(503, failed=False), breaker=Breaker(minimum=4), retry=None).call(count=20)
    spoken = Spoken(Meaning(404, failed=True), breaker=Breaker(minimum=4), retry=None)
    with pytest.raises(CircuitOpen):
        spoken.call(count=20)


def test_a_401_gets_a_fresh_credential_once():
    keys = iter(["old", "new", "newer"])
    spoken = Spoken(Meaning(401, retry=False), GOOD, auth=Bearer(lambda: next(keys)))
    response = spoken.call("POST", json={})
    assert (response.effective_status, len(spoken.sent)) == (200, 2)
    assert response.attempts[1].why.startswith("auth: ")


def test_a_failure_is_not_stored_and_not_the_end_of_a_race():
    spoken = Spoken(DOWN, GOOD, cache=Cache(), retry=None, hedge=Hedge(after=1.0))
    spoken.call(count=2)
    assert len(spoken.sent) == 2


def test_a_fallback_is_taken():
    spoken = Spoken(DOWN, fallback=Fallback(value={"id": 0}), retry=None)
    assert spoken.call().json() == {"id": 0}


def test_a_meaning_does_not_travel():
    response = Response(200)
    response.mean(DOWN)
    assert response.as_meant().status == 503
    assert pickle.loads(pickle.dumps(response)).status == 200
    assert repr(DOWN) == "<Meaning 503 RPCError: UNAVAILABLE: no backend>"


def test_what_has_attempts_behind_it_proves_nothing_by_its_status():
    assert len_sent(Meaning(429, attempts=2), "POST") == 1
    assert len_sent(Meaning(429, attempts=2), "GET") == 2
    assert len_sent(Meaning(503, attempts=2, unprocessed=True), "POST") == 2


def test_a_response_may_limit_the_attempts_that_follow():
    spoken = Spoken(Meaning(429, more=1), DOWN, DOWN, GOOD, retry=Retry(9, budget=None))
    response = spoken.call()
    assert (len(spoken.sent), response.effective_status) == (2, 503)
    assert response.attempts[-1].then == "gave up: 2 attempts made: more would add to the overload"


def test_no_attempt_may_follow_what_wants_none():
    assert len_sent(Meaning(503, more=0), "GET") == 1


def test_records_name_the_attempts_of_a_proxy():
    response = Spoken(Meaning(503, attempts=3), retry=Retry(2)).call()
    assert response.attempts[-1].then == "gave up: 3 of 2 attempts made, 2 of them by a proxy"


def test_a_record_has_both_statuses():
    (record,) = Spoken(DOWN, retry=None).call().attempts
    assert (record.status, record.meant, record.effective_status) == (200, 503, 503)
    (record,) = Spoken(GOOD, retry=None).call().attempts
    assert (record.status, record.meant, record.effective_status) == (200, None, 200)


class Noting:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.attempts, self.calls = [], []

    def call_started(self, request):
        return None

    def attempt_started(self, token, request, headers):
        return None

    def attempt_ended(self, token, record):
        self.attempts.append((ending(record), failed(record)))

    def call_ended(self, token, record):
        self.calls.append((ending(record), failed(record), record.error))


def test_watchers_see_a_failure_where_the_status_is_200():
    noting = Noting()
    Spoken(DOWN, GOOD, watch=noting).call()
    Spoken(DOWN, retry=None, watch=noting).call()
    assert noting.attempts == [("RPCError", True), ("200", False), ("RPCError", True)]
    assert noting.calls == [
        ("200", False, None),
        ("RPCError", True, "RPCError: UNAVAILABLE: no backend"),
    ]


def test_an_alert_counts_the_status_that_is_meant():
    shares = []
    alert = Alert(when=lambda window: shares.append(window.share(429)), over=60, notify=print, at_least=1)
    Spoken(Meaning(429, "RPCError: RESOURCE_EXHAUSTED"), retry=None, watch=alert).call(count=3)
    assert shares[-1] == 1.0


def test_a_pool_of_keys_rests_the_key_that_is_meant_by_a_429():
    keys = [Bearer("a"), Bearer("b")]
    spoken = Spoken(Meaning(429, "RPCError: RESOURCE_EXHAUSTED"), GOOD, auth=KeyPool(keys), retry=None)
    response = spoken.call("POST", json={})
    assert (response.effective_status, len(spoken.sent)) == (200, 2)
    assert response.attempts[1].why == "auth: 429, another key"


def test_an_overloaded_proxy_is_no_fault_of_a_key():
    spoken = Spoken(
        Meaning(429, "503: overloaded", more=1, unprocessed=True), auth=KeyPool([Bearer("a"), Bearer("b")]), retry=None
    )
    assert spoken.call().effective_status == 429
    assert len(spoken.sent) == 1


def test_an_overloaded_proxy_asks_for_a_wait_whatever_the_key():
    pool = KeyPool([Bearer("a"), Bearer("b")])
    refused = Meaning(429, wait=5.0, more=0)
    spoken = Spoken(refused, refused, refused, GOOD, auth=pool, retry=None, pace=True)
    spoken.call(count=6, timeout=60)
    assert spoken.sent[-1] - spoken.sent[0] >= 4.5


def test_an_adaptive_limit_takes_what_is_meant_for_a_drop():
    spoken = Spoken(Meaning(429), concurrency=Adaptive(initial=20), retry=None)
    spoken.call(count=30)
    limited = spoken.stats
    spoken = Spoken(GOOD, concurrency=Adaptive(initial=20), retry=None)
    spoken.call(count=30)
    assert limited.limits != spoken.stats.limits


def test_a_hedge_waits_for_a_better_response_than_one_that_means_a_failure():
    spoken = Spoken(DOWN, hedge=Hedge(after=1.0), retry=Retry(2))
    assert spoken.call().effective_status == 503


def test_shared_flights_hand_on_what_their_response_means():
    spoken = Spoken(DOWN, retry=None, single_flight=True)

    async def calls():
        async with spoken.client:
            line = line_of(spoken.client)
            return await asyncio.gather(*[line.call("GET", "/", reading=spoken.read) for _ in range(3)])

    assert [response.effective_status for response in run(calls())] == [503, 503, 503]


def test_a_call_with_a_key_is_not_settled_by_a_200_that_means_a_failure():
    def handler(request):
        if handler.sent:
            return reply(200)
        handler.sent = True
        raise ProtocolError("broken off")

    handler.sent = False

    async def call():
        transport = MockTransport(handler)
        async with Client("https://api.test", clock=FakeClock(), transport=transport, retry=2) as api:
            await line_of(api).call("POST", "/", reading=lambda _: DOWN, idempotency_key="k1", json={})

    with pytest.raises(OutcomeUnknown):
        run(call())
