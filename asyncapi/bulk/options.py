"""The settings of a job as keyword arguments, for functions that make the job themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from asyncapi.bulk.reader import Format
    from asyncapi.settings import TLS, RateLimit, Redis, Retry, Timeout


class JobOptions(TypedDict, total=False):
    """What `Job` takes beside `input` and `output`; its docstring says what each is."""

    url: str | None
    format: Format | None
    limit: int | None
    method: str | None
    base_url: str
    headers: Mapping[str, str]
    json: Any
    data: str | None
    auth_env: str | None
    user: str | None
    api_key_env: str | None
    cert: Path | None
    key: Path | None
    model: Any
    carry: Literal["all", "none"] | tuple[str, ...]
    select: tuple[str, ...]
    extra: tuple[Literal["headers", "url", "bytes"], ...]
    save_dir: Path | None
    concurrency: int
    per_host: int | None
    adaptive: bool
    rate: RateLimit | float | str | None
    burst: float | None
    tokens: RateLimit | float | str | None
    weight_from: str | None
    pace: bool
    retry: Retry | int | None
    retry_policy: Literal["learned"] | None
    retry_on: tuple[int | str, ...] | None
    retry_budget: float | Literal["none"] | None
    max_wait: float
    max_outage: float
    timeout: Timeout | float | None
    idempotency_key: Literal["auto"] | None
    redirects: int | None
    cache: bool
    cache_store: Path | None
    resume: bool
    overwrite: bool
    retry_failed: bool
    include_unknown: bool
    failed_to: Path | None
    ordered: bool
    max_errors: int | None
    fail_fast: tuple[int, ...]
    durable: bool
    proxy: str | None
    proxy_env: bool
    tls: bool | str | TLS
    transport: Literal["native", "aiohttp"]
    report: Path | None
    summary: Path | None
    verbose: bool
    shared: Redis | str | None
    workers_hint: int | None
    on: str | None
    chunk: int
