"""Render the report of a job: one HTML file that needs nothing else, with plots, figures and samples.

Everything it says comes from the tally (constant in size) and is escaped. URLs have their secrets masked, and of the
settings only those are shown that hold none.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from asyncapi.bulk import curves, tables
from asyncapi.bulk.command import command_text, shown_settings
from asyncapi.bulk.progress import bytes_text, ms_text
from asyncapi.bulk.scales import clock, duration
from asyncapi.bulk.style import CSS
from asyncapi.bulk.tables import card, tile
from asyncapi.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.summary import Summary
    from asyncapi.bulk.tally import Tally

_WORDS = {
    "budget": "the retry budget of the host was spent (--retry-budget)",
    "max_retry_after": "the host asked for a longer wait than a retry may take (--max-wait)",
    "pace": "the rate limits that the host states (--no-pace)",
    "rate": "your own rate limit (--rate)",
    "queue": "your own client's places (concurrency=, max_queue=)",
    "breaker": "the host's circuit was open (breaker=)",
    "policy": "learned retries saw no use in it while the host sent nothing but failures (--retry-policy)",
    "hold": "the host refused connections (--retry-policy)",
}
_WAITS = {
    "rate": "attempts waited for a token of the rate limit",
    "concurrency": "attempts waited for a place",
    "pace": "attempts waited for the pace of their host",
    "auth": "attempts waited for a credential",
    "hold": "attempts waited for a host that refused connections",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a report says beside the figures.

    Attributes:
        title: Its first line.
        leads: The lines below that.
        command: The command line, secrets masked; "" where there is none.
        settings: Names and values.
        concurrency: The most requests in flight, or None if that is not known.
        rate: The most requests a second, or None.
        notes: What is to be known about the report itself.
        live: Whether the state of the job was looked at while it ran.
    """

    title: str
    leads: Sequence[str]
    command: str = ""
    settings: Sequence[tuple[str, object]] = ()
    concurrency: int | None = None
    rate: float | None = None
    notes: Sequence[str] = field(default_factory=tuple)
    live: bool = True


