"""Prepare a job: check everything, open its output, and make its client."""

from __future__ import annotations

from asyncio import CancelledError
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from asyncapi.bulk.bodies import HeaderFields
from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.places import check_apart, check_output, journal_path
from asyncapi.bulk.report import check_report
from asyncapi.bulk.sinks import Sink, sink_for
from asyncapi.bulk.sources import local_file
from asyncapi.bulk.store import open_store
from asyncapi.bulk.summary import check_summary
from asyncapi.bulk.weights import Weights
from asyncapi.client.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import TransportError
from asyncapi.messages.decoding import adapter
from asyncapi.messages.open_body import release_at_end
from asyncapi.sansio.failures.resend import IDEMPOTENT, says_nothing
from asyncapi.transports.factory import MAX_BODY, http_transport

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from asyncapi.bulk.columns import Columns
    from asyncapi.bulk.commentary import Commentary
    from asyncapi.bulk.job import Job
    from asyncapi.bulk.part import Part
    from asyncapi.bulk.store import Store
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Transport


KEY = "Idempotency-Key"
_REDIRECTS = 10  # as of a client

Noted: TypeAlias = "Callable[[], object] | None"
"""What is called right before the head of a noted request is written: it may raise, and the request isn't sent."""


def unsafe_to_repeat(request: Request) -> bool:
    """Whether sending the request a second time may do its work a second time."""
    if request.idempotent is not None:
        return not request.idempotent
    return request.method not in IDEMPOTENT and not request.idempotency_key and KEY not in request.headers


class Observer(Protocol):
    """Learns how every attempt ends."""

    def answered(self, key: str, response: Response, began: float, now: float) -> None:
        """Note that an attempt to this host has got a response."""
        ...

    def failed(self, key: str, why: str, began: float, now: float) -> None:
        """Note that an attempt to this host has got no response."""
        ...


class NotingTransport:
    """A transport that notes each request which must not be sent twice, just before it is sent.

    Args:
        inner: Sends the attempts.
        note: Called with the row; what it returns is called right before the head is written.
        observer: Learns how attempts end.
        synced: Waits until the notes are safe from a power cut; None if they need not be.
        weights: As the attribute.

    Attributes:
        weights: How many tokens each row takes, where the job limits them.
        sending: Attempts under way, until their body has ended.
    """

    def __init__(
        self,
        inner: Transport,
        note: Callable[[int], Noted],
        observer: Observer | None = None,
        synced: Callable[[], Awaitable[None]] | None = None,
        weights: Weights | None = None,
    ) -> None:
        self._inner = inner
        self._note = note
        self._observer = observer
        self._synced = synced
        self.sending: int = 0
        self.weights: Weights | None = weights

    async def send(self, request: Request) -> Response:
        """Send one attempt."""
        if (request.method not in IDEMPOTENT or request.idempotent is False) and unsafe_to_repeat(request):
            request.call.before_write = self._note(request.id)
            if self._synced is not None:
                await self._synced()
        observer, began = self._observer, SYSTEM.now()
        self.sending += 1
        try:
            response = await self._inner.send(request)
        except BaseException as error:
            self.sending -= 1
            if observer is not None and isinstance(error, TransportError) and not says_nothing(error):
                why = f"{type(error).__name__}: {error.message}"
                observer.failed(request.target.host, why, began, SYSTEM.now())
            raise
        if response.open_body is None:
            self.sending -= 1
        else:
            release_at_end(response, self._sent)
        if observer is not None:
            observer.answered(request.target.host, response, began, SYSTEM.now())
        return response

    def _sent(self, _: BaseException | None) -> None:
        self.sending -= 1

    async def aclose(self) -> None:
        """Close the inner transport."""
        await self._inner.aclose()


