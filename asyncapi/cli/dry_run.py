"""`asyncapi fetch --dry-run`: check everything, and show what would be sent, in the words of the command line."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from asyncapi.bulk.prepare import check, client_for
from asyncapi.redact import redact_url
from asyncapi.settings import Budget

if TYPE_CHECKING:
    from asyncapi.bulk import Job

_SHOWN = 5
_HOSTS = 10
_HOUR = 3600.0  # seconds


def show(job: Job) -> None:
    """Print what the job would do.

    Raises:
        ConfigError: The job can't be run.
    """
    check(job)
    asyncio.run(_check_client(job))
    methods: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    print("First rows:")
    for item in job.reader().items():
        if item.index < _SHOWN:
            name = "" if item.name is None else f"   (id {item.name})"
            print(f"  {item.method} {redact_url(item.target)}{name}")
        methods[item.method] += 1
        host = item.url.host or "(relative)"
        hosts[host if host in hosts or len(hosts) < _HOSTS else "(others)"] += 1
    settings = {
        "Rows": f"{methods.total():,} ({_listed(methods)})",
        "Hosts": _listed(hosts),
        "Limits": job.limits_text(),
        "Timeout": _seconds(job.limits().attempt) + " for an attempt",
        "Retries": _retries(job),
        "Rate limits": "pause the whole job (--pace)" if job.pace else "pause the rows they refuse (--no-pace)",
        "Stops": _stops(job),
        "Model": "none" if job.model is None else str(job.model),
        "Output": "stdout" if str(job.output) == "-" else str(job.output),
    }
    print()
    for name, text in settings.items():
        print(f"{name + ':':<13}{text}")
    print("\nNothing was sent.")


async def _check_client(job: Job) -> None:
    await client_for(job, lambda _: None).aclose()


def _retries(job: Job) -> str:
    retry = job.retries()
    if retry is None or retry.max_attempts == 1:
        return "none"
    most = "attempts without end" if retry.max_attempts is None else f"{retry.max_attempts} attempts a row"
    budget = retry.budget
    if budget is None:
        return f"up to {most}, without a retry budget"
    budgeted = f"a retry budget of {budget.ratio:.0%}" if isinstance(budget, Budget) else budget.describe()
    return f"up to {most}, {budgeted}"


def _stops(job: Job) -> str:
    stops = [
        None if job.max_errors is None else f"after {job.max_errors:,} failed rows (--max-errors)",
        f"when a server asks to wait over {_seconds(job.max_wait)} (--max-wait)",
        f"after {_seconds(job.max_outage)} without a response (--max-outage)",
    ]
    return ("\n" + " " * 13).join(stop for stop in stops if stop is not None)


def _seconds(value: float | None) -> str:
    if value is None:
        return "no limit"
    return f"{value / _HOUR:g} h" if value >= _HOUR else f"{value:g} s"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) or "none"
