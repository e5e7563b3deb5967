"""Say which settings of a job contradict each other: each pair has one sentence that says what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.errors import ConfigError
from asyncapi.settings import TLS, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.job import Job


def check(job: Job) -> None:
    """Refuse settings that contradict each other.

    Raises:
        ConfigError: Two of them do; the message names the options, and says what to do.
    """
    for is_wrong, why in _pairs(job):
        if is_wrong:
            raise ConfigError(why)


def _pairs(job: Job) -> Iterator[tuple[bool, str]]:
    yield from _requests(job)
    yield from _limits(job)
    yield from _retries(job)
    yield from _results(job)


def _requests(job: Job) -> Iterator[tuple[bool, str]]:
    credentials = [name for name in ("auth_env", "user", "api_key_env") if getattr(job, name) is not None]
    yield (
        len(credentials) > 1,
        f"{_options(credentials)} each say who calls: give one of them, and send another credential by --header",
    )
    yield job.json is not None and job.data is not None, "--json and --data are both the body: give one of them"
    yield (
        job.key is not None and job.cert is None,
        "--key is the private key of a certificate: give the certificate too, with --cert FILE",
    )
    yield (
        job.cert is not None and isinstance(job.tls, TLS) and job.tls.cert is not None,
        "--cert is there twice: Job(cert=...) and in Job(tls=TLS(cert=...)); give one of them",
    )
    yield (
        job.proxy is not None and job.proxy_env,
        "--proxy names a proxy, --proxy-env takes it from the environment: give one of them",
    )


def _limits(job: Job) -> Iterator[tuple[bool, str]]:
    yield (
        job.burst is not None and job.rate is None,
        "--burst says how many attempts of --rate may go at once: give --rate too",
    )
    yield (
        job.weight_from is not None and job.tokens is None,
        "--weight-from says how many tokens a row takes: give their limit too, with --tokens 200000/m",
    )
    yield (
        job.tokens is not None and job.weight_from is None,
        "--tokens limits the tokens that the rows take: name their column too, with --weight-from COLUMN",
    )


def _retries(job: Job) -> Iterator[tuple[bool, str]]:
    learns = job.retry_policy is not None
    yield (
        learns and job.retry is None,
        "--retry-policy says which retries pay, and retry=None sends none: give one of them",
    )
    own = isinstance(job.retry, Retry) and (job.retry.retry is not None or job.retry.wait is not None)
    yield (
        learns and own,
        "--retry-policy decides what the strategies of Job(retry=Retry(retry=, wait=)) decide: give one of them",
    )


def _results(job: Job) -> Iterator[tuple[bool, str]]:
    yield (
        job.retry_failed and job.overwrite,
        "--retry-failed sends the failed rows of the output again, --overwrite replaces it all: give one of them",
    )
    yield (
        job.include_unknown and not job.retry_failed,
        "--include-unknown says what --retry-failed sends again: give --retry-failed too",
    )
    yield (
        job.retry_failed and job.limit is not None,
        "--retry-failed reads all rows that failed: leave --limit out",
    )
    yield (
        job.save_dir is not None and job.cache_store is not None,
        "--save-dir writes each response as it comes, and --cache-store keeps none of those: give one of them",
    )
    for name in ("select", "model"):
        yield (
            job.save_dir is not None and bool(getattr(job, name)),
            f"--save-dir saves each response unread, --{name} reads it: give one of them",
        )


def _options(names: list[str]) -> str:
    options = [f"--{name.replace('_', '-')}" for name in names]
    return " and ".join(filter(None, [", ".join(options[:-1]), options[-1] if options else ""]))
