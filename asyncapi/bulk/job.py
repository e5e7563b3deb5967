"""The settings of a bulk job, and the summary of a run."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import Annotated, Any, Literal

from asyncapi.bulk.reader import Format, Reader
from asyncapi.bulk.template import Template
from asyncapi.credentials import Bearer
from asyncapi.errors import ConfigError
from asyncapi.settings import TLS, Budget, RateLimit, Retry, Timeout
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds

_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:/\s*(s|m|h|d))?\s*")
_HOUR, _DAY = 3600.0, 86400.0  # seconds
_UNITS = {None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@settings
class Job:
    """A bulk job: every row of `input` is fetched, and becomes one row of `output`.

    Attributes:
        input: A file of URLs (text), requests (JSONL) or columns (CSV, TSV); `-` for stdin.
        output: Where rows go, by its ending: `.jsonl`, `.csv`, `.sqlite`, `.parquet`; `-` for stdout.
        url: A template such as `https://h/items/{id}`, filled from the input's columns.
        format: The format of the input, where its file name doesn't tell.
        method: HTTP method for rows that don't specify one.
        base_url: The base URL of relative URLs.
        headers: Headers to send with every request.
        auth_env: Name of an environment variable whose value is sent as a bearer token: to the origin of `base_url`, or
            without one to that of each row, and to no other that they redirect to.
        model: A pydantic type (or `"package.module:Name"`) that validates every response.
        concurrency: The most requests in flight.
        rate: A limit: attempts per second, or text such as `"50"`, `"100/m"`, `"5000/h"` (a second's worth may go at
            once), or a `RateLimit`.
        pace: Whether to follow the rate limits that each host states, so that a shared limit pauses the job; else only
            the rows wait that the host refuses.
        retry: Attempts in all, a `Retry`, or None for a single attempt. By default a server may ask to wait an hour.
        retry_budget: Retries as a share of the rows (0.5 for half as many), or "none" for as many as `retry` says at
            once; by default the budget of `retry`. Rows beyond it are held back.
        max_wait: The longest wait that a server may ask for, seconds; asked for more, the job stops, to be resumed.
        max_outage: Stop, to be resumed, once a host has been unavailable for so many seconds.
        timeout: Seconds one attempt may take (a row's retries and its place in the queue are not counted), a `Timeout`
            for everything else, or None for no limit.
        idempotency_key: "auto" sends one with every POST and PATCH that has none; it is the same after a resume.
        resume: Continue a job that was stopped.
        overwrite: Replace an output that exists.
        ordered: Write rows in the order of the input.
        max_errors: Stop after so many failed rows.
        proxy: Proxy URL for every request.
        tls: True, False for no verification, a file of certificate authorities, or `TLS(...)`.
        transport: What sends the requests: "native", which takes a third of the CPU time, or "aiohttp".
        report: Where to write an HTML report with plots.

    Raises:
        ConfigError: A setting is wrong.
    """

    input: str | Path
    output: str | Path
    _: KW_ONLY
    url: str | None = None
    format: Format | None = None
    method: str = "GET"
    base_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth_env: str | None = None
    model: Any = None
    concurrency: Annotated[int, Bounds(ge=1)] = 100
    rate: RateLimit | float | str | None = None
    pace: bool = True
    retry: Retry | Annotated[int, Bounds(ge=1)] | None = Retry(max_retry_after=_HOUR)
    retry_budget: Annotated[float, Bounds(ge=0, le=10)] | Literal["none"] | None = None
    max_wait: Annotated[float, Bounds(gt=0)] = _DAY
    max_outage: Annotated[float, Bounds(gt=0)] = 60.0
    timeout: Timeout | Annotated[float, Bounds(gt=0)] | None = 30.0
    idempotency_key: Literal["auto"] | None = None
    resume: bool = False
    overwrite: bool = False
    ordered: bool = False
    max_errors: Annotated[int, Bounds(ge=1)] | None = None
    proxy: str | None = field(default=None, repr=False)
    tls: bool | str | TLS = True
    transport: Literal["native", "aiohttp"] = "native"
    report: Path | None = None

    def reader(self, *, relative: bool = False) -> Reader:
        """Make the reader of the input; `relative` allows URLs without a host."""
        return Reader(
            self.input,
            format=self.format,
            template=None if self.url is None else Template(self.url),
            method=self.method,
            relative=relative or bool(self.base_url),
        )

    def what(self, digest: str) -> dict[str, Any]:
        """Return what must not change until the job is resumed."""
        return {"input": digest, "url": self.url, "method": self.method, "base URL": self.base_url}

    def auth(self) -> Bearer | None:
        """Make the credential: a bearer token for the base URL's origin, or without one for that of each row.

        Raises:
            ConfigError: The environment variable is not set.
        """
        if self.auth_env is None:
            return None
        token = os.environ.get(self.auth_env, "").strip()
        if not token:
            raise ConfigError(f"the environment variable {self.auth_env} is not set: export {self.auth_env}=<token>")
        return Bearer(token)

    def limits(self) -> Timeout:
        """Return the timeout of the client."""
        if isinstance(self.timeout, Timeout):
            return self.timeout
        if self.timeout is None:
            return Timeout(None, connect=None)
        return Timeout(None, connect=min(5.0, self.timeout), attempt=self.timeout)

    def model_type(self) -> Any:
        """Return the model, imported if it is given by name.

        Raises:
            ConfigError: There is no such model.
        """
        return _imported(self.model) if isinstance(self.model, str) else self.model

    def retries(self) -> Retry | None:
        """Return the retry settings of the client."""
        retry = Retry(self.retry, max_retry_after=_HOUR) if isinstance(self.retry, int) else self.retry
        if retry is None:
            return None
        budget = retry.budget
        if self.retry_budget is not None:
            floor = budget.floor if isinstance(budget, Budget) else Budget().floor
            budget = None if self.retry_budget == "none" else Budget(self.retry_budget, floor)
        return replace(retry, budget=budget, max_retry_after=min(retry.max_retry_after, self.max_wait))

    def rate_limit(self) -> RateLimit | None:
        """Return the rate as a limit.

        Raises:
            ConfigError: The text can't be read.
        """
        if self.rate is None or isinstance(self.rate, RateLimit):
            return self.rate
        found = _RATE.fullmatch(str(self.rate))
        amount = float(found[1]) if found is not None else 0.0
        if found is None or not amount:
            raise ConfigError(f"the rate {self.rate!r} cannot be read: write 50 (a second), 100/m, 5000/h or 10000/d")
        per = _UNITS[found[2]]
        return RateLimit(amount, per=per, burst=max(1.0, amount / per))  # a second's worth at once: 5000/h is no flood

    def limits_text(self) -> str:
        """Describe the limits: "100 at a time, 50 a second"."""
        rate = self.rate_limit()
        if rate is None:
            return f"{self.concurrency} at a time"
        per = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}.get(rate.per, f"{rate.per:g} s")
        return f"{self.concurrency} at a time, {rate.amount:g} a {per}"


def _imported(name: str) -> Any:
    module, colon, path = name.partition(":")
    if not colon or not module or not path:
        raise ConfigError(f"the model {name!r} cannot be read: write package.module:Model")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:  # the user's module may raise anything
        raise ConfigError(f"the model {name!r}: cannot import {module}: {type(error).__name__}: {error}") from error
    try:
        for part in path.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise ConfigError(f"the model {name!r}: {module} has no {path}") from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The figures of a finished run. Durations in milliseconds don't include the time in our queue.

    Attributes:
        total: Rows of the input; None for a stream that did not end.
        ok: Rows with data.
        failed: Rows with an error.
        unknown: Rows that were in flight when an earlier run died, and were not sent again.
        skipped: Rows that earlier runs had written.
        skipped_failed: How many of those are failed or unknown.
        elapsed: Seconds it took.
        rate: Rows a second.
        by_status: Rows by HTTP status.
        by_error: Failed rows by the name of the error.
        retries: Attempts that repeated a failed one.
        p50: Median milliseconds of a row; None of none.
        p95: The 95th percentile.
        p99: The 99th percentile.
        paused: Seconds for which 429s have paused the job.
        output: Where the rows are.
        report: Where the report is, or None.
        stopped: Why the job ended early, or None.
        exit_code: 0 all rows are ok, 1 some are not, or the job stopped early, 2 the input is broken, 130 interrupted.
        held: Rows that were held back, by the word for what held them back (docs/bulk.md).
        retries_by: Retries by the status or the error of the attempt that was repeated.
        bytes: Bytes of decoded bodies.
    """

    total: int | None
    ok: int
    failed: int
    unknown: int
    skipped: int
    skipped_failed: int
    elapsed: float
    rate: float
    by_status: Mapping[int, int]
    by_error: Mapping[str, int]
    retries: int
    p50: float | None
    p95: float | None
    p99: float | None
    paused: float
    output: str
    report: Path | None
    stopped: str | None
    exit_code: int
    held: Mapping[str, int] = field(default_factory=dict)
    retries_by: Mapping[str, int] = field(default_factory=dict)
    bytes: int = 0
