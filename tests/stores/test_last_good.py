"""The last good responses: in bounded memory, without a credential, and never what must not be stored."""

from __future__ import annotations

from asyncapi.stores.answers import Answers
from asyncapi.stores.last_good import LastGood
from asyncapi.testing import reply
from asyncapi.types import Request


def test_what_belongs_to_one_connection_or_must_not_be_kept_is_not():
    answers = Answers(100_000)
    kept = LastGood(answers)
    request = Request("GET", "https://h/")
    headers = {"Connection": "X-Hop", "X-Hop": "1", "Transfer-Encoding": "chunked", "X": "y"}
    kept.put(request, reply(200, content=b"x", headers=headers), 0.0)
    _, answer = kept.get(request, 0.0)
    assert (dict(answer.headers), str(answer.url)) == ({"X": "y"}, "")
    kept.put(request, reply(200, headers={"Cache-Control": 'x="no-store"'}), 1.0)
    assert kept.get(request, 1.0)  # the word stands in another's argument
    kept.put(request, reply(200, headers={"Cache-Control": "No-Store"}), 2.0)
    assert kept.get(request, 0.0) is None
    private = Request("GET", "https://h/", headers={"Cache-Control": "no-store"})
    kept.put(private, reply(200), 0.0)
    assert (kept.get(private, 0.0), len(answers)) == (None, 0)


def test_no_credential_is_kept_beside_a_stale_answer():
    answers = Answers(100_000)
    kept = LastGood(answers)
    requests = [Request("GET", "https://h/", headers={"Authorization": who}) for who in ("Bearer lynn", "Bearer hugo")]
    kept.put(requests[0], reply(200, content=b"x"), 0.0)
    assert kept.get(requests[0], 0.0)
    assert kept.get(requests[1], 0.0) is None
    assert "lynn" not in repr(answers._entries)


def test_stale_answers_are_kept_within_a_bound_of_bytes_and_the_unused_go_first():
    answers = Answers(100_000)
    kept, answer = LastGood(answers), reply(200, content=b"x" * 11_000)
    requests = [Request("GET", f"https://h/{number}") for number in range(9)]
    for request in requests[:8]:
        kept.put(request, answer, 0.0)
    assert kept.get(requests[0], 0.0)
    kept.put(requests[8], answer, 0.0)
    kept.put(requests[8], answer, 0.0)
    assert [kept.get(request, 0.0) is not None for request in requests] == [True, False, *[True] * 7]
    assert 80_000 < answers.size <= 100_000
    before = answers.size
    kept.put(requests[0], reply(200, content=b"x" * 20_000), 0.0)
    assert kept.get(requests[0], 0.0) is None
    assert answers.size < before
