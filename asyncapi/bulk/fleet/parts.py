"""The folder of a job's parts, `OUT.parts/` beside its output: what the coordinator and the workers have in common.

    job.json            what the job is: its id, and what must not change until it is resumed
    000042.e2.jsonl     rows of a chunk, written by its second holder (chunk.py), with a journal beside it
    000042.done         the chunk has ended: which file has its rows, and how many they are
    000042.input        the chunk's rows of an input that can't be read in slices

Rules:
1. The folder is there as long as the job isn't complete; then it is renamed and removed as a whole.
2. `job.json` appears whole or not at all, and the first coordinator wins.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from asyncapi.bulk.fleet.merge import is_folder
from asyncapi.bulk.fleet.remote_parts import JOB, begun_chunks, check_remote, open_remote, remote_folder, remote_output
from asyncapi.bulk.remote import is_remote
from asyncapi.bulk.sinks import file_sink
from asyncapi.bulk.sources import local_file
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.bulk.job import Job


def parts_of(output: str | Path) -> Path:
    """Return the folder of an output's parts."""
    path = Path(output).absolute()
    return path.with_name(path.name + ".parts")


def check_parts(job: Job) -> None:
    """Refuse to overwrite or mix outputs, before anything is opened.

    Raises:
        ConfigError: The output exists, or can't be resumed; the message says what to pass.
    """
    if job.resume and job.overwrite:
        raise ConfigError("--resume continues the output, --overwrite replaces it: give one of them")
    if (url := remote_output(job)) is not None:
        check_remote(job, url)
        return
    output, parts = Path(job.output), parts_of(job.output)
    if not is_folder(job.output):
        file_sink(output, output.name)
    source = local_file(job.input)
    if str(source) != "-" and output.exists() and output.samefile(source):
        raise ConfigError(f"the output {output} is also the input: name another output")
    if not output.parent.is_dir():
        raise ConfigError(f"cannot write {output}: there is no folder {output.parent}")
    if output.with_name(output.name + ".journal").exists() and not job.overwrite:
        raise ConfigError(
            f"{output} belongs to a job that was stopped on one machine: resume it without --on, "
            "or start again with --overwrite"
        )
    if job.resume or job.overwrite:
        return
    if (parts / JOB).exists():
        raise ConfigError(f"{output} belongs to a stopped job: --resume continues it, --overwrite starts again")
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ConfigError(f"{output} exists: --overwrite replaces it, --resume continues a job that was stopped")


class Parts:
    """The folder of a job that runs.

    Attributes:
        path: The folder: a path, or `Objects`.
        job_id: The id that all runs of the job share.
        fresh: Whether the job has just been made.
    """

    def __init__(self, path: Any, job_id: str, *, fresh: bool) -> None:
        self.path: Any = path
        self.job_id: str = job_id
        self.fresh: bool = fresh

    def remove(self) -> None:
        """Remove the folder: the job is complete (rule 1); unless another job has overwritten it meanwhile."""
        remote = not isinstance(self.path, Path)
        if _job_of(self.path.read(JOB) if remote else _content(self.path / JOB)) != self.job_id:
            return
        if remote:
            self.path.remove()
        else:
            _remove(self.path, self.job_id)


def absolute(job: Job) -> Job:
    """Return the job with paths that hold in any folder: a worker has another."""
    paths: dict[str, Any] = {
        name: Path(value).absolute()
        for name in ("output", "save_dir", "cert", "key")
        if (value := getattr(job, name)) is not None and not is_remote(value)
    }
    if isinstance(job.input, (str, Path)) and str(job.input) != "-" and not is_remote(job.input):
        paths["input"] = Path(job.input).absolute()
    if isinstance(job.tls, str):
        paths["tls"] = str(Path(job.tls).absolute())
    return replace(job, **paths)


