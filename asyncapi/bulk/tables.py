"""The report's tables, tiles and bars, as HTML. Everything that comes from outside is escaped here."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.progress import bytes_text, ms_text
from asyncapi.redact import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from asyncapi.bulk.rows import Row
    from asyncapi.bulk.tally import Host

_BARS = 12
_HOSTS = 25


def text(value: object) -> str:
    """Escape a value."""
    return escape(str(value))


def card(title: str, content: str, *, wide: bool = False) -> str:
    """Make a section."""
    return f'<section class="card{" wide" if wide else ""}"><h2>{text(title)}</h2>{content}</section>'


def tile(name: str, value: str, kind: str = "") -> str:
    """Make a tile: a figure and its name."""
    return f'<div class="card tile {kind}"><b>{text(value)}</b><span>{text(name)}</span></div>'


def bars(counts: Mapping[str, int], colours: Mapping[str, str], *, ranked: bool = True) -> str:
    """Draw counts by name as bars, the largest first, or in their own order.

    Args:
        counts: The counts.
        colours: The CSS variable of a name; `--bad` for the rest.
        ranked: Whether the largest comes first.
    """
    entries = sorted(counts.items(), key=lambda entry: -entry[1]) if ranked else list(counts.items())
    largest = max(counts.values(), default=0) or 1
    rows = "".join(
        f'<tr><td class="name cut" title="{text(name)}">{text(name)}</td><td class="track">'
        f'<i style="width:{100 * count / largest:.1f}%;--c:var({colours.get(name, "--bad")})"></i></td>'
        f'<td class="n">{count:,}</td></tr>'
        for name, count in entries[:_BARS]
    )
    return f'<table class="bars">{rows}</table>{_more(len(entries) - _BARS, "kinds")}'


def facts(entries: Iterable[tuple[str, object]]) -> str:
    """Make a table of names and values."""
    rows = "".join(f"<tr><th>{text(name)}</th>{_long(value)}</tr>" for name, value in entries)
    return f'<table class="facts">{rows}</table>'


def errors(counts: Mapping[str, int], examples: Mapping[str, str]) -> str:
    """List the errors, the most frequent first, with an example each."""
    rows = "".join(
        f'<tr><td class="name cut">{text(name)}</td>{_number("rows", f"{count:,}")}{_long(examples.get(name, ""))}</tr>'
        for name, count in sorted(counts.items(), key=lambda entry: -entry[1])[:_BARS]
    )
    head = '<tr><th>error</th><th class="n">rows</th><th>the first one</th></tr>'
    return f'<table class="rows">{head}{rows}</table>{_more(len(counts) - _BARS, "kinds")}'


def hosts(figures: Mapping[str, Host]) -> str:
    """List the hosts, those with the most rows first."""
    names = ["rows", "ok", "failed", "retries", "p50", "p95"]
    if any(host.size for host in figures.values()):
        names.append("bytes")
    ranked = sorted(figures.items(), key=lambda entry: -(entry[1].ok + entry[1].failed))
    rows = []
    for name, host in ranked[:_HOSTS]:
        counts = [host.ok + host.failed, host.ok, host.failed, host.retries]
        values = [
            *(f"{count:,}" for count in counts), ms_text(host.quantile_ms(0.50)), ms_text(host.quantile_ms(0.95)),
            bytes_text(host.size),
        ]  # fmt: skip
        cells = "".join(_number(*pair) for pair in zip(names, values, strict=False))
        rows.append(f"<tr>{_long(name or 'the base URL')}{cells}</tr>")
    head = "".join(f'<th class="n">{name}</th>' for name in names)
    table = f'<table class="rows"><tr><th>host</th>{head}</tr>{"".join(rows)}</table>'
    return table + _more(len(ranked) - _HOSTS, "hosts")


def samples(rows: Sequence[Row]) -> str:
    """List some rows."""
    lines = []
    for row in rows:
        values: list[tuple[str, Any]] = [
            ("id", _short(row["id"])),
            ("status", row["status"] or "-"),
            ("attempts", row["attempts"]),
            ("took", ms_text(row["elapsed_ms"])),
            ("at", _clock(row["at"])),
        ]
        cells = "".join(_number(*pair) for pair in values)
        error = f'<div class="cut soft" tabindex="0">{text(row["error"])}</div>' if row.get("error") else ""
        url = text(row["url"])
        lines.append(
            f'<tr>{cells}<td class="text"><div class="cut" tabindex="0" title="{url}">{url}</div>{error}</td></tr>'
        )
    head = "".join(f'<th class="n">{name}</th>' for name in ("id", "status", "attempts", "took", "at"))
    return f'<table class="rows"><tr>{head}<th>request</th></tr>{"".join(lines)}</table>'


def _number(name: str, value: object) -> str:
    return f'<td class="n" data-name="{name}">{text(value)}</td>'


def _long(value: object) -> str:
    """Make a cell that takes the width there is (rule 2 of style.py)."""
    shown = text(value)
    return f'<td class="text cut" tabindex="0" title="{shown}">{shown}</td>'


def _more(count: int, what: str) -> str:
    return f'<p class="soft">and {count:,} more {what}</p>' if count > 0 else ""


def _short(value: object) -> str:
    return one_line(str(value), 24)


def _clock(at: object) -> str:
    """Return the time of day of a timestamp."""
    return str(at).partition("T")[2].partition(".")[0] or str(at)
