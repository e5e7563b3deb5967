"""Check that the report of a job can be written, and write it (page.py renders it)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.summary import Summary
    from asyncapi.bulk.tally import Tally


def check_report(path: Path) -> None:
    """Check before the job that its report can be written.

    Raises:
        ConfigError: There is no such folder, or it is one.
    """
    if path.is_dir():
        raise ConfigError(f"cannot write the report {path}: it is a folder")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write the report {path}: there is no folder {path.parent}")


def write_report(job: Job, summary: Summary, tally: Tally) -> None:
    """Write the report to `job.report`.

    Raises:
        OSError: It cannot be written.
    """
    from asyncapi.bulk.page import facts_of, render  # noqa: PLC0415 - most jobs have no report

    if job.report is not None:
        job.report.write_text(render(facts_of(job, summary), summary, tally), encoding="utf-8")
