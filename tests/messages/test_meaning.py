"""Every layer goes by what a response means, and not by its status alone."""

from __future__ import annotations

import pickle

import pytest

from asyncapi import Bearer, Breaker, Cache, Client, Fallback, Hedge, Retry
from asyncapi.errors import CircuitOpen
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
