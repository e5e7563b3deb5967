"""The results as Markdown tables, put between the markers of docs/benchmarks.md (or into a page of their own)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cache
import fetch_job
import lanes_report
import latency
import open_loop
import storms
from layers import REFUSAL
from rounds import median_ratio

import peers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

BEGIN = "<!-- results: begin (written by benchmarks/run.py) -->"
END = "<!-- results: end -->"


def write(results: dict[str, Any], page: Path) -> None:
    """Replace what is between the markers; make the page where there is none."""
    old = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{render(results)}\n\n{END}{after or chr(10)}")


def render(results: dict[str, Any]) -> str:
    """All sections that were measured."""
    sections = [_machine(results)]
    sections.append("\n".join(_bars(results)))
    for name, section in {
        "lanes": _lanes, "many": _many, "open": _open, "peers": _peers, "latency": _latency, "fetch": _fetch,
        "layers": _layers, "map": _map, "cache": _cache, "storms": _storms,
    }.items():  # fmt: skip
        if name in results:
            sections.append("\n".join(section(results)))
    return "\n\n".join(section for section in sections if section)


def _machine(results: dict[str, Any]) -> str:
    machine, settings = results["machine"], results["settings"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    loads = results.get("loads", {})
    later = "".join(
        f"; {name} on {at[:10]}{f' at a load of {loads[name]}' if name in loads else ''}"
        for name, at in results.get("updated", {}).items()
    )
    quick = " **A quick run: figures are rough.**" if results["quick"] else ""
    return (
        f"Measured {results['at'][:10]} in {results['took_s']} s{later}.{quick}\n\n"
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}, "
        f"{machine['kernel']}; pinned: {machine['pinned']}; load at the start {machine['load_at_start']}\n"
        f"- {machine['python']}; server: {results['server']}\n"
        f"- {versions}\n"
        f"- Medians of {settings['rounds']} rounds, windows of {settings['seconds']} s"
    )


def ratio_to(table: dict[str, Any], name: str, other: str, figure: str = "cpu_us") -> float | None:
    """The median of the rounds' ratios of two contestants, where both were measured."""
    ours, theirs = table["results"].get(name, {}), table["results"].get(other, {})
    if "median" not in ours or "median" not in theirs:
        return None
    return median_ratio(ours["rounds"], theirs["rounds"], figure)


def _bars(results: dict[str, Any]) -> Iterator[str]:
    rows = list(_bar_rows(results))
    if rows:
        yield "### The bars\n"
        yield from _table(("What", "Bar", "Measured", ""), rows)


