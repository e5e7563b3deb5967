"""The parts of an output in an object store are found, refused and merged as those in a folder are."""

import json

import pytest

from asyncapi import ConfigError
from asyncapi.bulk import Job
from asyncapi.bulk.fleet.done import Done
from asyncapi.bulk.fleet.objects import Objects
from asyncapi.bulk.fleet.parts import check_parts, is_there, open_parts, publish
from asyncapi.bulk.fleet.remote_parts import RemoteShards, begun_chunks, is_written, pour, remote_folder

pytest.importorskip("fsspec")


@pytest.fixture
def url(request):
    place = f"memory://{request.node.name}"
    yield f"{place}/out.jsonl"
    Objects(place).remove()


def job(folder, url, **settings):
    (folder / "in.txt").touch()
    return Job(folder / "in.txt", url, shared="redis://h", on="local:2", **settings)


def test_the_first_of_two_coordinators_wins(tmp_path, url):
    one, two = (open_parts(job(tmp_path, url), {"input": "a"}) for _ in range(2))
    publish(one, {"input": "a"})
    with pytest.raises(ConfigError, match="another job has just begun"):
        publish(two, {"input": "a"})
    assert is_there(job(tmp_path, url))


def test_a_stopped_job_is_resumed_with_its_id_and_never_mixed_with_another(tmp_path, url):
    first = open_parts(job(tmp_path, url), {"input": "a"})
    publish(first, {"input": "a"})
    with pytest.raises(ConfigError, match="--resume continues it, --overwrite starts again"):
        check_parts(job(tmp_path, url))
    check_parts(job(tmp_path, url, resume=True))
    assert open_parts(job(tmp_path, url, resume=True), {"input": "a"}).job_id == first.job_id
    with pytest.raises(ConfigError, match="input changed since it began"):
        open_parts(job(tmp_path, url, resume=True), {"input": "b"})
    assert open_parts(job(tmp_path, url, overwrite=True), {"input": "b"}).fresh


def test_an_output_that_exists_is_kept(tmp_path, url):
    check_parts(job(tmp_path, url))
    Objects(url.rpartition("/")[0]).put("out.jsonl", b"{}\n")
    assert is_written(url)
    with pytest.raises(ConfigError, match="exists: --overwrite replaces it"):
        check_parts(job(tmp_path, url))


def test_lines_of_the_listed_segments_are_merged_in_order(url):
    folder = remote_folder(url)
    for name, text in {"000000/e1/000001.jsonl": "head\n1\n2\n", "000000/e2/000001.jsonl": "head\n3\n"}.items():
        folder.put(name, text.encode())
    folder.put("000000/e1/000002.jsonl", b"head\nzombie\n")
    folder.put("000000/e2/begun", b"[]")
    folder.put("000000/e2/whole", json.dumps(["000000/e1/000001.jsonl", "000000/e2/000001.jsonl"]).encode())
    done = Done(chunk=0, shard="000000/e2/whole", rows=3, size=2, epoch=2)
    shards = RemoteShards(folder, [done])
    assert list(shards.rows()) == [1, 2, 3]
    assert begun_chunks(folder) == {0}
    assert pour(shards, [done], url, lambda: False)
    assert Objects(url.rpartition("/")[0]).read("out.jsonl") == b"1\n2\n3\n"


def test_a_segment_that_is_gone_is_an_error(url):
    folder = remote_folder(url)
    folder.put("000000/e1/whole", b'["000000/e1/000001.jsonl"]')
    done = Done(chunk=0, shard="000000/e1/whole", rows=1, size=1, epoch=1)
    with pytest.raises(ConfigError, match="is gone"):
        list(RemoteShards(folder, [done]).rows())
    with pytest.raises(ConfigError, match="was changed or removed"):
        list(RemoteShards(folder, [Done(chunk=1, shard="000001/e1/whole", rows=1, size=1)]).rows())
