"""The folder of a job's parts belongs to one job, and goes when the job is complete."""

import json

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.parts import absolute, begun, check_parts, open_parts, parts_of, publish
from asyncapi.errors import ConfigError


def job(folder, **settings):
    (folder / "in.txt").touch()
    return Job(folder / "in.txt", folder / "out.jsonl", **settings)


def published(folder, what=None, **settings):
    parts = open_parts(job(folder, **settings), what or {"input": "a"})
    publish(parts, what or {"input": "a"})
    return parts


def test_a_job_that_was_stopped_is_resumed_with_its_id(tmp_path):
    first = published(tmp_path)
    again = open_parts(job(tmp_path, resume=True), {"input": "a"})
    assert (again.job_id, again.fresh, first.fresh) == (first.job_id, False, True)


def test_a_stopped_job_is_neither_overwritten_nor_mixed_with_another(tmp_path):
    published(tmp_path)
    with pytest.raises(ConfigError, match="--resume continues it, --overwrite starts again"):
        check_parts(job(tmp_path))
    with pytest.raises(ConfigError, match="input changed since it began"):
        open_parts(job(tmp_path, resume=True), {"input": "b"})


def test_overwrite_starts_again_with_another_id(tmp_path):
    first = published(tmp_path)
    (first.path / "000000.done").touch()
    again = open_parts(job(tmp_path, overwrite=True), {"input": "a"})
    assert again.job_id != first.job_id
    assert list(again.path.iterdir()) == []


def test_the_first_of_two_coordinators_wins(tmp_path):
    one, two = (open_parts(job(tmp_path), {"input": "a"}) for _ in range(2))
    publish(one, {"input": "a"})
    with pytest.raises(ConfigError, match="another job has just begun"):
        publish(two, {"input": "a"})
    assert json.loads((one.path / "job.json").read_text())["job"] == one.job_id


def test_an_output_that_exists_is_kept(tmp_path):
    (tmp_path / "out.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="exists: --overwrite replaces it"):
        check_parts(job(tmp_path))


def test_a_job_of_one_process_is_not_resumed_by_several(tmp_path):
    (tmp_path / "out.jsonl.journal").touch()
    with pytest.raises(ConfigError, match="resume it without --on"):
        check_parts(job(tmp_path, resume=True))


def test_an_unknown_ending_is_an_error_before_anything_is_made(tmp_path):
    (tmp_path / "in.txt").touch()
    with pytest.raises(ConfigError, match="unknown ending"):
        check_parts(Job(tmp_path / "in.txt", tmp_path / "out.xlsx"))


def test_removing_leaves_nothing(tmp_path):
    parts = published(tmp_path)
    parts.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"]


def test_paths_hold_in_the_folder_of_a_worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").touch()
    found = absolute(Job("in.txt", "out.jsonl", tls="ca.pem"))
    assert (found.input, found.output, found.tls) == (
        tmp_path / "in.txt", tmp_path / "out.jsonl", str(tmp_path / "ca.pem"),
    )  # fmt: skip


def test_chunks_that_have_begun_are_known_by_their_first_epoch(tmp_path):
    for name in ("000007.e1.jsonl", "000007.e1.jsonl.journal", "000009.done", "job.json", "000011.input"):
        (tmp_path / name).touch()
    assert begun(tmp_path) == {7}


def test_the_folder_lies_beside_the_output(tmp_path):
    assert parts_of(tmp_path / "out.csv.gz") == tmp_path / "out.csv.gz.parts"


def test_the_folder_of_a_job_that_was_started_again_is_not_removed_by_the_old_one(tmp_path):
    first = published(tmp_path)
    again = published(tmp_path, overwrite=True)
    first.remove()
    assert (again.path / "job.json").exists()
    again.remove()
    assert [entry.name for entry in tmp_path.iterdir()] == ["in.txt"]
