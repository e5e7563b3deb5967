"""The lanes' figures as bars and tables of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lanes
from rounds import median_ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

Bar = tuple[str, str, str, bool]


def bars(tables: list[dict[str, Any]]) -> Iterator[Bar]:
    """Each figure beside its bar: CPU per request against bare aiohttp, unless another is named."""
    for table in tables:
        name, loop, at_once = table["name"], table["loop"], table["concurrency"]
        where = f"{loop}, {at_once} at once"
        if name == lanes.GET:
            yield from _bar(table, "native", f"Native lane against bare aiohttp, {where}", 0.40)
            yield from _bar(table, "single", f"The same, each head written by itself, {where}", 0.55)
            yield from _bar(table, "map", f"Native lane, `map`, against bare aiohttp, {where}", 0.45)
            yield from _bar(table, "native", f"Native lane against bare pyreqwest, {where}", 1.3, "pyreqwest")
            most = 1.0 if loop == "asyncio" else 1.08
            yield from _bar(table, "aiohttp", f"aiohttp lane against bare aiohttp, {where}", most)
        elif name == lanes.HTTP2:
            yield from _bar(table, "h2", f"HTTP/2 against bare aiohttp's HTTP/1.1, over TLS, {where}", 0.35)
            yield from _bar(table, "h2-pure", f"The same, pure engine, {where}", 0.75)
        elif name in lanes.LOADS:
            yield from _bar(table, "native", f"{name}: native lane against bare aiohttp, {where}", 0.9)


def _bar(table: dict[str, Any], name: str, what: str, most: float, other: str = "bare") -> Iterator[Bar]:
    ratio = ratio_of(table, name, other)
    if ratio is not None:
        least = _least(table, name) / _least(table, other)
        yield what, f"<= {most:.2f}x", f"{ratio:.2f}x (least {least:.2f}x)", round(ratio, 2) <= most


def ratio_of(table: dict[str, Any], name: str, other: str = "bare") -> float | None:
    """The median of the rounds' ratios of CPU per request, where both were measured."""
    ours, theirs = table["results"].get(name, {}), table["results"].get(other, {})
    if "median" not in ours or "median" not in theirs:
        return None
    return median_ratio(ours["rounds"], theirs["rounds"], "cpu_us")


def _least(table: dict[str, Any], name: str) -> float:
    """The least CPU per request of all rounds: what a busy machine has disturbed least."""
    return min(figures["cpu_us"] for figures in table["results"][name]["rounds"])


def many_bars(tables: list[dict[str, Any]]) -> Iterator[Bar]:
    """Memory per connection and CPU per call, never above bare aiohttp's."""
    rows = {(table, name): (cpu, kib) for table, name, cpu, kib in _many(tables)}
    for (table, name), (cpu, kib) in rows.items():
        if name != "native" or (table, "bare") not in rows:
            continue
        bare_cpu, bare_kib = rows[table, "bare"]
        yield (
            f"{table}: CPU per call, native lane",
            f"<= {bare_cpu:.0f} us, bare aiohttp's",
            f"{cpu:.0f} us",
            cpu <= bare_cpu,
        )
        if kib is not None and bare_kib is not None:
            yield (
                f"{table}: memory per connection, native lane", f"<= {bare_kib:.1f} KiB, bare aiohttp's",
                f"{kib:.1f} KiB", kib <= bare_kib,
            )  # fmt: skip


def _many(tables: list[dict[str, Any]]) -> Iterator[tuple[str, str, float, float | None]]:
    """Table, contestant, CPU per call and KiB per connection beyond the first hundred."""
    few = {name: result["median"]["rss_mib"] for name, result in _measured(tables[0])}
    for table in tables[1:]:
        for name, result in _measured(table):
            grown = result["median"]["rss_mib"] - few[name] if name in few else None
            yield table["name"], name, result["median"]["cpu_us"], None if grown is None else grown * 1024 / 8900


def _measured(table: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, result) for name, result in table["results"].items() if "median" in result)


def render(tables: list[dict[str, Any]]) -> Iterator[str]:
    """The section of the page: one table for each kind of load."""
    yield "### Lanes\n\n![CPU per request](img/lanes-cpu.svg)"
    names: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        names.setdefault(table["name"], []).append(table)
    for name, same in names.items():
        yield f"\n**{name}**: CPU in us a request, and against bare aiohttp\n"
        heads = [f"{table['loop']}, {table['concurrency']}" for table in same]
        yield f"|  | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        contestants = dict.fromkeys(each for table in same for each in table["results"])
        for contestant in contestants:
            cells = [_cell(table, contestant) for table in same]
            yield f"| {lanes.CONTESTANTS[contestant][0]} | {' | '.join(cells)} |"


def _cell(table: dict[str, Any], name: str) -> str:
    result = table["results"].get(name)
    if result is None:
        return ""
    if "error" in result:
        return f"not measured: {result['error'].replace('|', '/')}"
    least = _least(table, name)
    ratio = ratio_of(table, name)
    against = "" if ratio is None or name == "bare" else f", {ratio:.2f}x"
    return f"{result['median']['cpu_us']:.1f} (least {least:.1f}){against}"


def render_many(tables: list[dict[str, Any]]) -> Iterator[str]:
    """The section of the page on many connections."""
    yield "### Many connections\n"
    yield "|  |  | CPU, us a call | KiB a connection, beyond the first hundred | peak RSS, MiB |"
    yield "|---|---|---:|---:|---:|"
    grown = {(table, name): kib for table, name, _, kib in _many(tables)}
    for table in tables:
        for name, result in table["results"].items():
            label = lanes.CONTESTANTS[name][0]
            if "error" in result:
                yield f"| {table['name']} | {label} | not measured: {result['error']} | | |"
                continue
            kib = grown.get((table["name"], name))
            median = result["median"]
            yield (
                f"| {table['name']} | {label} | {median['cpu_us']:.0f} | {'' if kib is None else f'{kib:.1f}'} | "
                f"{median['rss_mib']:.0f} |"
            )
