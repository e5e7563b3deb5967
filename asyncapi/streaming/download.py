"""Save a streamed body into a file, which is there whole or not at all.

Rules:
1. The bytes go into a file of another name beside the target, which is renamed at the end; a download that fails or is
   cancelled leaves nothing.
2. A body that breaks off is resumed where the server can send the rest of the very same one (Range and If-Range): of a
   plain GET with a strong validator. The retries of the call are counted from the last byte received.
3. A server may send less than the rest (RFC 9110 section 15.3.7): it is asked again, until all has arrived.
4. A response that may belong to another file (another validator or none, another total, a body that is not as long as
   it says) is never joined: the file is requested anew, whole, as often as the call has attempts.
5. Worker threads write the bytes, a mebibyte at a time.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio.to_thread

from asyncapi.errors import ConfigError, ProtocolError, RejectedError, RequestTimeout, StatusError
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.http.ranges import Part, continues_at, part_of, validator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from os import PathLike

    from asyncapi.clock import Clock
    from asyncapi.settings import Retry
    from asyncapi.streaming.response import StreamedResponse

    Progress = Callable[[int, int | None], object]
    Reopen = Callable[[Mapping[str, str]], Awaitable[StreamedResponse]]

_PIECE = 1024 * 1024  # bytes
_OK, _PARTIAL = 200, 206
_NO_RANGE = (412, 416)  # Precondition Failed, Range Not Satisfiable: the file has changed


async def save(
    response: StreamedResponse,
    path: str | PathLike[str],
    progress: Progress | None,
    reopen: Reopen | None,
    clock: Clock,
) -> int:
    """Save the body; return its size in bytes.

    Raises:
        TransportError: The body broke off for good.
        ConfigError: The file can't be created.
        OSError: The file can't be written to its end.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        file = partial.open("xb")  # rule 1
    except (OSError, ValueError) as error:
        raise ConfigError(f"save({str(path)!r}): {error}") from error
    try:
        with file:
            saved = await _Saving(file, response, progress, reopen, clock).run()
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return saved


