"""Open the output of a job, once its input is known: a new one, a stopped one, or one whose failed rows are sent again.

Rules:
1. A finished output is left as it is when its job is resumed: there is nothing to do.
2. Failed rows are sent again from a finished output. With `resume`, a stopped job is finished first (engine.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.columns import columns_of
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.prepare import open_output
from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.finished import Finished
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.part import Part
    from asyncapi.bulk.reader import Reader
    from asyncapi.bulk.retried import Retried
    from asyncapi.bulk.sinks import Sink
    from asyncapi.bulk.store import Store


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of opening an output.

    Attributes:
        store: The open output; None if there is nothing to do.
        retried: The failed rows that are sent again, or None.
        finished: What is in an output that is complete, or None.
    """

    store: Store | None = None
    retried: Retried | None = None
    finished: Finished | None = None


async def opened(
    job: Job,
    sink: Sink,
    model: Any,
    reader: Reader,
    digest: str,
    *,
    carried: Sequence[str] = (),
    part: Part | None = None,
) -> Opened:
    """Open the output of a job.

    Args:
        job: The job.
        sink: The output, not open.
        model: The job's model, or None.
        reader: The job's input.
        digest: What tells this input from others.
        carried: The input's columns that each row repeats.
        part: The part of the job that is run.

    Raises:
        ConfigError: The output can't be opened, or belongs to another job.
    """
    if job.carry == "all" and not reader.regular and _is_table(str(job.output)):
        raise ConfigError(
            f"--carry all needs the columns of the input before its first row, for the table {job.output}: "
            "name them, as in --carry a,b, or give the input as a file"
        )
    columns = columns_of(job, model, carried)
    if job.retry_failed:
        return await _again(job, columns, reader, digest)
    if job.resume and part is None:
        from asyncapi.bulk.finished import finished  # noqa: PLC0415 - a new job needs none

        there = await in_thread(partial(finished, sink, columns, reader))
        if there is not None:  # rule 1
            return Opened(finished=there)
    store = await open_output(job, sink, job.what(digest), columns=columns, part=part)
    await _collect_failed(job, store)
    return Opened(store)


def _is_table(output: str) -> bool:
    """Whether an output has columns that are fixed from its first row on."""
    name = Path(output.lower())
    form = name.with_suffix("").suffix if name.suffix in {".gz", ".zst"} else name.suffix
    return form not in {"", ".jsonl", ".ndjson"}


async def _again(job: Job, columns: Columns, reader: Reader, digest: str) -> Opened:
    """Open the output for the failed rows that are sent again (rule 2)."""
    if not reader.regular:
        raise ConfigError("--retry-failed reads the input twice: give it as a file, not as a stream")

    from asyncapi.bulk.again import may_be_sent_again  # noqa: PLC0415 - most jobs send nothing again
    from asyncapi.bulk.retried import Retried  # noqa: PLC0415 - the same

    def find() -> Retried:
        ordered, everything = job.ordered, job.include_unknown
        found = Retried(job.output, columns, may_be_sent_again, include_unknown=everything, ordered=ordered)
        found.check_input(reader)
        return found

    retried = await in_thread(find)
    if not retried.due_rows:
        return Opened(retried=retried)
    what = job.what(digest) | {"output": retried.identity, "include_unknown": job.include_unknown}
    try:
        store = await open_output(job, retried.sink, what, columns=columns, resume=True)
    except ConfigError as error:
        if "another job" not in error.message:
            raise
        left = f"{job.output}.retry"
        raise ConfigError(
            f"{left} is of a retry that was stopped, with other options or of another output: "
            f"give the options of then, or remove {left} and {left}.journal to begin again"
        ) from None
    await _collect_failed(job, store)
    return Opened(store, retried)


async def _collect_failed(job: Job, store: Store) -> None:
    """Have the store collect the requests of failed rows, where the job wants them."""
    if job.failed_to is None:
        return
    from asyncapi.bulk.failed import FailedRows  # noqa: PLC0415 - most jobs don't

    rows = FailedRows(job.failed_to)
    try:
        await in_thread(partial(rows.open, store.past))
    except BaseException:
        store.close()
        raise
    store.failed = rows


def nothing_to_do(job: Job, there: Opened) -> str:
    """Say why there is nothing to do."""
    if there.finished is not None:
        failed = there.finished.failed
        text = f"nothing to do: {job.output} is complete, with {there.finished.total:,} rows"
        return f"{text}, {failed:,} of them failed (--retry-failed sends these again)" if failed else text
    return kept_text(there.retried) or f"nothing to do: {job.output} has no failed rows"


def kept_text(retried: Retried | None) -> str:
    """Say which failed rows are not sent again; "" if all are."""
    if retried is None or not retried.kept:
        return ""
    rows = "1 failed row is not sent again: the server may have processed it"
    if retried.kept > 1:
        rows = f"{retried.kept:,} failed rows are not sent again: the server may have processed them"
    return f"{rows} (--include-unknown sends it all the same)"
