"""A streamed body into a file, which is there whole or not at all.

Rules:
- It is written beside its place under a name of its own, and renamed at the end; what fails or is cancelled leaves
  nothing.
- A body that breaks off is gone on with where the server can give the rest of the very same one (Range and If-Range):
  of a plain GET with a strong validator, with the retries of the call, counted from the last byte that came.
- A server may give less than the rest (RFC 9110 section 15.3.7): it is asked again, until all has come.
- An answer that is not sure to belong to what is there (another validator or none, another total, a body that is not
  as long as it says) is never joined: the file is asked for anew, whole, as often as the call has attempts.
- Bytes are written by worker threads, a mebibyte at a time.
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
_NO_RANGE = (412, 416)  # Precondition Failed, Range Not Satisfiable: what is there now is another one


async def save(
    response: StreamedResponse,
    path: str | PathLike[str],
    progress: Progress | None,
    reopen: Reopen | None,
    clock: Clock,
) -> int:
    """Save the body; gives its bytes.

    Raises:
        TransportError: It broke off for good.
        ConfigError: There can be no such file.
        OSError: It can't be written to its end.
    """
    target = Path(path)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        file = beside.open("xb")
    except (OSError, ValueError) as error:
        raise ConfigError(f"save({str(path)!r}): {error}") from error
    try:
        with file:
            saved = await _Saving(file, response, progress, reopen, clock).run()
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return saved


class _Saving:
    """One file being written, over one connection or several.

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
        """All of it."""
        try:
            while (failure := await self._copy()) is not None or not (self._to_the_end or self.done == self._total):
                await self._go_on(failure)
            await anyio.to_thread.run_sync(self._file.flush)
        except BaseException as error:
            self._source.close(error if isinstance(error, asyncio.CancelledError) else None)
            raise
        return self.done

    def _begin(self, response: StreamedResponse) -> None:
        """Take the answer for the beginning of the file.

        Raises:
            ProtocolError: It is a part that nobody asked for, and not the first.
        """
        self._source = response
        part = part_of(response.status, response.headers)
        own = "Range" in self._headers and (response.status == _PARTIAL or "Content-Range" in response.headers)
        if own:  # the caller's own range: what was asked for is all
            size = None if part is None or part.stop is None else part.stop - part.start
            part = Part(0, size, size)
        if part is None or part.start:
            raise self._wrong("the server gave a part that was not asked for, or does not say which (Content-Range)")
        with_body = response.status in {_OK, _PARTIAL} and (
            response.request is None or response.request.method != "HEAD"
        )
        self.done = self._most = self._tries = 0
        self._stop, self._total, self._to_the_end = part.stop if with_body else None, part.total, part.whole
        self._validator = validator(response.headers) if with_body and not own else None
        self._spoilt = False  # whether what has come can't be trusted

    async def _copy(self) -> ProtocolError | RequestTimeout | None:
        """Write what the answer in hand holds; gives what it was cut off by."""
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
            raise self._wrong(f"the body goes on after the {self._stop:,} bytes that the server told")
        self.done += len(piece)
        if self._progress is not None:
            self._progress(self.done, self._total)

    async def _go_on(self, failure: ProtocolError | RequestTimeout | None) -> None:
        """Open the rest, or the whole anew; raise the failure where neither can be."""
        error = failure or self._wrong(f"only {self.done:,} bytes came of {self._total or 'more'}")
        policy = self._policy
        if policy is None or self._reopen is None or self._validator is None or error.final:
            raise error
        further = self.done > self._most
        self._most = max(self._most, self.done)
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
        """Ask for the rest; gives whether the answer is of use: the rest or some of it, or the whole."""
        asked = {"Range": f"bytes={self.done}-", "If-Range": known}
        if "Accept-Encoding" not in self._headers:
            asked["Accept-Encoding"] = "identity"  # as in browsers: ranges count the bytes of a coding, too
        try:
            answer = await self._ask(asked, error)
        except StatusError as refusal:
            if refusal.status in _NO_RANGE:
                return False
            raise
        part = part_of(answer.status, answer.headers)
        if part is not None and continues_at(part, answer.headers, at=self.done, total=self._total, known=known):
            self._source, self._stop, self._total = answer, part.stop, self._total or part.total
            self.done, self._to_the_end = part.start, False
            self._file.seek(part.start)
            self._file.truncate()
            return True
        if part is not None and part.whole and answer.status in {_OK, _PARTIAL}:
            self._source = answer
            self._restart(error)
            self._start_again(answer, error)
            return True
        answer.close()
        return False

    def _restart(self, error: ProtocolError | RequestTimeout) -> None:
        """Count a start from the beginning, which must be among the call's attempts."""
        self._restarts += 1
        most = None if self._policy is None else self._policy.max_attempts
        if most is not None and self._restarts >= most:
            raise error

    def _start_again(self, answer: StreamedResponse, error: ProtocolError | RequestTimeout) -> None:
        """From the beginning, with an answer that has one."""
        self._source = answer
        if answer.status not in {_OK, _PARTIAL}:
            raise error
        self._file.seek(0)
        self._file.truncate()
        self._begin(answer)

    async def _ask(self, more: Mapping[str, str], error: ProtocolError | RequestTimeout) -> StreamedResponse:
        if self._reopen is None:
            raise error
        try:
            return await self._reopen(more)
        except RejectedError as refusal:  # ours: what the caller should know is the failure before it
            raise error from refusal

    def _wrong(self, message: str) -> ProtocolError:
        """An error about the answer in hand."""
        error = ProtocolError(message)
        self._source.with_call(error)
        return error


def _policy_of(response: StreamedResponse) -> Retry | None:
    """The retries of a call that may be asked for its rest."""
    request = response.request
    if request is None or request.method != "GET" or request.content is not None:
        return None
    policy: Retry | None = request.call.settings.retry
    return policy
