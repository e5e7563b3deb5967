"""Say what a job on several workers can't do, and what to do instead, before anything is sent.

Rules:
1. A limit that each worker would keep on its own is refused, not divided in silence.
2. No secret goes to a worker with the job: the engine would store it, log it or show it. Workers read theirs from their
   own environment.
3. What depends on all rows in order is refused, if the coordinator can't do it.
4. A SQLite file that several machines share is refused: its processes share memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.bulk.fleet.network import is_on_network
from asyncapi.errors import ConfigError
from asyncapi.redact import is_secret, redact_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from asyncapi.bulk.job import Job


def refuse(job: Job, on: Any) -> None:
    """Refuse a job that can't run on several workers.

    Args:
        job: The job.
        on: The engine.

    Raises:
        ConfigError: It can't; the message says what to do.
    """
    alone = on == "local:1"
    here = str(on).startswith("local:")
    for is_wrong, why in (*_limits(job, alone=alone), *_secrets(job), *_results(job), *_places(job, here=here)):
        if is_wrong:
            raise ConfigError(why)


def _limits(job: Job, *, alone: bool) -> Iterator[tuple[bool, str]]:
    for name in ("rate", "tokens"):
        yield (
            getattr(job, name) is not None and job.shared is None and not alone,
            (
                f"--{name} with --on needs --shared redis://host: each worker would send at that rate on its own, so "
                "that N workers sent N times as much"
            ),
        )


def _secrets(job: Job) -> Iterator[tuple[bool, str]]:
    elsewhere = "the engine would store it and show it"
    for name in job.headers:
        yield (
            is_secret(name),
            (
                f"the header {name} is a secret, and with --on it would go to the workers with the job: {elsewhere}. "
                "Set a variable in the environment of each worker, and name it: --auth-env VARIABLE, or --api-key-env "
                f"'{name}=VARIABLE'"
            ),
        )
    yield (
        job.user is not None,
        (
            f"--user has a password, and with --on it would go to the workers with the job: {elsewhere}. Set a "
            "variable in the environment of each worker to 'Basic <base64 of name:password>', and name it: "
            "--api-key-env 'Authorization=VARIABLE'"
        ),
    )
    urls = {"--base-url": job.base_url, "--url": job.url, "--proxy": job.proxy, "--shared": _redis(job.shared)}
    for option, url in urls.items():
        yield (
            bool(url) and redact_url(str(url)) != str(url),
            f"the URL of {option} holds a secret, and with --on it would go to the workers with the job: {elsewhere}. "
            + _INSTEAD.get(option, "Put it into a variable of each worker's environment, and name it: --api-key-env"),
        )


_INSTEAD = {
    "--proxy": "Set HTTPS_PROXY in the environment of each worker, and give --proxy-env",
    "--shared": "Set REDIS_URL in the environment of each worker and of this machine, and give --shared env:REDIS_URL",
}


def _redis(shared: Any) -> str | None:
    return None if shared is None else str(getattr(shared, "url", shared))


def _places(job: Job, *, here: bool) -> Iterator[tuple[bool, str]]:
    store = job.cache_store
    yield (
        store is not None and not here and is_on_network(store),
        (
            f"--cache-store {store} is on a network file system, where several machines would damage it: name a file "
            "that is on a disk of its own on each machine"
        ),
    )


def _results(job: Job) -> Iterator[tuple[bool, str]]:
    yield (
        str(job.output) == "-",
        "with --on the output is a file, since the parts of the workers lie beside it: name one with -o",
    )
    yield (
        job.retry_failed,
        "--retry-failed works on one machine: run the same command without --on, it sends only the rows that failed",
    )
    yield (
        job.failed_to is not None,
        "--failed-to works on one machine: leave it out, and send the failed rows again by --retry-failed without --on",
    )
