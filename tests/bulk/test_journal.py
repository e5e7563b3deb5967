"""The journal knows what was written and what was in flight, whatever point the process was killed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncapi.bulk.indices import Indices
from asyncapi.bulk.journal import Journal
from asyncapi.errors import ConfigError

WHAT = {"input": "d1", "url": None}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.jsonl.journal"


def begin(path, *lines):
    journal, past = Journal.create(path, WHAT)
    journal.append("".join(line + "\n" for line in lines))
    journal.close()
    return past


def heal(path, size):
    journal, past = Journal.recover(path, size)
    journal.close()
    return past


@given(st.sets(st.integers(0, 5000)))
def test_indices_hold_what_was_put_in_and_nothing_else(wanted):
    indices = Indices()
    for index in [*wanted, *wanted]:
        indices.add(index)
    assert {index for index in range(5010) if index in indices} == wanted
    assert len(indices) == len(wanted)


def test_a_resumed_job_keeps_its_id_and_what_it_was(path):
    first = begin(path)
    again = heal(path, 0)
    assert (again.job, again.what) == (first.job, WHAT)


def test_rows_count_only_as_far_as_the_output_reaches(path):
    begin(path, "+ 3 100", "- 1 180", "? 2 250", "+ 9 300")
    past = heal(path, 299)
    assert [index for index in range(20) if index in past.done] == [1, 2, 3]
    assert (past.end, past.failed, past.unknown) == (250, 1, 1)


def test_lines_that_no_longer_count_are_gone_for_good(path):
    """After a cut, the output grows anew: an old END must not become true again."""
    begin(path, "+ 3 100", "+ 4 200")
    heal(path, 150)
    past = heal(path, 1000)
    assert (past.end, 4 in past.done) == (100, False)


def test_a_started_request_without_a_row_was_in_flight(path):
    begin(path, "> 1", "> 2", "+ 1 50", "> 3", "+ 3 90")
    assert heal(path, 60).started == {2, 3}
    assert heal(path, 60).started == {2, 3}


@pytest.mark.parametrize("torn", ["+ 4 20", "+ 4", "+", "> 1"])
def test_a_torn_last_line_is_as_if_it_never_was(path, torn):
    begin(path, "+ 3 100")
    with path.open("a") as file:
        file.write(torn)
    past = heal(path, 100_000)
    assert (past.end, len(past.done), past.started) == (100, 1, set())


def test_a_torn_first_line_means_that_nothing_was_begun(path):
    path.write_text('{"asyncapi_journal": 1, "jo')
    assert Journal.recover(path, 0) is None


@pytest.mark.parametrize("text", ['{"a": 1}\n', "hello\n", "[]\n", '{"asyncapi_journal": 2, "job": "x", "what": {}}\n'])
def test_another_file_in_its_place_is_refused(path, text):
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"is not a journal of asyncapi.*--overwrite"):
        Journal.recover(path, 0)
    assert path.read_text() == text


def test_a_damaged_line_is_refused(path):
    begin(path, "+ 3 100", "+ x y", "+ 4 200")
    with pytest.raises(ConfigError, match="is damaged at"):
        Journal.recover(path, 1000)


def test_two_processes_cannot_write_one_journal(path):
    journal, _ = Journal.create(path, WHAT)
    for take in (lambda: Journal.create(path, WHAT), lambda: Journal.recover(path, 0)):
        with pytest.raises(ConfigError, match="another job is writing this output"):
            take()
    journal.close()
    healed, _ = Journal.recover(path, 0)
    with pytest.raises(ConfigError, match="another job is writing this output"):
        Journal.recover(path, 0)
    healed.remove()
    assert not path.exists()
