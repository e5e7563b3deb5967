"""The report's plots of a job: what of its time line is drawn, and in which colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.bulk.plots import Band, Mark, Series, distribution, over_time
from asyncapi.bulk.progress import bytes_text
from asyncapi.bulk.scales import compact, duration, linear_bytes, logarithmic
from asyncapi.sansio.measures.histogram import upper_edge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from asyncapi.bulk.tally import Tally
    from asyncapi.bulk.timeline import Bucket, Timeline

_QUANTILES = ((0.50, "p50", "--calm"), (0.95, "p95", "--again"), (0.99, "p99", "--bad"))
_STRIPS = ("--third", "--again", "--calm", "--bad", "--good")
_TOGETHER = 5  # buckets of the histogram (5 % each) in one bin


class Curves:
    """The curves of one time line.

    Args:
        line: The time line.
        elapsed: How long the run took, in seconds.
    """

    def __init__(self, line: Timeline, elapsed: float) -> None:
        self._buckets = line.buckets
        width = line.width
        end = max(elapsed, (len(line.buckets) - 1) * width + width / 10)  # the last bucket is rarely whole
        self._edges = [*(place * width for place in range(len(line.buckets))), end]
        if end > len(line.buckets) * width:  # nothing has ended for a while
            self._buckets = [*line.buckets, type(line.buckets[0])()]
            self._edges.insert(-1, len(line.buckets) * width)

    def throughput(self, rate: float | None) -> str:
        """Plot rows a second, ok and failed, with the pauses behind them."""
        total = Series("failed", "--bad", self._per_second(lambda bucket: bucket.ok + bucket.failed), filled=True)
        good = Series("ok", "--good", self._per_second(lambda bucket: bucket.ok), filled=True)
        failed = any(bucket.failed for bucket in self._buckets)
        mark = None if rate is None else Mark(f"limit {compact(rate)} requests a second", "--text", rate)
        series = [total, good] if failed else [good]
        return over_time(self._edges, series, text=self._rate_text, bands=self._bands(), mark=mark)

    def latency(self) -> str:
        """Plot the quantiles of each span."""
        series = [
            Series(name, colour, [bucket.quantile_ms(share) for bucket in self._buckets])
            for share, name, colour in reversed(_QUANTILES)
        ]
        return over_time(self._edges, series, text=duration, scale=logarithmic, bands=self._bands())

    def state(self, concurrency: int | None) -> str:
        """Plot the attempts in flight and the rows that wait, with what held them back."""
        mark = None if concurrency is None else Mark(f"limit {concurrency:,} at a time", "--text", concurrency)
        flight = Series("in flight", "--calm", self._seen(lambda bucket: bucket.in_flight), filled=True)
        queued = Series("queued", "--third", self._seen(lambda bucket: bucket.queued), filled=True)
        bands = self._bands()
        return (
            f"<h3>requests in flight</h3>{over_time(self._edges, [flight], text=compact, bands=bands, mark=mark)}"
            f"<h3>rows that wait for their turn</h3>{over_time(self._edges, [queued], text=compact, bands=bands)}"
        )

    def bytes(self) -> str:
        """Plot the bytes of bodies a second."""
        size = Series("decoded", "--calm", self._per_second(lambda bucket: bucket.size), filled=True)
        return over_time(self._edges, [size], text=bytes_text, scale=linear_bytes)

    def retries(self) -> str:
        """Plot retries a second."""
        series = Series("retries", "--again", self._per_second(lambda bucket: bucket.retries), filled=True)
        return over_time(self._edges, [series], text=self._rate_text, bands=self._bands())

    @staticmethod
    def _rate_text(value: float) -> str:
        return f"{compact(value)}/s"

    def _per_second(self, count: Callable[[Bucket], int]) -> list[float | None]:
        spans = zip(self._buckets, self._edges, self._edges[1:], strict=False)
        return [count(bucket) / (end - begin) for bucket, begin, end in spans]

    def _seen(self, total: Callable[[Bucket], int]) -> list[float | None]:
        """Return the means of the looks; between two looks the state is that of the last one."""
        means: list[float | None] = []
        for bucket in self._buckets:
            means.append(total(bucket) / bucket.looks if bucket.looks else means[-1] if means else None)
        return means

    def _bands(self) -> list[Band]:
        return [band for band in self._all_bands() if any(band.shares)]

    def _all_bands(self) -> Iterator[Band]:
        yield Band("paused by the server", "--pause", self._share(lambda bucket: bucket.paused))
        strips = []
        for word in sorted({word for bucket in self._buckets for word in bucket.held}):
            shares = self._share(lambda bucket, word=word: bucket.held.get(word, 0))  # type: ignore[misc]
            strips.append((f"held back by {word}", shares))
        for word in sorted({word for bucket in self._buckets for word in bucket.limited}):
            shares = [
                min(1.0, bucket.limited.get(word, 0) / max(1, bucket.ok + bucket.failed)) for bucket in self._buckets
            ]
            strips.append((f"limited by {word}", shares))
        for place, (name, shares) in enumerate(strips):
            yield Band(name, _STRIPS[place % len(_STRIPS)], shares, strip=place)

    def _share(self, count: Callable[[Bucket], int]) -> list[float]:
        shares: list[float] = []
        for bucket in self._buckets:
            shares.append(count(bucket) / bucket.looks if bucket.looks else shares[-1] if shares else 0.0)
        return shares


def latencies(tally: Tally) -> str:
    """Plot how many rows took how long, with the quantiles marked."""
    bins: dict[int, int] = {}
    for index, count in tally.latency.counts().items():
        bins[index // _TOGETHER] = bins.get(index // _TOGETHER, 0) + count
    edges = [
        (upper_edge(place * _TOGETHER - 1) * 1000, upper_edge(place * _TOGETHER + _TOGETHER - 1) * 1000, count)
        for place, count in sorted(bins.items())
    ]
    marks = [
        Mark(name, colour, value)
        for share, name, colour in _QUANTILES
        if (value := tally.quantile_ms(share)) is not None
    ]
    return distribution(edges, marks, logarithmic(edges[0][0], edges[-1][1]))
