"""A host that says nothing costs nothing: what is known of it is made when it is needed."""

from asyncapi.sansio.limits.pacing import Pacer


def test_nothing_is_made_for_a_host_that_states_and_refuses_nothing():
    pacer = Pacer()
    for _ in range(100):
        number = pacer.begin()
        pacer.passed(1.0, number, 0.5)
        assert pacer.delay(1.0) == 0.0
    made = {"pause", "background", "estimate", "holding", "_quotas", "_sample"} & set(vars(pacer))
    assert made == set()


def test_a_pause_that_another_process_tells_of_is_kept_and_ends():
    pacer = Pacer()
    pacer.hear(10.0, 5.0, backlog=False, explained=False)
    assert pacer.active
    assert pacer.delay(12.0) == 3.0
    assert pacer.delay(12.0, backlog=False) == 3.0
    pacer.hear(12.0, 1.0, backlog=False, explained=False)  # a shorter one takes nothing away
    assert pacer.delay(12.0) == 3.0
    assert pacer.try_take(15.0)
    pacer.passed(15.2, pacer.begin(), 15.1)
    assert not pacer.pause.paused


def test_a_pause_of_another_process_is_told_by_that_one_alone():
    told = []
    pacer = Pacer()
    pacer.tell = lambda *what: told.append(what)
    pacer.hear(10.0, 5.0, backlog=True, explained=False)
    number = pacer.begin()
    pacer.observe(10.5, number=number, sent_at=10.2, status=429, retry_after=5.0)
    assert told == []


def test_what_was_heard_may_be_taken_back_what_was_seen_here_may_not():
    pacer = Pacer()
    pacer.hear(10.0, 5.0, backlog=False, explained=False)
    pacer.hear(11.0, 0.0, backlog=False, explained=False)
    assert pacer.delay(11.0, backlog=False) <= 0
    own = Pacer()
    for _ in range(8):
        number = own.begin()
        own.observe(10.0, number=number, sent_at=9.9, status=429, retry_after=5.0)
    own.hear(11.0, 0.0, backlog=False, explained=False)
    assert own.delay(11.0) > 3.0


def test_a_word_that_takes_back_a_pause_that_was_never_heard_of_changes_nothing():
    pacer = Pacer()
    pacer.hear(1.0, 0.0, backlog=False, explained=False)
    assert not pacer.active
