"""What a job on several workers can't do is said before anything is sent, with what to do instead."""

import pytest

from asyncapi.bulk import Job
from asyncapi.bulk.fleet.refusals import refuse
from asyncapi.errors import ConfigError

REFUSED = [
    ({"rate": "50"}, r"--rate with --on needs --shared redis://host: each worker would send at that rate"),
    ({"tokens": "100/m", "weight_from": "n"}, r"--tokens with --on needs --shared"),
    ({"headers": {"Authorization": "Bearer s3cret"}}, r"the header Authorization is a secret.*--auth-env"),
    ({"headers": {"X-Api-Key": "s3cret"}}, r"the header X-Api-Key is a secret.*--api-key-env 'X-Api-Key=VARIABLE'"),
    ({"headers": {"Cookie": "s3cret"}}, "the header Cookie is a secret"),
    ({"user": "me:s3cret"}, "--user has a password"),
    ({"base_url": "https://me:s3cret@h/"}, "the URL of --base-url holds a secret"),
    ({"url": "https://h/{id}?api_key=s3cret"}, "the URL of --url holds a secret"),
    ({"proxy": "http://me:s3cret@p/"}, "the URL of --proxy holds a secret.*--proxy-env"),
    ({"shared": "redis://:s3cret@h"}, "the URL of --shared holds a secret.*env:REDIS_URL"),
    ({"retry_failed": True}, "--retry-failed works on one machine"),
    ({"failed_to": "f.jsonl"}, "--failed-to works on one machine"),
    ({"output": "-"}, "with --on the output is a file"),
]


@pytest.mark.parametrize(("settings", "why"), REFUSED, ids=[next(iter(settings)) for settings, _ in REFUSED])
def test_a_job_that_cannot_run_on_several_workers_is_refused(settings, why):
    job = Job(**{"input": "in.txt", "output": "o.jsonl", **settings})
    with pytest.raises(ConfigError, match=why) as caught:
        refuse(job, "dask://h:8786")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"rate": "50", "shared": "redis://h"},
        {"headers": {"Accept": "text/plain", "Idempotency-Key": "k"}},
        {"auth_env": "TOKEN"},
        {"api_key_env": "X-Key=TOKEN"},
        {"url": "https://h/{id}?page=2"},
    ],
)
def test_what_needs_no_secret_and_no_shared_limit_is_allowed(settings):
    refuse(Job("in.txt", "o.jsonl", **settings), "dask://h:8786")


def test_a_file_on_the_network_is_not_for_several_machines(monkeypatch):
    job = Job("in.txt", "o.jsonl", cache_store="/net/c.db")
    refuse(job, "dask://h:8786")
    monkeypatch.setattr("asyncapi.bulk.fleet.refusals.is_on_network", lambda place: str(place) == "/net/c.db")
    with pytest.raises(ConfigError, match=r"--cache-store /net/c\.db is on a network file system"):
        refuse(job, "dask://h:8786")
    refuse(job, "local:2")


def test_one_process_alone_keeps_a_rate():
    refuse(Job("in.txt", "o.jsonl", rate="50"), "local:1")
