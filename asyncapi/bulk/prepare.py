"""What is done before a job sends its first row: everything is checked, then its output is opened."""

from __future__ import annotations

from asyncio import CancelledError
from typing import TYPE_CHECKING, Any, Protocol

from asyncapi.bulk.feed import in_thread
from asyncapi.bulk.report import check_report
from asyncapi.bulk.sinks import Sink, sink_for
from asyncapi.bulk.store import check_output, open_store
from asyncapi.client.client import Client
from asyncapi.clock import SYSTEM
from asyncapi.errors import TransportError
from asyncapi.messages.decoding import adapter
from asyncapi.sansio.failures.resend import IDEMPOTENT
from asyncapi.transports.factory import MAX_BODY, http_transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from asyncapi.bulk.job import Job
    from asyncapi.bulk.store import Store
    from asyncapi.messages.request import Request
    from asyncapi.messages.response import Response
    from asyncapi.types import Transport


_KEY = "Idempotency-Key"


def once_only(request: Request) -> bool:
    """Whether sending it a second time may do its work a second time."""
    return request.method not in IDEMPOTENT and not request.idempotency_key and _KEY not in request.headers


class Seen(Protocol):
    """Who is told what becomes of every attempt."""

    def answered(self, key: str, response: Response, began: float, now: float) -> None:
        """An attempt to this host has brought an answer."""
        ...

    def failed(self, key: str, why: str, began: float, now: float) -> None:
        """It has brought none."""
        ...


class Noted:
    """A transport that has every request which must not be sent twice noted, just before it is sent.

    Args:
        inner: Carries the attempts.
        note: Called with the row.
        seen: Told what becomes of them.
    """

    def __init__(self, inner: Transport, note: Callable[[int], None], seen: Seen | None = None) -> None:
        self._inner = inner
        self._note = note
        self._seen = seen

    async def send(self, request: Request) -> Response:
        """Carry one attempt."""
        if request.method not in IDEMPOTENT and once_only(request):
            self._note(request.id)
        seen, began = self._seen, SYSTEM.now()
        if seen is None:
            return await self._inner.send(request)
        try:
            response = await self._inner.send(request)
        except TransportError as error:
            if not error.stale:
                why = f"{type(error).__name__}: {error.message}"
                seen.failed(request.url.host_port_subcomponent or "", why, began, SYSTEM.now())
            raise
        seen.answered(request.url.host_port_subcomponent or "", response, began, SYSTEM.now())
        return response

    async def aclose(self) -> None:
        """Close the transport under it."""
        await self._inner.aclose()


def check(job: Job) -> tuple[Sink, Any]:
    """The job's output, not yet open, and its model.

    Raises:
        ConfigError: The output, the report or the model cannot be.
    """
    sink = sink_for(job.output)
    check_output(sink, job.input, resume=job.resume, overwrite=job.overwrite)
    if job.report is not None:
        check_report(job.report)
    model = job.model_type()
    if model is not None:
        adapter(model)
    return sink, model


async def opened(job: Job, sink: Sink, digest: str) -> Store:
    """The output, opened in a thread: others' locks are waited for, and what an earlier run wrote is read.

    Raises:
        ConfigError: It cannot be opened, or is another job's.
    """
    left = False

    def work() -> Store:
        store = open_store(sink, job.what(digest), resume=job.resume, overwrite=job.overwrite)
        if left:
            store.close()
        return store

    try:
        return await in_thread(work)
    except CancelledError:
        left = True
        raise


def client_for(job: Job, note: Callable[[int], None], seen: Seen | None = None) -> Client:
    """The client a job asks for.

    Args:
        job: The job.
        note: Called with the row of a request that must not be sent twice, just before it is sent.
        seen: Told what becomes of every attempt.

    Raises:
        ConfigError: A setting is wrong.
    """
    transport = http_transport(SYSTEM, max_body=MAX_BODY, tls=job.tls, proxy=job.proxy)
    return Client(
        job.base_url,
        headers=job.headers,
        auth=job.auth(),
        timeout=job.limits(),
        retry=job.retries(),
        pace=job.pace,
        concurrency=job.concurrency,
        rate=job.rate_limit(),
        transport=Noted(transport, note, seen),
    )
