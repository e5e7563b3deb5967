"""A streamed body into a file, which is there whole or not at all.

Rules:
- It is written beside its place under a name of its own, and renamed at the end; what fails or is cancelled leaves
  nothing.
- A body that breaks off is gone on with where the server can give the rest of the very same one (Range and If-Range):
  of a plain GET with a strong validator, with the retries of the call, counted from the last byte that came. A server
  that answers with another one, whole, is saved from its beginning.
- Bytes are written by worker threads, a mebibyte at a time.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import IO, TYPE_CHECKING

import anyio.to_thread

from asyncapi.errors import ConfigError, ProtocolError, RejectedError, RequestTimeout
from asyncapi.sansio.backoff import full_jitter
from asyncapi.sansio.ranges import goes_on, validator

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from os import PathLike

    from asyncapi.clock import Clock
    from asyncapi.layers.retry import RetryPolicy
    from asyncapi.streamed import StreamedResponse

    Progress = Callable[[int, int | None], object]
    Reopen = Callable[[Mapping[str, str]], Awaitable[StreamedResponse]]

_PIECE = 1024 * 1024  # bytes


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
        self.done = 0
        self._begin(response)

    async def run(self) -> int:
        """All of it."""
        tries = 0
        while True:
            before = self.done
            try:
                await self._copy()
            except (ProtocolError, RequestTimeout) as error:
                tries = 1 if self.done > before else tries + 1
                await self._go_on(error, tries)
            except BaseException as error:
                self._source.close(error if isinstance(error, asyncio.CancelledError) else None)
                raise
            else:
                await anyio.to_thread.run_sync(self._file.flush)
                return self.done

    def _begin(self, response: StreamedResponse) -> None:
        """What is known of the whole body."""
        length = response.headers.get("Content-Length", "")
        whole = length.isdecimal() and "Content-Encoding" not in response.headers
        self._total = int(length) if whole else None
        self._validator = validator(response.headers) if response.status == 200 else None  # noqa: PLR2004

    async def _copy(self) -> None:
        pieces: list[bytes] = []
        size = 0
        try:
            async for piece in self._source.bytes():
                pieces.append(piece)
                size += len(piece)
                self.done += len(piece)
                if self._progress is not None:
                    self._progress(self.done, self._total)
                if size >= _PIECE:
                    await anyio.to_thread.run_sync(self._file.write, b"".join(pieces))
                    pieces, size = [], 0
        except (ProtocolError, RequestTimeout):
            self._file.write(b"".join(pieces))
            raise
        await anyio.to_thread.run_sync(self._file.write, b"".join(pieces))

    async def _go_on(self, error: ProtocolError | RequestTimeout, tries: int) -> None:
        """Open the rest, or raise the error if that can't be."""
        policy = self._policy
        if policy is None or self._reopen is None or self._validator is None or error.final:
            raise error
        if policy.attempts is not None and tries >= policy.attempts:
            raise error
        await self._clock.sleep(full_jitter(tries, self._clock.random(), base=policy.base, cap=policy.cap))
        try:
            self._source = await self._reopen({"Range": f"bytes={self.done}-", "If-Range": self._validator})
        except RejectedError as refusal:  # ours: what the caller should know is the failure before it
            raise error from refusal
        if goes_on(self._source.status, self._source.headers, self.done):
            return
        if self._source.status != 200:  # noqa: PLR2004 - OK: it has changed, and comes whole
            self._source.close()
            raise error
        self._file.seek(0)
        self._file.truncate()
        self.done = 0
        self._begin(self._source)


def _policy_of(response: StreamedResponse) -> RetryPolicy | None:
    """The retries of a call that may be asked for its rest."""
    request = response.request
    if request is None or request.method != "GET" or request.content is not None:
        return None
    policy: RetryPolicy | None = request.call.retry
    return policy
