"""Make the settings of a job's client: its credential, limits, retries, TLS."""

from __future__ import annotations

import importlib
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from asyncapi.bulk.weights import Weights
from asyncapi.credentials import ApiKey, Basic, Bearer
from asyncapi.errors import ConfigError
from asyncapi.settings import TLS, Adaptive, Budget, Cache, Learned, RateLimit, Redis, Retry, Timeout

if TYPE_CHECKING:
    from asyncapi.bulk.job import Job
    from asyncapi.credentials import Credential

_HOUR = 3600.0  # seconds
_LEARN_FROM = 20  # attempts at a time that an adaptive limit starts with


def auth(job: Job) -> Credential | None:
    """Make the credential of a job.

    Raises:
        ConfigError: An environment variable is not set, or its value can't be sent.
    """
    if job.auth_env is not None:
        return Bearer(_from_environment(job.auth_env, "token"))
    if job.api_key_env is not None:
        header, equals, variable = job.api_key_env.rpartition("=")
        value = _from_environment(variable, "key")
        return ApiKey(value, header=header.strip()) if equals else ApiKey(value)
    if job.user is None:
        return None
    name, colon, password = job.user.partition(":")
    if not colon:
        raise ConfigError("--user needs a name and a password: write name:password")
    return Basic(name, password)


def _from_environment(name: str, kind: str) -> str:
    """Return the value of an environment variable, without the line end that a file may have brought."""
    name = name.strip()
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {name} is not set: export {name}=<{kind}>")
    return value


def limits(job: Job) -> Timeout:
    """Return the timeout of a job's client."""
    if isinstance(job.timeout, Timeout):
        return job.timeout
    if job.timeout is None:
        return Timeout(None, connect=None)
    return Timeout(None, connect=min(5.0, job.timeout), attempt=job.timeout)


def model_type(job: Job) -> Any:
    """Return the model, imported if it is given by name.

    Raises:
        ConfigError: There is no such model.
    """
    return _imported(job.model) if isinstance(job.model, str) else job.model


def retries(job: Job) -> Retry | None:
    """Return the retry settings of a job's client."""
    retry = Retry(job.retry, max_retry_after=_HOUR) if isinstance(job.retry, int) else job.retry
    if retry is None:
        return None
    budget = retry.budget
    if job.retry_policy is not None and retry.policy is None:
        retry = replace(retry, policy=Learned())
        budget = retry.budget
        if budget == Budget():  # the usual one, which a policy replaces
            budget = Retry(policy=Learned()).budget
    if job.retry_budget is not None:
        floor = budget.floor if isinstance(budget, Budget) else Budget().floor
        budget = None if job.retry_budget == "none" else Budget(job.retry_budget, floor)
    retry = replace(retry, budget=budget, max_retry_after=min(retry.max_retry_after, job.max_wait))
    if job.retry_on is None:
        return retry
    from asyncapi.bulk.retry_on import RetryOn  # noqa: PLC0415 - most jobs keep to the defaults

    chosen = RetryOn.of(job.retry_on)
    return replace(retry, statuses=chosen.statuses, retry=chosen)


def rate_limit(job: Job) -> RateLimit | None:
    """Return the rate of a job as a limit.

    Raises:
        ConfigError: The text can't be read.
    """
    limit = None if job.rate is None else _limit(job.rate, "")
    return limit if limit is None or job.burst is None else replace(limit, burst=job.burst)


def rate_limits(job: Job, weights: Weights | None = None) -> tuple[RateLimit, ...]:
    """Return all limits of a job's client; `weights` knows what each row takes of `tokens`.

    Raises:
        ConfigError: One can't be read.
    """
    rate = rate_limit(job)
    tokens = None if job.tokens is None else replace(_limit(job.tokens, "--tokens: "), weight=weights or Weights())
    return tuple(limit for limit in (rate, tokens) if limit is not None)


def _limit(rate: RateLimit | float | str, option: str) -> RateLimit:
    if isinstance(rate, RateLimit):
        return rate
    try:
        return RateLimit.of(rate if isinstance(rate, str) else f"{rate:f}")
    except ConfigError as error:
        raise ConfigError(f"{option}{error.message}") from None


def at_a_time(job: Job) -> int | Adaptive:
    """Return the limit of attempts at a time: of the job, or of each host, fixed or learned."""
    most = min(job.concurrency, job.per_host or job.concurrency)
    if job.adaptive:
        return Adaptive(initial=min(_LEARN_FROM, most), maximum=most)
    # a limit that cannot move; the job itself sends no more than `concurrency` rows at a time
    return job.concurrency if job.per_host is None else Adaptive(initial=most, minimum=most, maximum=most)


def tls_settings(job: Job) -> bool | str | TLS:
    """Return the TLS settings of a job's client, with its certificate."""
    tls = job.tls
    if job.cert is None:
        return tls
    cert, key = str(job.cert), None if job.key is None else str(job.key)
    if isinstance(tls, TLS):
        return replace(tls, cert=cert, key=key)
    if isinstance(tls, str):
        return TLS(ca=tls, cert=cert, key=key)
    return TLS(cert=cert, key=key, verify=tls)


def cache(job: Job) -> Cache | None:
    """Return the cache of a job's client; what it keeps in a file is for later runs, too."""
    if job.cache_store is None:
        return Cache() if job.cache else None
    from asyncapi.bulk.cached import JobStore  # noqa: PLC0415 - sqlite3, which most jobs don't need

    return Cache(store=JobStore(job.cache_store))


def shared_limits(job: Job) -> Redis | None:
    """Return the server by which a job's client shares its limits; `env:NAME` is the URL in a variable.

    What follows a `#` in the URL is the name under which they are shared: `redis://host#orders`.

    Raises:
        ConfigError: Its URL can't be read, or the variable is not set.
    """
    url = job.shared
    if not isinstance(url, str):
        return url
    if url.startswith("env:"):
        name = url.removeprefix("env:")
        url = os.environ.get(name, "").strip()
        if not url:
            raise ConfigError(f"the environment variable {name} is not set: export {name}=redis://...")
    url, _, name = url.partition("#")
    return Redis(url, name=name or "asyncapi", workers=job.workers_hint or 1)


def limits_text(job: Job) -> str:
    """Describe the limits of a job: "100 at a time, 50 a second"."""
    text = [f"{job.concurrency} at a time"]
    if job.adaptive:
        text = [f"up to {job.concurrency} at a time, learned"]
    if job.per_host is not None:
        text.append(f"{job.per_host} to a host")
    text += [limit.describe() if limit.weight is None else f"{limit.describe()} (tokens)" for limit in rate_limits(job)]
    return ", ".join(text)


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
