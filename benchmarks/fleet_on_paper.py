"""What 1,000 workers and 10 billion rows would need, and what breaks first: arithmetic over what was measured.

    python benchmarks/fleet_on_paper.py                         the table of docs/clusters.md
    python benchmarks/fleet_on_paper.py --rows 1e8 --workers 20 --chunk 10000

Each line is one resource: how much of it the job asks for, how much one of it gives, and the share. Above 100 % it is
what the job waits for. Nothing here runs anything; the figures that were measured are in `MEASURED`, with where.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

# Measured on two slow shared cores; a core of a server is about twice as fast.
MEASURED = {
    "rows a second of a worker": 4_000.0,  # benchmarks/fleet.py: 160-190 us of CPU a row, and a server that is near
    "check a row (s)": 5.5e-6,  # one pass of split.py over URLs in a text file
    "scheduler CPU of a chunk (s)": 0.003,  # benchmarks/fleet.py scheduler
    "scheduler CPU of a report (s)": 0.0005,  # an event of 1 KB through the scheduler
    "coordinator CPU of a report (s)": 0.0002,
    "lease script (s)": 27e-6,  # Redis, on one core
    "quota script (s)": 27e-6,
    "coordinator memory of a chunk (B)": 700.0,  # its place, its end
    "bytes of a row of input": 60.0,
    "bytes of a row of output": 300.0,
    "files of a chunk": 4.0,  # shard, journal, lock or part, .done
    "merge (B/s)": 400e6,  # one reader and one writer on a fast disk
}
OPEN = 2  # chunks of a worker at a time
REPORTS = 200.0  # a second, of all workers: with more of them, each reports less often
TTL = 10.0  # seconds of a lease; it is renewed four times in that
QUOTA_LEASE = 0.1  # seconds of slots that a worker books at a time
REQUEST_USD = 5e-6  # a PUT of an object store
SEGMENT_SECONDS = 1.5  # between PUTs of a chunk's rows


@dataclass(frozen=True)
class Need:
    """One resource.

    Attributes:
        name: What it is.
        share: How much of one of it the job takes, while it runs.
        note: How that comes about.
    """

    name: str
    share: float
    note: str


def needs(rows: float, workers: float, chunk: float) -> tuple[float, list[Need]]:
    """Return how many seconds the rows take, and what they need of everything else."""
    m = MEASURED
    seconds = rows / (workers * m["rows a second of a worker"])
    chunks = rows / chunk
    open_chunks = workers * OPEN
    check = rows * m["check a row (s)"]
    found = [
        Need(
            "the one pass over the input", check / seconds, f"{check / 3600:.1f} h on one core, before anything is sent"
        ),
        Need(
            "scheduler, reports",
            REPORTS * m["scheduler CPU of a report (s)"],
            f"{REPORTS:,.0f} a second, each chunk every {open_chunks / REPORTS:.0f} s",
        ),
        Need(
            "coordinator, reports",
            REPORTS * m["coordinator CPU of a report (s)"],
            "unpickled and added up",
        ),
        Need(
            "scheduler, chunks",
            chunks * m["scheduler CPU of a chunk (s)"] / seconds,
            f"{chunks:,.0f} chunks, {chunks / seconds:,.1f} a second",
        ),
        Need(
            "Redis, leases",
            open_chunks / (TTL / 4) * m["lease script (s)"],
            f"{open_chunks / (TTL / 4):,.0f} renewals a second",
        ),
        Need(
            "Redis, one quota (--rate)",
            workers / QUOTA_LEASE * m["quota script (s)"],
            f"{workers / QUOTA_LEASE:,.0f} bookings a second, at most, on one key",
        ),
        Need(
            "one disk for the merge",
            rows * m["bytes of a row of output"] / m["merge (B/s)"] / seconds,
            f"{rows * m['bytes of a row of output'] / 1e12:.1f} TB once more: -o folder/ leaves it out",
        ),
        Need(
            "one server for the output (1 GB/s)",
            rows * m["bytes of a row of output"] * 1.3 / seconds / 1e9,
            "shards and journals while they are written",
        ),
    ]
    return seconds, found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, default=1e10)
    parser.add_argument("--workers", type=float, default=1000)
    parser.add_argument("--chunk", type=float, default=100_000)
    chosen = parser.parse_args()
    seconds, found = needs(chosen.rows, chosen.workers, chosen.chunk)
    chunks = chosen.rows / chosen.chunk
    print(f"{chosen.rows:,.0f} rows, {chosen.workers:,.0f} workers, chunks of {chosen.chunk:,.0f}")
    print(f"  sending: {seconds / 60:,.0f} min at {chosen.rows / seconds / 1e6:.1f} million rows a second")
    print(f"  files in one folder: {chunks * MEASURED['files of a chunk']:,.0f}")
    print(f"  coordinator memory: {chunks * MEASURED['coordinator memory of a chunk (B)'] / 1e6:,.0f} MB of chunks")
    puts = chosen.workers * OPEN * seconds / SEGMENT_SECONDS
    print(f"  in an object store: {puts:,.0f} PUTs, {puts * REQUEST_USD:,.0f} USD")
    for need in sorted(found, key=lambda need: -need.share):
        print(f"  {need.share:8.1%}  {need.name}: {need.note}")


if __name__ == "__main__":
    main()
