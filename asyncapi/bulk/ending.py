"""End a run: its summary, and the files that the job wants of it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.opening import kept_text, nothing_to_do
from asyncapi.bulk.report import write_report
from asyncapi.bulk.summary import summary_of, write_summary

if TYPE_CHECKING:
    from asyncapi.bulk.engine import Engine
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.opening import Opened
    from asyncapi.bulk.retried import Retried
    from asyncapi.bulk.summary import Summary
    from asyncapi.bulk.tally import Tally

INTERRUPTED = 130  # the exit code


def summary_of_nothing(engine: Engine, there: Opened) -> Summary:
    """Sum up a run that had nothing to do."""
    engine.notes.append(nothing_to_do(engine.job, there))
    found = there.finished or there.retried
    total, failed = (0, 0) if found is None else (found.total, found.failed)
    code = 0 if there.finished is not None or not failed else 1
    return replace(summary_of(engine), total=total, skipped=total, skipped_failed=failed, exit_code=code)


def summary_of_run(engine: Engine, retried: Retried | None) -> Summary:
    """Sum up a run; `retried` are the failed rows that it sent again."""
    past, tally = engine.past, engine.tally
    evicted = engine.stats().cache.get("evicted", 0) if engine.job.cache_store is not None else 0
    if evicted:
        engine.notes.append(
            f"{engine.job.cache_store} is full: {evicted:,} responses that were not used for the longest time have "
            "made space for new ones"
        )
    summary = summary_of(engine, skipped=len(past.done), skipped_failed=past.failed + past.unknown)
    if retried is None:
        return summary
    sent = len(past.done) + tally.done
    ok = sent - past.failed - past.unknown - tally.failed - tally.unknown
    rows = "1 failed row was" if sent == 1 else f"{sent:,} failed rows were"
    told = f"{rows} sent again: {ok:,} {'is' if ok == 1 else 'are'} ok now"
    return replace(
        summary,
        total=retried.total,
        skipped=retried.total - retried.due_rows + len(past.done),
        skipped_failed=summary.skipped_failed + retried.kept,
        retried=sent,
        notes=(*summary.notes, told, *filter(None, [kept_text(retried)])),
        exit_code=summary.exit_code or (1 if retried.kept else 0),
    )


async def ended(engine: Engine, summary: Summary, *, idle: bool = False) -> Summary:
    """Write what the job of an engine wants of its end; return what the summary is then.

    Args:
        engine: The run.
        summary: Its summary.
        idle: Whether it had nothing to do: the report of the run before stays as it is.
    """
    job = replace(engine.job, report=None) if idle else engine.job
    return await write_end(job, summary, engine.tally)


async def write_end(job: Job, summary: Summary, tally: Tally) -> Summary:
    """Write the report and the summary, where the job wants them; return what the summary is then."""
    if job.report is not None and summary.exit_code != INTERRUPTED:
        try:
            await in_thread(partial(write_report, job, summary, tally))
            summary = replace(summary, report=job.report)
        except OSError as error:
            summary = _not_written(summary, f"the report {job.report}", error)
    if job.summary is not None:
        try:
            await in_thread(partial(write_summary, job.summary, summary))
        except OSError as error:
            summary = _not_written(summary, f"the summary {job.summary}", error)
    return summary


def _not_written(summary: Summary, what: str, error: OSError) -> Summary:
    why = summary.stopped or f"cannot write {what}: {error.strerror}"
    return replace(summary, stopped=why, exit_code=summary.exit_code or 1)
