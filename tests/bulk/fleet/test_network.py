"""Notes are synced where the parts folder is on a network file system: another machine may take over."""

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.network import is_on_network, noted_for_all

MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /data rw,relatime shared:2 - nfs4 server:/export rw
31 30 8:2 / /data/local\\040disk rw - xfs /dev/sdb rw
32 22 0:31 / /s3 rw - fuse.s3fs s3fs rw
odd
"""


def test_the_innermost_mount_tells(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    assert is_on_network("/data/out.parts", mounts)
    assert is_on_network("/s3/out.parts", mounts)
    assert not is_on_network("/data/local disk/out.parts", mounts)
    assert not is_on_network("/database", mounts)
    assert not is_on_network("/data", tmp_path / "nothing")


def test_a_job_on_a_local_disk_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "in.txt").touch()
    job = Job(tmp_path / "in.txt", tmp_path / "out.jsonl")
    assert noted_for_all(job, tmp_path) is job
    monkeypatch.setattr("asyncapi.bulk.fleet.network.is_on_network", lambda folder: True)
    assert noted_for_all(job, tmp_path).durable
