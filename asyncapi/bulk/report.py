"""Write the report of a job: one HTML file that needs nothing else, with plots, figures and samples.

Everything it says comes from the tally (constant in size) and is escaped; URLs have their secrets masked already, and
of the settings only those are shown that hold none.
"""

from __future__ import annotations

import html
import importlib.util
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from asyncapi.bulk import plots
from asyncapi.bulk.progress import ms_text
from asyncapi.errors import ConfigError
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.rows import Row
    from asyncapi.bulk.summary import Summary
    from asyncapi.bulk.tally import Tally

_CSS = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;background:#f6f7f8;margin:0;padding:2rem 1rem}
main{max-width:1120px;margin:auto}
h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .6rem}
.lead{color:#555;margin:.2rem 0 1.4rem;overflow-wrap:anywhere}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:1rem;margin-bottom:1rem}
.card{background:#fff;border:1px solid #e3e5e8;border-radius:8px;padding:1rem;min-width:0}
.wide{grid-column:1/-1}
.tiles{grid-template-columns:repeat(auto-fit,minmax(118px,1fr))}
.tile b{display:block;white-space:nowrap;font-size:1.3rem;font-weight:600;line-height:1.3}
.tile span{color:#666;font-size:.85rem}
.bad b{color:#c8414f}.good b{color:#2a8f82}
svg{width:100%;height:auto}svg text{font-family:system-ui,sans-serif!important}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #eee;vertical-align:top;overflow-wrap:anywhere}
th{color:#666;font-weight:500;white-space:nowrap}.n{text-align:right;white-space:nowrap}
td.id{min-width:4.5rem}td.text{min-width:13rem}
.note{background:#fdf3e1;border-color:#e8cf9f;margin-bottom:1rem}
"""


def check_report(path: Path) -> None:
    """Check before the job that its report can be written.

    Raises:
        ConfigError: matplotlib is missing, or there is no such folder.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("the report needs matplotlib: pip install 'asyncapi-sdk[report]'")
    if path.is_dir():
        raise ConfigError(f"cannot write the report {path}: it is a folder")
    if not path.parent.is_dir():
        raise ConfigError(f"cannot write the report {path}: there is no folder {path.parent}")


def write_report(job: Job, summary: Summary, tally: Tally) -> None:
    """Write the report to `job.report`.

    Raises:
        OSError: It cannot be written.
    """
    if job.report is not None:
        job.report.write_text(render(job, summary, tally), encoding="utf-8")


def render(job: Job, summary: Summary, tally: Tally) -> str:
    """Render the report as HTML."""
    title = f"asyncapi fetch: {job.input}"
    stopped = f'<div class="card note"><b>Stopped early:</b> {_(summary.stopped)}</div>' if summary.stopped else ""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_CSS}</style></head><body><main>'
        f'<h1>{_(title)}</h1><p class="lead">to {_(job.output)}, ended {when}, limits: {_(job.limits_text())}</p>'
        f"{stopped}"
        f'<div class="grid tiles">{"".join(_tiles(summary))}</div>'
        f'<div class="grid">{"".join(_pictures(summary, tally))}</div>'
        f'<div class="grid">{"".join(_tables(job, summary, tally))}</div>'
        "</main></body></html>\n"
    )


def _(value: object) -> str:
    return html.escape(str(value))


def _tiles(summary: Summary) -> Iterable[str]:
    tiles = [
        ("ok", f"{summary.ok:,}", "good"),
        ("failed", f"{summary.failed:,}", "bad" if summary.failed else ""),
        ("unknown", f"{summary.unknown:,}", "bad") if summary.unknown else None,
        ("done before", f"{summary.skipped:,}", "") if summary.skipped else None,
        ("retries", f"{summary.retries:,}", ""),
        ("rows/s", f"{summary.rate:,.0f}" if summary.rate >= 10 else f"{summary.rate:.2f}", ""),  # noqa: PLR2004
        ("seconds", f"{summary.elapsed:,.1f}", ""),
        ("p50", ms_text(summary.p50), ""),
        ("p95", ms_text(summary.p95), ""),
        ("p99", ms_text(summary.p99), ""),
    ]
    for tile in tiles:
        if tile is not None:
            name, value, kind = tile
            yield f'<div class="card tile {kind}"><b>{_(value)}</b><span>{_(name)}</span></div>'


def _pictures(summary: Summary, tally: Tally) -> Iterable[str]:
    if not tally.latency.count:
        yield _card("No plots", "<p>No request was sent in this run.</p>", wide=True)
        return
    yield _card("Throughput", plots.throughput(tally, summary.elapsed), wide=True)
    yield _card("Latency of rows, without the time in our queue", plots.latency(tally), wide=True)
    statuses = {str(status): count for status, count in tally.by_status.items()}
    if statuses:
        yield _card("Status", plots.bars(statuses, {name: _colour(name) for name in statuses}))
    if tally.by_error:
        yield _card("Errors", plots.bars(tally.by_error, {}))
    if tally.retries:
        yield _card("Retries", plots.retries(tally, summary.elapsed), wide=True)


def _colour(status: str) -> str:
    return {"2": plots.GOOD, "3": plots.CALM, "4": plots.AGAIN}.get(status[:1], plots.BAD)


def _tables(job: Job, summary: Summary, tally: Tally) -> Iterable[str]:
    if tally.failures:
        yield _card("First failed rows", _samples(tally.failures), wide=True)
    slowest = [row for _, _, row in sorted(tally.slowest, key=lambda entry: -entry[0])]
    if slowest:
        yield _card("Slowest rows", _samples(slowest), wide=True)
    figures = [
        ("rows in the input", "unknown" if summary.total is None else f"{summary.total:,}"),
        ("input", job.input),
        ("URL template", "none" if job.url is None else redact_url(job.url)),
        ("base URL", redact_url(job.base_url) if job.base_url else "none"),
        ("output", job.output),
        ("limits", job.limits_text()),
        ("paused by the server (429)", f"{summary.paused:,.1f} s"),
        ("rows held back", ", ".join(f"by {word}: {rows:,}" for word, rows in summary.held.items()) or "none"),
        ("exit code", summary.exit_code),
    ]
    cells = "".join(f"<tr><th>{_(name)}</th><td>{_(value)}</td></tr>" for name, value in figures)
    yield _card("The job", f"<table>{cells}</table>", wide=True)


def _samples(rows: Sequence[Row]) -> str:
    kinds = {"id": "id", "url": "text", "status": "n", "error": "text", "attempts": "n", "ms": "n", "at": "n"}
    lines = []
    for row in rows:
        values: list[Any] = [
            row["id"], row["url"], row["status"] or "", str(row.get("error", ""))[:300],
            row["attempts"], f"{row['elapsed_ms']:,.1f}", row["at"],
        ]  # fmt: skip
        pairs = zip(kinds.values(), values, strict=True)
        cells = "".join(f'<td class="{kind}">{_(value)}</td>' for kind, value in pairs)
        lines.append(f"<tr>{cells}</tr>")
    head = "".join(f'<th class="{kind}">{name}</th>' for name, kind in kinds.items())
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _card(title: str, content: str, *, wide: bool = False) -> str:
    return f'<section class="card{" wide" if wide else ""}"><h2>{_(title)}</h2>{content}</section>'
