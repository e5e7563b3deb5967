"""Fetch a row for each row of a data frame: pandas, polars or Arrow in, the same kind out.

people = await frame(df, url="https://api.example.com/users/{id}", carry="all", rate="50", select=("name",))

A cell of a notebook may await it. `blocking_frame` is the same without `await`, for scripts, and for cells too.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from asyncapi.bulk.columns import columns_of
from asyncapi.bulk.job import Job
from asyncapi.bulk.run import JobStopped, stream
from asyncapi.errors import ConfigError
from asyncapi.messages.json_text import written_anyhow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Unpack

    from asyncapi.bulk.columns import Column
    from asyncapi.bulk.frames import Frame
    from asyncapi.bulk.options import JobOptions
    from asyncapi.bulk.progress import Progress
    from asyncapi.bulk.rows import Row
    from asyncapi.client.client import Client

F = TypeVar("F")


async def frame(
    table: F,
    /,
    *,
    client: Client | None = None,
    progress: bool | Callable[[Progress], object] = True,
    **options: Unpack[JobOptions],
) -> F:
    """Send a request for each row of a data frame, and return a frame of the responses.

    It has the columns that a job's table has: `id url status ok data error attempts elapsed_ms at`, those of `select`
    in place of `data`, those of `model`, and the carried ones with their types. Its rows are in the order of `table`; a
    pandas frame keeps its index.

    Args:
        table: A DataFrame of pandas or polars, or a Table of pyarrow. Without `url` it has a column `url`.
        client: A client to use, with its own settings instead of the job's.
        progress: Whether to show a bar, in a notebook or a terminal; or what to call with the state of the job.
        **options: The settings of the job, as for `Job`.

    Raises:
        ConfigError: A setting or a row is wrong; nothing was sent.
        JobStopped: The job stopped early; its `partial` is the frame of the rows before.
    """
    from asyncapi.bulk.frames import FrameRows, frame_of  # noqa: PLC0415 - a command line has no frames

    found = frame_of(table)
    source = FrameRows(found)
    options["ordered"] = True
    job = Job(source, **options)
    carried = _carried(job, source.columns)
    columns = columns_of(job, job.model_type(), carried).columns
    show, close = _shown(progress)
    rows: list[Row] = []
    try:
        # the columns that are carried come from the frame itself
        async with aclosing(stream(replace(job, carry="none"), client=client, progress=show)) as arriving:
            async for row in arriving:
                rows.append(row)  # noqa: PERF401 - kept if the job stops
    except JobStopped as error:
        error.partial = _result(found, columns, carried, rows)
        raise
    finally:
        close()
    return _result(found, columns, carried, rows)  # type: ignore[no-any-return]  # of the same kind


def blocking_frame(
    table: F,
    /,
    *,
    client: Client | None = None,
    progress: bool | Callable[[Progress], object] = True,
    **options: Unpack[JobOptions],
) -> F:
    """Do as `frame` does, without `await`; Ctrl-C cancels it.

    Args:
        table: As in `frame`.
        client: As in `frame`; it must not be in use elsewhere.
        progress: As in `frame`.
        **options: As in `frame`.

    Raises:
        ConfigError: As in `frame`; or it was called inside a running event loop that is not a notebook's.
        JobStopped: As in `frame`.
    """
    from asyncapi.blocking.portal import Portal  # noqa: PLC0415 - a thread of its own

    portal = Portal(_nothing)
    try:
        return portal.call(lambda: frame(table, client=client, progress=progress, **options))
    finally:
        portal.close()


async def _nothing() -> None:
    return


def _carried(job: Job, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that are carried.

    Raises:
        ConfigError: One isn't there.
    """
    recipe = job.reader(relative=True).recipe
    recipe.table = True
    try:
        recipe.check_names(names)
    except ValueError as error:
        raise ConfigError(f"frame: {error}") from None
    carried = recipe.carried(names)
    twice = next((name for name in carried if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"frame: the column {twice!r} appears twice")
    return carried


def _shown(
    progress: bool | Callable[[Progress], object],
) -> tuple[Callable[[Progress], object] | None, Callable[[], object]]:
    """Return what shows the progress, and what ends that."""
    from asyncapi.bulk.bar import bar  # noqa: PLC0415 - a command line has a screen of its own

    if callable(progress):
        return progress, _no_bar
    shown = bar() if progress else None
    return (None, _no_bar) if shown is None else (shown.update, shown.close)


def _no_bar() -> None:
    return


def _result(found: Frame, columns: Sequence[Column], carried: Sequence[str], rows: Sequence[Row]) -> Any:
    from asyncapi.bulk.frames import PandasFrame, values  # noqa: PLC0415 - a command line has no frames

    own = columns[: len(columns) - len(carried)]
    models = [_plain(row) for row in rows] if any(column.of_model for column in own) else []
    objects = isinstance(found, PandasFrame)
    named: list[tuple[str, Any]] = []
    for column in own:
        if column.name == "id" and _has_ids(found):
            named.append(("id", found.columns.index("id")))
        else:
            named.append((column.name, values(column, rows, models, objects=objects)))
    for column, name in zip(columns[len(own) :], carried, strict=True):
        named.append((column.name, found.columns.index(name)))
    return found.result(named, len(rows))


def _has_ids(found: Frame) -> bool:
    """Whether each row has an id in the frame: one without is called by its number."""
    if "id" not in found.columns:
        return False
    place = found.columns.index("id")
    return all(name is not None and name != "" for [names] in found.batches([place]) for name in names)


def _plain(row: Row) -> Row:
    """Return the fields of a row's validated value."""
    from pydantic_core import from_json  # noqa: PLC0415 - it takes long

    plain = from_json(written_anyhow(row.get("data"))) if row["ok"] else None
    return plain if isinstance(plain, dict) else {}
