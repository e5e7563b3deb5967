"""What is done before a job reads its first row: everything is checked, nothing is opened for writing or sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncapi.bulk.report import check_report
from asyncapi.bulk.sinks import Sink, sink_for
from asyncapi.bulk.store import check_output
from asyncapi.client import Client
from asyncapi.decoding import adapter

if TYPE_CHECKING:
    from asyncapi.bulk.job import Job


def check(job: Job) -> tuple[Sink, Any]:
    """The job's output, not yet open, and its model.

    Raises:
        ConfigError: The output, the report or the model cannot be.
    """
    sink = sink_for(job.output)
    check_output(sink, job.input, resume=job.resume, overwrite=job.overwrite)
    check_report(job.report)
    model = job.model_type()
    if model is not None:
        adapter(model)
    return sink, model


def client_for(job: Job) -> Client:
    """The client a job asks for.

    Raises:
        ConfigError: A setting is wrong.
    """
    return Client(
        job.base_url,
        headers=job.all_headers(),
        timeout=job.limits(),
        retry=job.retry,
        concurrency=job.concurrency,
        rate=job.rate_limit(),
        tls=job.tls,
        proxy=job.proxy,
    )
