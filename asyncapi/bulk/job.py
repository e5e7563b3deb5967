"""The settings of a bulk job. What its client is made of is policy.py; the figures of a run are summary.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, field
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Annotated, Any, Literal

from asyncapi.bulk import contradictions, policy
from asyncapi.bulk.reader import Format, Reader
from asyncapi.bulk.summary import Summary
from asyncapi.settings import TLS, Adaptive, RateLimit, Redis, Retry, Timeout
from asyncapi.settings.base import settings
from asyncapi.settings.checks import Bounds

if TYPE_CHECKING:
    from asyncapi.bulk.weights import Weights
    from asyncapi.credentials import Credential
    from asyncapi.settings import Cache

__all__ = ["Job", "Summary"]

_HOUR, _DAY = 3600.0, 86400.0  # seconds
_CHUNK = 10_000  # rows

Status = Annotated[int, Bounds(ge=100, le=599)]
Extra = Literal["headers", "url", "bytes"]


@settings
class Job:
    """A bulk job: every row of `input` is fetched, and becomes one row of `output`.

    On the command line, every setting is an option of `asyncapi fetch`.

    Attributes:
        input: A file of URLs (text), requests (JSONL) or columns (CSV, TSV, Parquet, SQLite), also packed (`.gz`,
            `.zst`) or in an object store (`s3://...`); `-` for stdin; a list of URLs; mappings, as the rows of JSONL.
        output: Where rows go, by its ending: `.jsonl`, `.csv`, `.sqlite`, `.parquet`; `-` for stdout, the default.
        url: A template such as `https://h/items/{id}`, filled from the input's columns.
        format: The format of the input, where its file name doesn't tell.
        limit: The most rows to read from the input.
        method: HTTP method for rows that don't specify one; by default POST with `json` or `data`, else GET.
        base_url: The base URL of relative URLs.
        headers: Headers to send with every request; a value may hold `{columns}`.
        json: A JSON body for every row, as text or as a value; its texts may hold `{columns}`.
        data: A body for every row: text or a form such as `a={b}&c=d`; it may hold `{columns}`.
        auth_env: Name of an environment variable whose value is sent as a bearer token: to the origin of `base_url`, or
            without one to that of each row, and to no other that they redirect to.
        user: "name:password", sent by Basic authentication to the same origins as `auth_env`.
        api_key_env: Name of an environment variable whose value is sent as an API key in `X-Api-Key`, or
            "Header-Name=VARIABLE" for another header; to the same origins as `auth_env`.
        cert: A client certificate (PEM), for servers that ask for one.
        key: The private key of `cert`, if it is not in the same file.
        model: A pydantic type (or `"package.module:Name"`) that validates every response.
        carry: The input's columns that each output row repeats: "all", "none", or their names.
        select: Paths into the JSON of a response, each a column in place of `data`: `data.items.name`, `NAME=PATH`.
        extra: What each row tells besides (`--with`): the response's "headers", its final "url", the body's "bytes".
        save_dir: A folder: each response's body becomes a file in it, in place of `data`.
        concurrency: The most requests in flight.
        per_host: The most requests in flight to one host.
        adaptive: Whether to learn for each host how many requests it can take at a time, up to `concurrency`.
        rate: A limit: attempts per second, or text such as `"50"`, `"100/m"`, `"5000/h"` (a second's worth may go at
            once), or a `RateLimit`.
        burst: How many attempts `rate` lets go at once, in place of a second's worth.
        tokens: A second limit, in the tokens that `weight_from` gives each row: `"200000/m"`, as for `rate`.
        weight_from: The input's column that says how many of `tokens` a row takes.
        pace: Whether to follow the rate limits that each host states, so that a shared limit pauses the job; else only
            the rows wait that the host refuses.
        retry: Attempts in all, a `Retry`, or None for a single attempt. By default a server may ask to wait an hour.
        retry_policy: "learned" learns which retries pay and after what wait (`Learned`), with 6 attempts by default.
        retry_on: Statuses and names of errors (429, "ConnectError") to retry, in place of the usual ones. A request
            that the server may have processed is never sent twice all the same, unless it is safe to.
        retry_budget: Retries as a share of the rows (0.5 for half as many), or "none" for as many as `retry` says at
            once; by default the budget of `retry`. Rows beyond it are held back.
        max_wait: The longest wait that a server may ask for, seconds; asked for more, the job stops, to be resumed.
        max_outage: Stop, to be resumed, once a host has been unavailable for so many seconds.
        timeout: Seconds one attempt may take (a row's retries and its place in the queue are not counted), a `Timeout`
            for everything else, or None for no limit.
        idempotency_key: "auto" sends one with every POST and PATCH that has none; it is the same after a resume.
        redirects: The most redirects that a row follows; 10 by default, 0 for none.
        cache: Whether identical GETs share one response, as far as its headers allow.
        cache_store: A SQLite file that keeps the responses of `cache`, and turns it on: for later runs, and for other
            jobs on this machine that name it. It takes at most 1 GiB, and has to be on a local disk.
        resume: Continue a job that was stopped; of a finished one, nothing is done.
        overwrite: Replace an output that exists.
        retry_failed: Send the failed rows of the output once more, with all their attempts, and replace them in place.
        include_unknown: With `retry_failed`, also requests that the server may have processed, and that are not safe
            to send twice.
        failed_to: Where to write the input rows that failed, to be an input again.
        ordered: Write rows in the order of the input.
        max_errors: Stop after so many failed rows.
        fail_fast: Statuses at which the job stops at once, such as `(401, 403)`.
        durable: Whether rows are safe from a power cut once the journal says that they are written.
        proxy: Proxy URL for every request.
        proxy_env: Whether to take proxies from HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
        tls: True, False for no verification, a file of certificate authorities, or `TLS(...)`.
        transport: What sends the requests: "native", which takes a third of the CPU time, or "aiohttp".
        report: Where to write an HTML report with plots.
        summary: Where to write the summary, as JSON.
        verbose: Whether to print a line to stderr for each row that is retried, held back or failed.
        shared: A Redis server, as its URL or an `asyncapi.Redis`: all jobs and clients that name it share its limits.
        workers_hint: How many processes share `rate` while the Redis server of `shared` is away.
        on: Where to run: "local:4" for four processes here, "dask://host:8786" or "ray://host:10001" for a cluster.
        chunk: Rows that a worker of `on` takes at a time.

    Raises:
        ConfigError: A setting is wrong, or settings contradict each other.
    """

    input: str | Path | Sequence[str] | Any  # mappings: pydantic would turn an iterable of them into an iterator
    output: str | Path = "-"
    _: KW_ONLY
    url: str | None = None
    format: Format | None = None
    limit: Annotated[int, Bounds(ge=1)] | None = None
    method: str | None = None
    base_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    data: str | None = field(default=None, repr=False)
    auth_env: str | None = None
    user: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    cert: Path | None = None
    key: Path | None = None
    model: Any = None
    carry: Literal["all", "none"] | tuple[str, ...] = "none"
    select: tuple[str, ...] = ()
    extra: tuple[Extra, ...] = ()
    save_dir: Path | None = None
    concurrency: Annotated[int, Bounds(ge=1)] = 100
    per_host: Annotated[int, Bounds(ge=1)] | None = None
    adaptive: bool = False
    rate: RateLimit | float | str | None = None
    burst: Annotated[float, Bounds(ge=1, finite=True)] | None = None
    tokens: RateLimit | float | str | None = None
    weight_from: str | None = None
    pace: bool = True
    retry: Retry | Annotated[int, Bounds(ge=1)] | None = Retry(max_retry_after=_HOUR)
    retry_policy: Literal["learned"] | None = None
    retry_on: tuple[Status | str, ...] | None = None
    retry_budget: Annotated[float, Bounds(ge=0, le=10)] | Literal["none"] | None = None
    max_wait: Annotated[float, Bounds(gt=0)] = _DAY
    max_outage: Annotated[float, Bounds(gt=0)] = 60.0
    timeout: Timeout | Annotated[float, Bounds(gt=0)] | None = 30.0
    idempotency_key: Literal["auto"] | None = None
    redirects: Annotated[int, Bounds(ge=0)] | None = None
    cache: bool = False
    cache_store: Path | None = None
    resume: bool = False
    overwrite: bool = False
    retry_failed: bool = False
    include_unknown: bool = False
    failed_to: Path | None = None
    ordered: bool = False
    max_errors: Annotated[int, Bounds(ge=1)] | None = None
    fail_fast: tuple[Status, ...] = ()
    durable: bool = False
    proxy: str | None = field(default=None, repr=False)
    proxy_env: bool = False
    tls: bool | str | TLS = True
    transport: Literal["native", "aiohttp"] = "native"
    report: Path | None = None
    summary: Path | None = None
    verbose: bool = False
    shared: Redis | str | None = field(default=None, repr=False)
    workers_hint: Annotated[int, Bounds(ge=1)] | None = None
    on: str | None = None
    chunk: Annotated[int, Bounds(ge=1)] = _CHUNK

    def __post_init__(self) -> None:
        """Check that the settings go together."""
        contradictions.check(self)

    def reader(self, *, relative: bool = False, source: Any = None, first_row: int = 0) -> Reader:
        """Make the reader of the input.

        Args:
            relative: Whether URLs without a host are allowed.
            source: A part of the input to read instead of all of it (sources.py).
            first_row: The number of its first row.

        Raises:
            ConfigError: The input or a template can't be read.
        """
        return Reader(
            self.input if source is None else source, format=self.format, template=self.url, method=self.method,
            json=self.json, data=self.data, headers=self.headers, carry=self.carry, weight_from=self.weight_from,
            limit=self.limit, relative=relative or bool(self.base_url), first_row=first_row,
        )  # fmt: skip

    @property
    def verb(self) -> str:
        """The HTTP method of rows that don't specify one."""
        return self.method or ("GET" if self.json is None and self.data is None else "POST")

    def what(self, digest: str) -> dict[str, Any]:
        """Return what must not change until the job is resumed."""
        named = {
            "carry": self.carry if isinstance(self.carry, str) else list(self.carry), "select": list(self.select),
            "with": list(self.extra), "save_dir": None if self.save_dir is None else str(self.save_dir),
            "json": self.json, "data": self.data,
        }  # fmt: skip
        unusual = {name: value for name, value in named.items() if value not in (None, [], "none")}
        return {"input": digest, "url": self.url, "method": self.verb, "base URL": self.base_url} | unusual

    def auth(self) -> Credential | None:
        """Make the credential: for the base URL's origin, or without one for that of each row.

        Raises:
            ConfigError: An environment variable is not set, or its value can't be sent.
        """
        return policy.auth(self)

    def limits(self) -> Timeout:
        """Return the timeout of the client."""
        return policy.limits(self)

    def model_type(self) -> Any:
        """Return the model, imported if it is given by name.

        Raises:
            ConfigError: There is no such model.
        """
        return policy.model_type(self)

    def retries(self) -> Retry | None:
        """Return the retry settings of the client.

        Raises:
            ConfigError: `retry_on` names something that is no error.
        """
        return policy.retries(self)

    def rate_limit(self) -> RateLimit | None:
        """Return the rate as a limit.

        Raises:
            ConfigError: The text can't be read.
        """
        return policy.rate_limit(self)

    def rate_limits(self, weights: Weights | None = None) -> tuple[RateLimit, ...]:
        """Return all limits of the client: `rate`, and `tokens` by the weight of each row, which `weights` knows.

        Raises:
            ConfigError: One can't be read.
        """
        return policy.rate_limits(self, weights)

    def at_a_time(self) -> int | Adaptive:
        """Return the client's limit of attempts at a time."""
        return policy.at_a_time(self)

    def tls_settings(self) -> bool | str | TLS:
        """Return the client's TLS settings, with the certificate of the job."""
        return policy.tls_settings(self)

    def cache_settings(self) -> Cache | None:
        """Return the client's cache."""
        return policy.cache(self)

    def shared_limits(self) -> Redis | None:
        """Return the server by which the client shares its limits.

        Raises:
            ConfigError: Its URL can't be read.
        """
        return policy.shared_limits(self)

    def limits_text(self) -> str:
        """Describe the limits: "100 at a time, 50 a second"."""
        return policy.limits_text(self)
