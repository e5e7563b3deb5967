"""Each holder of a chunk writes files of its own, which begin with what the last one wrote."""

import json

import pytest

from asyncapi.bulk.fleet.epochs import EpochFiles
from asyncapi.bulk.journal import FAILED, OK, Journal
from asyncapi.bulk.sinks import sink_for
from asyncapi.bulk.store import open_store
from asyncapi.errors import ConfigError

ID = "a" * 32


@pytest.fixture
def files(tmp_path):
    (tmp_path / "job.json").write_text(json.dumps({"job": ID}))
    return EpochFiles(tmp_path, 42, ".jsonl", ID)


def row(index):
    return {"id": index, "url": f"https://h/{index}", "status": 200, "ok": True, "data": None}


def opened(files, epoch):
    return open_store(sink_for(files.output(epoch)), {"input": "x"}, resume=True, job_id=ID)


def written(files, epoch, *indices, started=()):
    store = opened(files, epoch)
    for index in indices:
        store.add(index, OK, row(index))
    store.flush()
    for index in started:
        store.start(index)
    return store


def shard(files, epoch):
    return [json.loads(line)["id"] for line in files.shard(epoch).read_text().splitlines()]


def test_an_epoch_is_begun_once(files, tmp_path):
    assert files.highest() == 0
    assert files.begin(1)
    assert not EpochFiles(tmp_path, 42, ".jsonl", ID).begin(1)
    assert files.highest() == 1


def test_a_holder_of_a_lower_epoch_that_has_not_begun_never_will(files):
    assert files.begin(3)
    assert files.highest() == 3
    assert not files.begin(1)
    assert not files.begin(2)


def test_the_next_holder_goes_on_where_the_last_one_stopped(files):
    files.begin(1)
    written(files, 1, 0, 1, started=[2, 3]).release(3)
    files.begin(2)
    store = opened(files, 2)
    assert (0 in store.past.done, 1 in store.past.done, len(store.past.done)) == (True, True, 2)
    assert (store.past.started, store.past.job) == ({2}, ID)
    assert shard(files, 2) == [0, 1]


def test_what_a_zombie_writes_later_is_read_by_nobody(files):
    files.begin(1)
    zombie = written(files, 1, 0)
    files.begin(2)
    zombie.add(1, OK, row(1))
    zombie.flush()
    store = written(files, 2, 5)
    assert shard(files, 2) == [0, 5]
    assert len(store.past.done) == 1
    store.close()
    zombie.close()


def test_rows_without_a_line_and_lines_without_a_row_do_not_count(files):
    files.begin(1)
    written(files, 1, 0, 1).close()
    with files.journal(1).open("a") as journal:
        journal.write("+ 2 100000 1\n> 3\n+ 4 5")  # beyond the shard; in flight; torn
    with files.shard(1).open("a") as rows:
        rows.write('{"id": 9')
    files.begin(2)
    store = opened(files, 2)
    assert (len(store.past.done), store.past.started) == (2, {3})
    assert shard(files, 2) == [0, 1]


def test_an_epoch_whose_copy_was_cut_off_does_not_count(files):
    files.begin(1)
    written(files, 1, 0, 1).close()
    files.shard(2).write_text(files.shard(1).read_text()[:10])  # killed while it copied
    files.begin(3)
    assert shard(files, 3) == [0, 1]


def test_an_epoch_that_was_killed_before_its_journal_began_does_not_count(files):
    files.begin(1)
    files.journal(1).write_text('{"asyncapi_journal": 1, "jo')
    files.begin(2)
    assert not files.journal(2).exists()
    assert len(opened(files, 2).past.done) == 0


def test_a_chunk_that_was_complete_but_not_done_is_not_sent_again(files):
    files.begin(1)
    store = written(files, 1, 0, 1)
    store.add(2, FAILED, row(2))
    store.complete(keep_journal=True)
    store.close()
    files.begin(2)
    assert (len(opened(files, 2).past.done), shard(files, 2)) == (3, [0, 1, 2])


def test_a_damaged_journal_is_told_and_nothing_is_sent(files):
    files.begin(1)
    written(files, 1, 0).close()
    with files.journal(1).open("a") as journal:
        journal.write("+ nonsense\n> 3\n")
    files.begin(2)
    with pytest.raises(ConfigError, match="is damaged"):
        opened(files, 2)


@pytest.mark.parametrize("content", [None, "{", '{"job": "another"}'])
def test_in_the_folder_of_another_job_a_worker_does_nothing(files, tmp_path, content):
    job = tmp_path / "job.json"
    job.unlink() if content is None else job.write_text(content)
    with pytest.raises(ConfigError, match=r"the folder of the job is gone|belongs to another job now"):
        files.begin(1)
    assert files.highest() == 0


def test_journals_are_those_of_any_job(files):
    files.begin(1)
    written(files, 1, 0, started=[1]).close()
    files.begin(2)
    journal, past = Journal.recover(files.journal(2), files.shard(2).stat().st_size)
    journal.close()
    assert (len(past.done), past.started) == (1, {1})