def check(job: Job) -> tuple[Sink, Any]:
    """Check the output, the report, the summary and the model; return the output, not yet open, and the model.

    Raises:
        ConfigError: One of them can't be used.
    """
    sink = sink_for(job.output)
    if not job.retry_failed:  # its output is there, and is checked when it is read
        check_output(sink, local_file(job.input), resume=job.resume, overwrite=job.overwrite)
    places = {"the input": local_file(job.input), "--output": job.output, "--report": job.report}
    places |= {"--summary": job.summary, "--failed-to": job.failed_to, "--cache-store": job.cache_store}
    check_apart(places.items())
    return sink, check_beside(job)


def is_stopped(job: Job) -> bool:
    """Whether the output is that of a job that was stopped."""
    sink = sink_for(job.output)
    return sink.resumable and journal_path(sink).exists()


def check_beside(job: Job) -> Any:
    """Check what a job needs beside an output: the report, the summary and the model; return the model.

    Raises:
        ConfigError: One of them can't be used.
    """
    if job.report is not None:
        check_report(job.report)
    if job.summary is not None:
        check_summary(job.summary)
    if job.failed_to is not None:
        from asyncapi.bulk.failed import FailedRows  # noqa: PLC0415 - most jobs don't

        FailedRows(job.failed_to).check(local_file(job.input), job.output)
    if job.cache_store is not None:
        from asyncapi.bulk.cached import check_store  # noqa: PLC0415 - sqlite3, which most jobs don't need

        check_store(job.cache_store)
    model = job.model_type()
    if model is not None:
        adapter(model)
    return model


async def open_output(
    job: Job,
    sink: Sink,
    what: dict[str, Any],
    *,
    columns: Columns | None = None,
    part: Part | None = None,
    resume: bool | None = None,
) -> Store:
    """Open the output in a thread: it may wait for locks, and reads what an earlier run wrote.

    Args:
        job: The job.
        sink: The output.
        what: What must not change until the job is resumed.
        columns: The columns of a table.
        part: The part of the job that is run.
        resume: Whether to continue an earlier run; by default as the job says.

    Raises:
        ConfigError: The output can't be opened, or belongs to another job.
    """
    left = False

    def work() -> Store:
        store = open_store(
            sink,
            what,
            resume=job.resume if resume is None else resume,
            overwrite=job.overwrite,
            job_id=None if part is None else part.job_id,
            columns=columns,
            durable=job.durable,
        )
        if left:
            store.close()
        return store

    try:
        return await in_thread(work)
    except CancelledError:
        left = True
        raise


def client_for(
    job: Job,
    note: Callable[[int], Noted],
    observer: Observer | None = None,
    commentary: Commentary | None = None,
    synced: Callable[[], Awaitable[None]] | None = None,
) -> Client:
    """Make the client of a job.

    Args:
        job: The job.
        note: Called with the row of a request that must not be sent twice, just before it is sent.
        observer: Learns how every attempt ends.
        commentary: Learns which rows are sent again.
        synced: Waits until notes are safe from a power cut; None if they need not be.

    Raises:
        ConfigError: A setting is wrong.
    """
    weights = None if job.tokens is None else Weights()
    return Client(
        job.base_url,
        headers=HeaderFields(job.headers).fixed,
        auth=job.auth(),
        timeout=job.limits(),
        retry=job.retries(),
        pace=job.pace,
        concurrency=job.at_a_time(),
        rate=job.rate_limits(weights),
        redirects=_REDIRECTS if job.redirects is None else job.redirects,
        cache=job.cache_settings(),
        single_flight=job.cache or job.cache_store is not None,
        watch=() if commentary is None else (commentary,),
        transport=NotingTransport(_transport_for(job), note, observer, synced, weights),
        shared=job.shared_limits(),
    )


def _transport_for(job: Job) -> Transport:
    make = partial(
        http_transport,
        SYSTEM,
        transport=job.transport,
        max_body=MAX_BODY,
        proxy=job.proxy,
        trust_env="proxies" if job.proxy_env else False,
    )
    transport = make(tls=job.tls_settings())
    if job.cert is None:
        return transport
    from asyncapi.bulk.certificate import CertificateTransport  # noqa: PLC0415 - most jobs have none

    return CertificateTransport(transport, partial(make, tls=job.tls), job.base_url)