def is_there(job: Job) -> bool:
    """Whether a job has parts to resume."""
    if (url := remote_output(job)) is not None:
        return remote_folder(url).read(JOB) is not None
    return (parts_of(job.output) / JOB).exists()


def old_parts(job: Job) -> tuple[str, str | None]:
    """Return the folder of a job's parts, and the id of the job that it belongs to now; None where that is unknown.

    Raises:
        ConfigError: It can't be read.
    """
    if (url := remote_output(job)) is not None:
        folder = remote_folder(url)
        try:
            text = folder.read(JOB)
        except OSError as error:
            raise ConfigError(f"cannot use {folder.shown}: {error}") from None
        return str(folder), _job_of(text)
    path = parts_of(job.output)
    return str(path), _job_of(_content(path / JOB))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _remove(folder: Path, unique: str) -> None:
    """Remove a folder: at once for those who look for it, and then what is in it (rule 1)."""
    gone = folder.with_name(f"{folder.name}.gone-{unique}")
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _job_of(text: bytes | None) -> str | None:
    try:
        return str(json.loads(text or b"")["job"])
    except (ValueError, KeyError, TypeError):
        return None


def open_parts(job: Job, what: dict[str, Any]) -> Parts:
    """Open the folder of a new job, or that of an earlier run.

    Args:
        job: The job.
        what: Its identity; that of a resumed job must be the same.

    Raises:
        ConfigError: It can't be opened, or belongs to another job.
    """
    if (url := remote_output(job)) is not None:
        there, found = open_remote(job, url)
        if found is None:
            return Parts(there, uuid4().hex, fresh=True)
        _check_same(there.shown, found["what"], what)
        return Parts(there, found["job"], fresh=False)
    folder = parts_of(job.output)
    try:
        if job.overwrite and folder.exists():
            _remove(folder, uuid4().hex)
        folder.mkdir(exist_ok=True)
        if (folder / JOB).exists():
            found = _read(folder / JOB)
            _check_same(folder.name, found["what"], what)
            return Parts(folder, found["job"], fresh=False)
        return Parts(folder, uuid4().hex, fresh=True)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from None


def begun(folder: Any) -> set[int]:
    """Return the numbers of the chunks of which there are rows, or may be."""
    if not isinstance(folder, Path):
        return begun_chunks(folder)
    with os.scandir(folder) as entries:
        names = [entry.name.partition(".") for entry in entries]
    return {int(number) for number, _, rest in names if number.isdecimal() and rest.startswith("e1")}


def publish(parts: Parts, what: dict[str, Any]) -> None:
    """Write `job.json` of a new job (rule 2).

    Raises:
        ConfigError: Another coordinator was first, or it can't be written.
    """
    if not parts.fresh:
        return
    content = json.dumps({"asyncapi_parts": 1, "job": parts.job_id, "what": what})
    if not isinstance(parts.path, Path):
        if not parts.path.create(JOB, content.encode()):
            raise ConfigError(f"another job has just begun to write {parts.path.shown}: wait for it, or stop it")
        return
    fresh = parts.path / f"{parts.job_id}.tmp"
    try:
        with fresh.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, parts.path / JOB)
    except FileExistsError:
        raise ConfigError(f"another job has just begun to write {parts.path}: wait for it, or stop it") from None
    except OSError as error:
        raise ConfigError(f"cannot write {parts.path}: {error.strerror}") from None
    finally:
        fresh.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(path.read_bytes())
        known = {1: {"job": str(found["job"]), "what": dict(found["what"])}}[found["asyncapi_parts"]]
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} was not written by asyncapi: move it away, or pass --overwrite") from None
    return known


def _check_same(folder: str, then: dict[str, Any], now: dict[str, Any]) -> None:
    now = json.loads(json.dumps(now))
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if names:
        raise ConfigError(
            f"{folder} belongs to another job: {' and '.join(names)} changed since it began; "
            "resume it with the input and options that it began with, or start again with --overwrite"
        )