class _Saving:
    """Writes one file, over one connection or several.

    Attributes:
        done: Bytes so far.
    """

    def __init__(
        self,
        file: IO[bytes],
        response: StreamedResponse,
        progress: Progress | None,
        reopen: Reopen | None,
        clock: Clock,
    ) -> None:
        self._file = file
        self._source = response
        self._progress = progress
        self._reopen = reopen
        self._clock = clock
        self._policy = _policy_of(response)
        self._headers = {} if response.request is None else response.request.headers
        self._restarts = 0
        self._begin(response)

    async def run(self) -> int:
        """Write the file to its end."""
        try:
            while (failure := await self._copy()) is not None or not (self._to_the_end or self.done == self._total):
                await self._go_on(failure)
            await anyio.to_thread.run_sync(self._file.flush)
        except BaseException as error:
            self._source.close(error if isinstance(error, asyncio.CancelledError) else None)
            raise
        return self.done

    def _begin(self, response: StreamedResponse) -> None:
        """Take the response for the beginning of the file.

        Raises:
            ProtocolError: It is a part that was not requested, and not the first.
        """
        self._source = response
        part = part_of(response.status, response.headers)
        own = "Range" in self._headers and (response.status == _PARTIAL or "Content-Range" in response.headers)
        if own:  # the caller's own range: the file is that range
            size = None if part is None or part.stop is None else part.stop - part.start
            part = Part(0, size, size)
        if part is None or part.start:
            raise self._wrong("the server sent a part that was not requested, or does not say which (Content-Range)")
        with_body = response.status in {_OK, _PARTIAL} and (
            response.request is None or response.request.method != "HEAD"
        )
        self.done = self._furthest = self._tries = 0
        self._stop, self._total, self._to_the_end = part.stop if with_body else None, part.total, part.whole
        self._validator = validator(response.headers) if with_body and not own else None
        self._spoilt = False  # whether the bytes so far can't be trusted

    async def _copy(self) -> ProtocolError | RequestTimeout | None:
        """Write the body of the current response; return the failure that cut it off, or None."""
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in self._source.bytes():
                self._count(piece)
                pieces.append(piece)
                size += len(piece)
                if size >= _PIECE:
                    await anyio.to_thread.run_sync(self._file.write, b"".join(pieces))
                    pieces, size = [], 0
            if self._stop is not None and self.done < self._stop:
                raise self._wrong(f"the body broke off after {self.done:,} of {self._stop:,} bytes")
        except (ProtocolError, RequestTimeout) as error:
            self._source.close(error)
            self._file.write(b"".join(pieces))
            return error
        await anyio.to_thread.run_sync(self._file.write, b"".join(pieces))
        return None

    def _count(self, piece: bytes) -> None:
        if self._stop is not None and self.done + len(piece) > self._stop:
            self._spoilt = True
            raise self._wrong(f"the body continues after the {self._stop:,} bytes that the server announced")
        self.done += len(piece)
        if self._progress is not None:
            self._progress(self.done, self._total)

    async def _go_on(self, failure: ProtocolError | RequestTimeout | None) -> None:
        """Request the rest (rule 2), or the whole anew (rule 4); raise the failure where neither can be had."""
        error = failure or self._wrong(f"only {self.done:,} of {self._total or 'more'} bytes arrived")
        policy = self._policy
        if policy is None or self._reopen is None or self._validator is None or error.final:
            raise error
        further = self.done > self._furthest
        self._furthest = max(self._furthest, self.done)
        self._tries = 0 if further else self._tries
        if failure is not None or not further:
            self._tries += 1
            if policy.max_attempts is not None and self._tries >= policy.max_attempts:
                raise error
            tries = self._tries + self._restarts
            await self._clock.sleep(full_jitter(tries, self._clock.random(), base=policy.base, cap=policy.cap))
        if self._spoilt or not await self._open_rest(self._validator, error):
            self._restart(error)
            self._start_again(await self._ask({}, error), error)

    async def _open_rest(self, known: str, error: ProtocolError | RequestTimeout) -> bool:
        """Request the rest; return whether the response is usable: the rest or some of it, or the whole."""
        headers = {"Range": f"bytes={self.done}-", "If-Range": known}
        if "Accept-Encoding" not in self._headers:
            headers["Accept-Encoding"] = "identity"  # as in browsers: ranges count the bytes of the coding
        try:
            response = await self._ask(headers, error)
        except StatusError as refusal:
            if refusal.status in _NO_RANGE:
                return False
            raise
        part = part_of(response.status, response.headers)
        if part is not None and continues_at(part, response.headers, at=self.done, total=self._total, known=known):
            self._source, self._stop, self._total = response, part.stop, self._total or part.total
            self.done, self._to_the_end = part.start, False
            self._file.seek(part.start)
            self._file.truncate()
            return True
        if part is not None and part.whole and response.status in {_OK, _PARTIAL}:
            self._source = response
            self._restart(error)
            self._start_again(response, error)
            return True
        response.close()
        return False

    def _restart(self, error: ProtocolError | RequestTimeout) -> None:
        """Count one more start from the beginning, which must be among the call's attempts."""
        self._restarts += 1
        max_attempts = None if self._policy is None else self._policy.max_attempts
        if max_attempts is not None and self._restarts >= max_attempts:
            raise error

    def _start_again(self, response: StreamedResponse, error: ProtocolError | RequestTimeout) -> None:
        """Write the file from its beginning, with the body of this response."""
        self._source = response
        if response.status not in {_OK, _PARTIAL}:
            raise error
        self._file.seek(0)
        self._file.truncate()
        self._begin(response)

    async def _ask(self, more: Mapping[str, str], error: ProtocolError | RequestTimeout) -> StreamedResponse:
        if self._reopen is None:
            raise error
        try:
            return await self._reopen(more)
        except RejectedError as refusal:  # ours: the caller should see the failure before it
            raise error from refusal

    def _wrong(self, message: str) -> ProtocolError:
        """Make an error about the current response."""
        error = ProtocolError(message)
        self._source.with_call(error)
        return error


def _policy_of(response: StreamedResponse) -> Retry | None:
    """Return the retries of a call that may be resumed, else None."""
    request = response.request
    if request is None or request.method != "GET" or request.content is not None:
        return None
    policy: Retry | None = request.call.settings.retry
    return policy
