"""`asyncapi fetch --dry-run`: check everything, and show what would be sent, in the words of the command line."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

from asyncapi.bulk.again import may_be_sent_again
from asyncapi.bulk.columns import columns_of
from asyncapi.bulk.opening import kept_text
from asyncapi.bulk.prepare import check, client_for
from asyncapi.cli.first_rows import shown
from asyncapi.redact import redact_url
from asyncapi.settings import Budget

if TYPE_CHECKING:
    from asyncapi.bulk import Job
    from asyncapi.bulk.reader import Reader
    from asyncapi.bulk.retried import Retried

_SHOWN = 5  # rows
_HOSTS = 10
_JSON_LINES = re.compile(r"(?:^-|\.(?:jsonl|ndjson)(?:\.gz|\.zst)?)$", re.IGNORECASE)
_HOUR = 3600.0  # seconds
_LEFT, _RIGHT = 15, 64  # columns for the name of a setting, and for what it is


def show(job: Job) -> None:
    """Print what the job would do.

    Raises:
        ConfigError: The job can't be run.
    """
    check(job)
    asyncio.run(_check_client(job))
    methods: Counter[str] = Counter()
    hosts: Counter[str] = Counter()
    reader = job.reader()
    retried = _retried(job, reader) if job.retry_failed else None
    print("First rows:")
    for item in reader.items():
        if retried is not None and not retried.due(item):
            continue
        if methods.total() < _SHOWN:
            print("\n".join(f"  {line}" for line in shown(job, item)))
        methods[item.method] += 1
        host = item.url.host or "(relative)"
        hosts[host if host in hosts or len(hosts) < _HOSTS else "(others)"] += 1
    print()
    for name, text in {**_settings(job, methods, hosts), **_output(job, reader, retried)}.items():
        print(f"{name + ':':<{_LEFT}}{text}")
    print("\nNothing was sent.")


def _settings(job: Job, methods: Counter[str], hosts: Counter[str]) -> dict[str, str]:
    named = {
        "Rows": f"{methods.total():,} ({_listed(methods)})",
        "Hosts": _listed(hosts),
        "Credentials": _credentials(job),
        "Limits": job.limits_text(),
        "Timeout": _seconds(job.limits().attempt) + " for an attempt",
        "Retries": _retries(job),
        "Rate limits": "pause the whole job (--pace)" if job.pace else "pause the rows they refuse (--no-pace)",
        "Redirects": _redirects(job),
        "Stops": _lines(_stops(job)),
        "Cache": "" if job.cache_store is None else f"responses are kept in {job.cache_store}",
        "Model": "" if job.model is None else str(job.model),
        "Saved bodies": "" if job.save_dir is None else f"in {job.save_dir}",
        "Runs on": job.on or "",
    }
    return {name: text for name, text in named.items() if text}


def _retried(job: Job, reader: Reader) -> Retried:
    """Find the failed rows that would be sent again."""
    from asyncapi.bulk.retried import Retried

    reader.scan()
    retried = Retried(
        job.output, columns_of(job, job.model_type(), reader.columns), may_be_sent_again,
        include_unknown=job.include_unknown, ordered=job.ordered,
    )  # fmt: skip
    retried.check_input(reader)
    return retried


def _output(job: Job, reader: Reader, retried: Retried | None) -> dict[str, str]:
    output = "stdout" if str(job.output) == "-" else str(job.output)
    if retried is not None:
        output += f", of which {retried.failed:,} rows of {retried.total:,} have failed"
    model = None if _JSON_LINES.search(str(job.output)) else job.model_type()  # a table has its fields as columns
    columns = columns_of(job, model, reader.columns)
    return {
        "Output": _lines([output, *filter(None, [kept_text(retried)])]),
        "Columns": _lines(textwrap.wrap(", ".join(columns.names), _RIGHT)),
    }


async def _check_client(job: Job) -> None:
    await client_for(job, lambda _: None).aclose()


def _credentials(job: Job) -> str:
    """Say what is sent as credential, and where to: never its value."""
    if job.auth_env is not None:
        what = f"the token in {job.auth_env} (--auth-env)"
    elif job.api_key_env is not None:
        header, equals, variable = job.api_key_env.rpartition("=")
        what = f"the key in {variable} as {header if equals else 'X-Api-Key'} (--api-key-env)"
    elif job.user is not None:
        what = f"the password of {job.user.partition(':')[0]} (--user)"
    else:
        return "none" if job.cert is None else f"the certificate {job.cert}"
    where = (
        f"to {redact_url(job.base_url)} alone" if job.base_url else "to the host of each row, not where it redirects to"
    )
    return f"{what}, {where}"


def _retries(job: Job) -> str:
    retry = job.retries()
    if retry is None or retry.max_attempts == 1:
        return "none"
    most = "attempts without end" if retry.max_attempts is None else f"{retry.max_attempts} attempts a row"
    on = "" if job.retry_on is None else f" after {', '.join(map(str, job.retry_on))}"
    if retry.policy is not None:
        on += ", as it learns which retries help"
    budget = retry.budget
    if budget is None:
        return f"up to {most}{on}, without a retry budget"
    budgeted = f"a retry budget of {budget.ratio:.0%}" if isinstance(budget, Budget) else budget.describe()
    return f"up to {most}{on}, {budgeted}"


def _redirects(job: Job) -> str:
    if job.redirects is None:
        return ""
    return f"up to {job.redirects} are followed" if job.redirects else "are not followed"


def _stops(job: Job) -> list[str]:
    stops = [
        None if job.max_errors is None else f"after {job.max_errors:,} failed rows (--max-errors)",
        f"at the first {' or '.join(map(str, job.fail_fast))} (--fail-fast)" if job.fail_fast else None,
        f"when a server asks to wait over {_seconds(job.max_wait)} (--max-wait)",
        f"after {_seconds(job.max_outage)} without a response (--max-outage)",
    ]
    return [stop for stop in stops if stop is not None]


def _lines(texts: list[str]) -> str:
    return ("\n" + " " * _LEFT).join(texts)


def _seconds(value: float | None) -> str:
    if value is None:
        return "no limit"
    return f"{value / _HOUR:g} h" if value >= _HOUR else f"{value:g} s"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common()) or "none"
