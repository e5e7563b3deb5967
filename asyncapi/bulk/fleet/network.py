"""Find out whether a folder lies on a network file system, where other machines see a file only once it was synced."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncapi.bulk.job import Job

_MOUNTS = Path("/proc/self/mountinfo")  # proc(5); without it nothing is known
_KINDS = ("nfs", "cifs", "smb", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "9p", "afs", "fuse")


def is_on_network(folder: str | Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a folder is known to be on a network file system; one of FUSE may be."""
    place = Path(folder).resolve()
    found, kind = -1, ""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return False
    for line in lines:
        before, _, after = line.partition(" - ")
        words, kinds = before.split(" "), after.split(" ")
        point = Path(words[4].replace("\\040", " ")) if len(words) > 4 else None  # noqa: PLR2004 - the mount point
        if point is not None and place.is_relative_to(point) and len(point.parts) >= found:
            found, kind = len(point.parts), kinds[0]
    return kind.startswith(_KINDS)


def noted_for_all(job: Job, folder: str | Path) -> Job:
    """Return the settings of a job whose notes all workers can see before a request is sent (`Job.durable`)."""
    shared = "://" in str(folder) or is_on_network(folder)  # of an object store, `synced` writes the notes
    return job if job.durable or not shared else replace(job, durable=True)