def _bar_rows(results: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for what, bar, measured, reached in lanes_report.bars(results.get("lanes", [])):
        yield what, bar, measured, _verdict(reached)
    for what, bar, measured, reached in lanes_report.many_bars(results["many"]) if "many" in results else ():
        yield what, bar, measured, _verdict(reached)
    for table in results.get("peers", ()):
        ratio = ratio_to(table, "asyncapi_on", "aiohttp_pool")
        if table["concurrency"] == 100 and ratio is not None:
            what = f"Full-policy typed call, CPU against the bare aiohttp pool, {table['loop']}, concurrency 100"
            most = 1.0 if table["loop"] == "asyncio" else 1.08
            yield what, f"<= {most:.2f}x", f"{ratio:.2f}x", _verdict(round(ratio, 2) <= most)
    for table in results.get("latency", ()):
        ratio = ratio_to(table, "asyncapi_map", "requests_sequence", "rps")
        if table["delay_ms"] == 50 and ratio is not None:
            what = "Fan-out at concurrency 100 against sequential requests, 50 ms"
            yield what, ">= 50x", f"{ratio:.0f}x", _verdict(ratio >= 50)
    if "fetch" in results:
        yield from _fetch_bars(results["fetch"])
    layers = results.get("layers", {})
    if "all" in layers:
        cost = layers["all"]["added_us"]
        yield "All layers, idle, over the mock transport", "<= 8 us a call", f"{cost:.1f} us", _verdict(cost <= 8)
    if REFUSAL in layers:
        cost = layers[REFUSAL]["us"]
        yield "A refusal by an open breaker", "< 5 us", f"{cost:.1f} us", _verdict(cost < 5)
    for name, one in results.get("map", {}).items():
        if name == "at once":
            what = f"`map` over {one['items']:,} inputs, concurrency {one['concurrency']}"
            yield f"{what}: time", "<= 20 us an item", f"{one['us_an_item']:.1f} us", _verdict(one["us_an_item"] <= 20)
            growth, tasks = one["rss_growth_mib"], one["most_tasks"]
            yield f"{what}: memory growth", "< 50 MB", f"{growth:.1f} MiB", _verdict(growth * 1.048576 < 50)
            yield f"{what}: live tasks", f"<= {one['concurrency'] + 10}", str(tasks), _verdict(tasks <= 510)

    for what, bar, measured, reached in cache.bars(results.get("cache", {})):
        yield what, bar, measured, _verdict(reached)
    if "scenarios" in results.get("storms", {}):
        for what, bar, measured, reached in storms.bars(results["storms"]):
            yield what, bar, measured, _verdict(reached)


def _fetch_bars(fetch: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Against the quickest of the pools by hand."""
    by_hand = [name for name, one in fetch["results"].items() if name.startswith("aiohttp") and "median" in one]
    if not by_hand or "median" not in fetch["results"].get("asyncapi_fetch", {}):
        return
    best = max(by_hand, key=lambda name: fetch["results"][name]["median"]["rows_per_s"])
    rate, row = (ratio_to(fetch, "asyncapi_fetch", best, figure) or 0.0 for figure in ("rows_per_s", "start_s"))
    cpu, row_cpu = (ratio_to(fetch, "asyncapi_fetch", best, figure) or 0.0 for figure in ("cpu_s", "start_cpu_s"))
    what = f"`asyncapi fetch` to JSONL against {fetch_job.CONTESTANTS[best]}, start-up included"
    yield f"{what}: rate (by CPU)", ">= 1.5x", f"{rate:.2f}x ({1 / cpu:.2f}x)", _verdict(rate >= 1.5)
    yield f"{what}: one row (by CPU)", "<= 1.3x", f"{row:.2f}x ({row_cpu:.2f}x)", _verdict(row <= 1.3)


def _lanes(results: dict[str, Any]) -> Iterator[str]:
    yield from lanes_report.render(results["lanes"])


def _many(results: dict[str, Any]) -> Iterator[str]:
    yield from lanes_report.render_many(results["many"])


def _open(results: dict[str, Any]) -> Iterator[str]:
    yield from open_loop.render(results["open"])


def _cache(results: dict[str, Any]) -> Iterator[str]:
    yield from cache.render(results["cache"], _table)


def _storms(results: dict[str, Any]) -> Iterator[str]:
    if "error" in results["storms"]:
        yield f"### Storms\n\nNot measured: {results['storms']['error']}"
        return
    yield from storms.render(results["storms"])


def _verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def _peers(results: dict[str, Any]) -> Iterator[str]:
    yield "### Against async peers\n"
    yield "![CPU per request](img/peers-cpu.svg)\n\n![Requests per second](img/peers-rate.svg)"
    for table in results["peers"]:
        yield f"\n**{table['loop']}, concurrency {table['concurrency']}**\n"
        rows = []
        for name, result in table["results"].items():
            if "error" in result:
                rows.append((peers.PEERS[name], f"not measured: {result['error']}", "", "", "", ""))
                continue
            median = result["median"]
            each = [figures["cpu_us"] for figures in result["rounds"]]
            ratio = ratio_to(table, name, "aiohttp_pool")
            rows.append((
                peers.PEERS[name], f"{median['cpu_us']:.1f}", f"{min(each):.1f} - {max(each):.1f}",
                "" if ratio is None else f"{ratio:.2f}x", f"{median['rps']:,.0f}", f"{median['rss_mib']:.0f}",
            ))  # fmt: skip
        yield from _table(
            ("", "CPU, us a request", "least - most", "CPU against aiohttp", "requests/s", "peak RSS, MiB"), rows
        )


def _latency(results: dict[str, Any]) -> Iterator[str]:
    yield "### Against sync code\n"
    yield "![Requests per second by server latency](img/latency.svg)\n"
    delays = [table["delay_ms"] for table in results["latency"]]
    rows = []
    for name, (label, _) in latency.CONTESTANTS.items():
        cells = [label]
        for table in results["latency"]:
            result = table["results"].get(name)
            if result is None or "error" in result:
                cells.append("" if result is None else f"not measured: {result['error']}")
                continue
            ratio = ratio_to(table, name, "requests_sequence", "rps")
            times = "" if ratio is None or name == "requests_sequence" else f" ({ratio:.1f}x)"
            cells.append(f"{result['median']['rps']:,.0f}{times}")
        rows.append(cells)
    yield from _table(("requests/s at a server latency of", *(f"{delay} ms" for delay in delays)), rows)


def _fetch(results: dict[str, Any]) -> Iterator[str]:
    fetch = results["fetch"]
    yield f"### The main job: {fetch['rows']:,} rows to JSON lines\n"
    yield "![Rows per second](img/fetch.svg)\n"
    rows = []
    for name, result in fetch["results"].items():
        label = fetch_job.CONTESTANTS[name]
        if "error" in result:
            rows.append((label, f"not measured: {result['error']}", *[""] * 5))
            continue
        median = result["median"]
        ratio = ratio_to(fetch, name, "aiohttp_jsonl", "rows_per_s")
        rows.append((
            label, f"{median['rows_per_s']:,.0f}", "" if ratio is None else f"{ratio:.2f}x",
            f"{median['rows_per_s_without_start']:,.0f}", f"{median['start_s']:.2f}",
            f"{median['cpu_s']:.2f}" if "cpu_s" in median else "",
            f"{median['start_cpu_s']:.2f}" if "cpu_s" in median else "",
        ))  # fmt: skip
    header = (
        "", "rows/s, whole process", "against aiohttp by hand", "rows/s without start-up", "one row, s",
        "CPU of all, s", "CPU of one row, s",
    )  # fmt: skip
    yield from _table(header, rows)


def _layers(results: dict[str, Any]) -> Iterator[str]:
    layers = results["layers"]
    yield "### The layers alone, over the mock transport\n"
    if "error" in layers:
        yield f"Not measured: {layers['error']}"
        return
    rows = [(name, f"{one['us']:.2f}", f"{one['added_us']:.2f}") for name, one in layers.items()]
    yield from _table(("", "us a call", "added by the layers, us"), rows)


def _map(results: dict[str, Any]) -> Iterator[str]:
    yield "### `map`, over the mock transport\n"
    if "error" in results["map"]:
        yield f"Not measured: {results['map']['error']}"
        return
    rows = [
        (
            f"the mock answers {name}", f"{one['items']:,}", f"{one['us_an_item']:.1f}", str(one["most_tasks"]),
            f"{one['rss_growth_mib']:.1f}", f"{one['peak_rss_mib']:.0f}",
        )
        for name, one in results["map"].items()
    ]  # fmt: skip
    yield from _table(("", "items", "us an item", "most live tasks", "RSS growth, MiB", "peak RSS, MiB"), rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'---:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