def facts_of(job: Job, summary: Summary) -> Facts:
    """Say what ran."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    limit = job.rate_limit()
    source: object = job.input
    if not isinstance(source, str | PurePath):  # URLs as arguments
        source = "URLs"
    elif str(source) == "-":
        source = "stdin"
    return Facts(
        title=f"asyncapi fetch: {PurePath(str(source)).name}",
        leads=(
            f"from {source}",
            f"to {'stdout' if summary.output == '-' else summary.output}",
            f"ended {when} after {duration(summary.elapsed * 1000)}",
        ),
        command=command_text(),
        settings=(("limits", job.limits_text()), *shown_settings(job)),
        concurrency=job.concurrency,
        rate=None if limit is None else limit.amount / limit.per,
    )


def render(facts: Facts, summary: Summary, tally: Tally) -> str:
    """Render the report as HTML."""
    _ = tables.text
    notes = [*facts.notes, *summary.notes, *([f"Stopped early: {summary.stopped}"] if summary.stopped else [])]
    noted = "".join(f'<div class="card note">{_(note)}</div>' for note in notes)
    leads = "".join(f'<p class="lead" title="{_(lead)}">{_(lead)}</p>' for lead in facts.leads)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_(facts.title)}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{CSS}</style></head><body><main>"
        f'<h1 title="{_(facts.title)}">{_(facts.title)}</h1>{leads}'
        f'<p class="lead">asyncapi {_(VERSION)}, Python {_(platform.python_version())}</p>'
        f"{noted}"
        f'<div class="grid tiles">{"".join(_tiles(summary))}</div>'
        f'<div class="grid">{"".join(_sections(facts, summary, tally))}</div>'
        "</main></body></html>\n"
    )


def _tiles(summary: Summary) -> Iterator[str]:
    yield tile("rows ok", f"{summary.ok:,}", "good")
    yield tile("rows failed", f"{summary.failed:,}", "bad" if summary.failed else "")
    if summary.unknown:
        yield tile("rows unknown", f"{summary.unknown:,}", "bad")
    if summary.skipped:
        yield tile("rows done before", f"{summary.skipped:,}")
    yield tile("retries", f"{summary.retries:,}")
    if summary.refused:
        yield tile("rows not sent again", f"{summary.refused:,}", "bad")
    yield tile("rows a second", f"{summary.rate:,.0f}" if summary.rate >= 10 else f"{summary.rate:.2f}")  # noqa: PLR2004
    yield tile("duration", clock(summary.elapsed))
    if summary.bytes:
        yield tile("of bodies", bytes_text(summary.bytes))
    for name, value in (("p50", summary.p50), ("p95", summary.p95), ("p99", summary.p99)):
        yield tile(f"latency {name}", ms_text(value))


def _sections(facts: Facts, summary: Summary, tally: Tally) -> Iterator[str]:
    if facts.command:
        yield card("Command line", f"<pre>{tables.text(facts.command)}</pre>", wide=True)
    if tally.latency.count:
        yield from _plots(facts, summary, tally)
        yield f'<div class="grid three wide">{"".join(_counts(tally))}</div>'
        if tally.by_error:
            yield card("Errors", tables.errors(tally.by_error, tally.examples), wide=True)
    else:
        yield card("No plots", "<p>No request was sent in this run.</p>", wide=True)
    held = list(_holds(summary.held, summary.paused, tally.waits))
    if held:
        yield card("What held rows back", tables.facts(held), wide=True)
    if summary.learned:
        yield card("What was learned of retries", tables.facts(list(summary.learned.items())), wide=True)
    if tally.hosts:
        yield card("Hosts", tables.hosts(tally.hosts), wide=True)
    if tally.failures:
        yield card("First failed rows", tables.samples(tally.failures), wide=True)
    slowest = [row for _, _, row in sorted(tally.slowest, key=lambda entry: -entry[0])]
    if slowest:
        yield card("Slowest rows", tables.samples(slowest), wide=True)
    figures: list[tuple[str, object]] = [
        ("rows in the input", "unknown" if summary.total is None else f"{summary.total:,}"),
        *facts.settings,
        *([("exit code", summary.exit_code)] if facts.live else []),
    ]
    yield card("The job", tables.facts(figures), wide=True)


def _plots(facts: Facts, summary: Summary, tally: Tally) -> Iterator[str]:
    drawn = curves.Curves(tally.timeline, summary.elapsed)
    yield card("Throughput", f"<h3>rows a second</h3>{drawn.throughput(facts.rate)}", wide=True)
    what = "<h3>of a row, without the time in our queue</h3>"
    yield card("Latency over time", what + drawn.latency(), wide=True)
    yield card("Latency", f"<h3>how many rows took how long</h3>{curves.latencies(tally)}", wide=True)
    if facts.live and any(bucket.looks for bucket in tally.timeline.buckets):
        yield card("In flight and queued", drawn.state(facts.concurrency), wide=True)
    if tally.size:
        yield card("Bytes", f"<h3>of decoded bodies, a second</h3>{drawn.bytes()}", wide=True)
    if tally.retries:
        yield card("Retries", f"<h3>retries a second</h3>{drawn.retries()}", wide=True)


def _counts(tally: Tally) -> Iterator[str]:
    if tally.retries_by:
        yield card("Retries by reason", tables.bars(tally.retries_by, dict.fromkeys(tally.retries_by, "--again")))
    attempts = {"none": 0, "1": 0} if 0 in tally.by_attempts else {"1": 0}
    for number, count in tally.by_attempts.items():
        attempts[{0: "none", 5: "5 or more"}.get(number, str(number))] = count
    yield card("Attempts per row", tables.bars(attempts, dict.fromkeys(attempts, "--calm"), ranked=False))
    statuses = {str(status): count for status, count in tally.by_status.items()}
    if statuses:
        yield card("Status", tables.bars(statuses, {name: _colour(name) for name in statuses}))


def _colour(status: str) -> str:
    return {"2": "--good", "3": "--calm", "4": "--again"}.get(status[:1], "--bad")


def _holds(held: Mapping[str, int], paused: float, waits: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    if paused:
        yield "pauses", f"{duration(paused * 1000)} in which a host had asked everybody to wait (429)"
    for word, rows in sorted(held.items(), key=lambda entry: -entry[1]):
        yield word, f"{rows:,} rows: {_WORDS.get(word, word)}"
    for word, seconds in sorted(waits.items(), key=lambda entry: -entry[1]):
        yield f"{word}, in all", f"{duration(seconds * 1000)}: {_WAITS.get(word, f'attempts waited for {word}')}"
