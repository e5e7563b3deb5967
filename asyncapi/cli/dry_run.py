"""`asyncapi fetch --dry-run`: everything is checked, what would be sent is shown, nothing is sent or written."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from asyncapi.bulk.prepare import check, client_for
from asyncapi.redact import redact_url

if TYPE_CHECKING:
    from asyncapi.bulk import Job

_SHOWN = 5
_HOSTS = 10


def show(job: Job) -> None:
    """Print what the job would do.

    Raises:
        ConfigError: It could not be run.
    """
    check(job)
    client = client_for(job, lambda _: None)
    methods: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    print("The first rows:")
    for item in job.reader().items():
        if item.index < _SHOWN:
            name = "" if item.name is None else f"   (id {item.name})"
            print(f"  {item.method} {redact_url(item.url)}{name}")
        methods[item.method] += 1
        host = item.url.host or "(relative)"
        hosts[host if host in hosts or len(hosts) < _HOSTS else "(others)"] += 1
    print(f"\n{methods.total():,} rows: {_told(methods)}")
    print(f"Hosts: {_told(hosts)}")
    print(f"Limits: {job.limit_told()}\n")
    client.explain()
    print("\nNothing was sent.")


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) or "none"
