"""Draw the state of a job for a terminal: a few lines, none of them wider than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from asyncapi.bulk.progress import bytes_text, ms_text
from asyncapi.cli.phrases import clock, figure, waits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from asyncapi.bulk import Progress

_KINDS = 6  # statuses, reasons or errors that are named
_GAP = 3  # spaces between two figures
_LEAST_BAR = 10

Item = tuple[str, str]  # text, style


def drawn(now: Progress, name: str, width: int, byte_rate: float = 0.0) -> Text:
    """Draw the state of a job.

    Args:
        now: The state.
        name: What job it is.
        width: The most cells of a line.
        byte_rate: Bytes a second, lately.
    """
    head = [(now.phase, "bold yellow" if now.phase == "stopping" else "bold"), (name, "")]
    groups = [_pace(now, byte_rate), _limits(now), list(_mix(now)), list(_retries(now)), list(_errors(now))]
    lines = [_packed(head, width), *([] if now.phase == "reading" else [_bar(now, width)])]
    lines += [_packed(group, width) for group in (*groups, *([host] for host in _hosts(now, width))) if group]
    return Text("\n", no_wrap=True, overflow="crop").join(lines)


def _pace(now: Progress, byte_rate: float) -> list[Item]:
    eta = [(f"ETA {clock(now.eta)}", "")] if now.eta is not None else []
    size = [(f"{bytes_text(byte_rate)}/s", "")] if now.bytes else []
    return [
        (f"{figure(now.rate)} rows/s", "bold"), *eta, (f"elapsed {clock(now.elapsed)}", ""),
        (f"in flight {now.in_flight:,}", ""), (f"queued {now.queued:,}", ""),
        (f"p50 {ms_text(now.p50)}", ""), (f"p95 {ms_text(now.p95)}", ""), *size,
    ]  # fmt: skip


def _limits(now: Progress) -> list[Item]:
    return [(f"limits {now.limit}", "dim"), *((text, "yellow") for text in waits(now))]


def _mix(now: Progress) -> Iterator[Item]:
    yield f"ok {now.ok:,}", "green"
    yield f"failed {now.failed:,}", "red" if now.failed else ""
    if now.skipped:
        yield f"done before {now.skipped:,}", ""
    if now.unknown:
        yield f"unknown {now.unknown:,}", "yellow"
    statuses = sorted(sorted(now.by_status, key=lambda status: -now.by_status[status])[: 2 * _KINDS])
    for status in statuses:
        colour = {2: "green", 3: "cyan", 4: "yellow"}.get(status // 100, "red")
        yield f"{status}: {now.by_status[status]:,}", colour


def _retries(now: Progress) -> Iterator[Item]:
    yield f"retries {now.retries:,}", ""
    if now.refused:
        yield f"not sent again {now.refused:,}", "yellow"
    for reason, count in list(now.retries_by.items())[:_KINDS]:
        yield f"after {reason}: {count:,}", "yellow"


def _errors(now: Progress) -> Iterator[Item]:
    for name, count in list(now.by_error.items())[:_KINDS]:
        yield f"{name} {count:,}", "red"


def _hosts(now: Progress, width: int) -> Iterator[Item]:
    """Draw a line for each host, with its figures below those of the others."""
    figures = [f"{host.done:,} rows, {host.failed:,} failed, p50 {ms_text(host.p50)}" for host in now.hosts]
    longest = max((cell_len(host.name) for host in now.hosts), default=0)
    room = min(longest, max(8, width - _GAP - max(map(len, figures), default=0)))
    for host, text in zip(now.hosts, figures, strict=True):
        yield f"{set_cell_size(_cut(host.name, room), room)}{' ' * _GAP}{text}", "dim"


def _bar(now: Progress, width: int) -> Text:
    """Draw how much is done; without a total, the count alone."""
    if now.total is None:
        return Text(f"{now.done:,} rows", no_wrap=True)
    text = f"{now.done:,}/{now.total:,}  {100 * now.done // max(now.total, 1)} %"
    room = width - len(text) - _GAP
    if room < _LEAST_BAR:
        return _packed([(text, "")], width)
    full = room * min(now.done, now.total) // max(now.total, 1)
    return Text.assemble(("━" * full, "green"), ("─" * (room - full), "dim"), " " * _GAP, text, no_wrap=True)


def _packed(items: Iterable[Item], width: int) -> Text:
    """Put items side by side, and on the next line where one no longer fits."""
    packed, used = Text(no_wrap=True, overflow="crop"), 0
    for given, style in items:
        text = _cut(given, width)
        if used:
            fits = used + _GAP + cell_len(text) <= width
            packed.append(" " * _GAP if fits else "\n")
            used = used + _GAP if fits else 0
        packed.append(text, style)
        used += cell_len(text)
    return packed


def _cut(text: str, width: int) -> str:
    """Fit text into a width: its middle is left out."""
    if cell_len(text) <= width:
        return text
    if width < 4:  # noqa: PLR2004 - no room for anything
        return set_cell_size(text, max(width, 0))
    back = (width - 1) // 2
    end = text[-back:] if back else ""
    while cell_len(end) > back:
        end = end[1:]
    return set_cell_size(text, width - 1 - cell_len(end)).rstrip() + "…" + end
