"""Save bodies in files, one a row, while they arrive: memory doesn't grow with their size.

Rules:
1. A file is there whole or not at all. Until it is whole, it lies in the folder `.OUT.part` inside the folder of files.
   What a kill leaves there, the next run removes.
2. A name comes from the row's id alone, never from the server: letters, digits, `_`, `-` and `.` stay, anything else
   becomes `_`. A name that is not the id itself ends in `~` and a hash of the id.
3. An ending is added for the Content-Type, unless the id has one.
4. Where two rows would have one name, whatever the case, the later one's ends in `~` and its row number. So that it is
   the same after a resume, `claim` is called for every row in the order of the input.
5. A body that breaks off is continued or requested anew (streaming/download.py), within the attempts of the row.
6. A disk that is full, or any other error of the file system, stops the job.
"""

from __future__ import annotations

import asyncio
import mimetypes
import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncapi.bulk import disk
from asyncapi.bulk.columns import Saved
from asyncapi.bulk.rows import id_text
from asyncapi.bulk.store import NotWritten
from asyncapi.errors import AsyncAPIError, ConfigError, ProtocolError, RequestTimeout
from asyncapi.sansio.failures.backoff import full_jitter
from asyncapi.sansio.failures.resend import safe
from asyncapi.streaming.stream import Opener

if TYPE_CHECKING:
    from asyncapi.bulk.item import Item
    from asyncapi.client.client import Client
    from asyncapi.fanout.outcomes import Outcomes
    from asyncapi.messages.call import Attempt
    from asyncapi.messages.request import Request
    from asyncapi.settings import Retry
    from asyncapi.streaming.response import StreamedResponse

_UNSAFE = re.compile(r"[^\w.-]|^[.-]|[.]{2,}|[.]$")
_DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(?:\..*)?")
_LONGEST = 120  # bytes of a name without its ending
_NO_BODY = frozenset({204, 205, 304})
_BITS = 1 << 25  # 4 MiB


class Saver:
    """Saves the bodies of a job.

    Args:
        folder: Where files go, as it appears in rows.
        output: The name of the job's output.
        client: Sends the requests.
        silence: The seconds for which a body may be silent; by default as the client's settings say.
        durable: Whether files must survive a power cut.
    """

    def __init__(
        self, folder: Path, output: str, client: Client, *, silence: float | None = None, durable: bool = False
    ) -> None:
        self._folder = folder
        self._unfinished = folder / f".{_safe(Path(output).name or 'stdout')}.part"
        self._client = client
        self._durable = durable
        streams = client._streams  # noqa: SLF001 - what the client's own streams go by
        if silence is not None:
            streams = replace(streams, timeout=replace(streams.timeout, read=silence))
        self._streams = streams
        self._names = Names()

    def open(self) -> None:
        """Make the folders, and remove what an earlier run left unfinished (rule 1). It may take long.

        Raises:
            ConfigError: They can't be made or written.
        """
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            for left in self._unfinished.iterdir():
                disk.remove(left)
        except OSError as error:
            raise ConfigError(f"cannot write to the folder {self._folder}: {error.strerror}") from None

    def close(self) -> None:
        """Remove the folder of unfinished files, if it is empty."""
        with suppress(OSError):
            self._unfinished.rmdir()

    def claim(self, item: Item) -> None:
        """Give a row its name (rule 4)."""
        self._names.claim(item)

    async def call(self, item: Item, fan_out: Outcomes[Any]) -> tuple[Saved, StreamedResponse]:
        """Fetch one row and save its body: the `call` of `asyncapi.fanout.outcomes.Outcomes`.

        Raises:
            AsyncAPIError: The row failed.
            NotWritten: The file can't be written.
        """
        clock = self._client._clock  # noqa: SLF001 - the client's own
        began, rebuilt = clock.now(), _Rebuilt(self._client, item, fan_out)
        tries = 0
        while True:
            try:
                response = await self._opener(rebuilt).open()
                saved = await self._save(item, response)
            except (ProtocolError, RequestTimeout) as error:
                error.attempts = rebuilt.attempts()
                tries = len(error.attempts)
                if not rebuilt.may_repeat(error):
                    raise
            except AsyncAPIError as error:
                error.attempts = rebuilt.attempts()
                raise
            else:
                response.attempts, response.elapsed = rebuilt.attempts(), clock.now() - began
                return saved, response
            policy: Retry = rebuilt.policy  # type: ignore[assignment]  # else it isn't repeated
            await clock.sleep(full_jitter(tries, clock.random(), base=policy.base, cap=policy.cap))

    def _opener(self, rebuilt: _Rebuilt) -> Opener:
        client = self._client
        settings = replace(self._streams, builder=rebuilt)  # type: ignore[arg-type]  # builds from the row
        carry, status_error = client._carry, client._status_error  # noqa: SLF001 - as the client's own streams
        options = {"raise_for_status": True}
        return Opener(settings, carry, status_error, method=rebuilt.item.method, url="", options=options)

    async def _save(self, item: Item, response: StreamedResponse) -> Saved:
        if item.method == "HEAD" or response.status in _NO_BODY:
            response.close()
            return Saved(None, 0, response)
        name = self._names.name(item, response.headers.get("Content-Type", ""))
        unfinished, file = self._unfinished / name, self._folder / name
        try:
            size = await response.save(unfinished)
            if self._durable:
                await asyncio.to_thread(disk.sync_path, unfinished)
            disk.replace(unfinished, file)
            if self._durable:
                await asyncio.to_thread(disk.sync_folder, file)
        except OSError as error:
            if isinstance(error, AsyncAPIError):  # a RequestTimeout is both
                raise
            raise _not_written(file, error) from error
        except ConfigError as error:  # the file can't be created
            raise _not_written(file, error.__cause__ or error) from error
        return Saved(str(file), size, response)


def _not_written(file: Path, error: BaseException) -> NotWritten:
    return NotWritten(f"the file {file}: {getattr(error, 'strerror', None) or error}")  # rule 6


class _Rebuilt:
    """Builds the requests of one row, each anew, and keeps the records of their attempts.

    Attributes:
        item: The row.
        policy: Its retries.
    """

    def __init__(self, client: Client, item: Item, fan_out: Outcomes[Any]) -> None:
        self.item = item
        self.policy: Retry | None = None
        self._client = client
        self._fan_out = fan_out
        self._requests: list[Request] = []

    def build(self, _method: str, _url: str, headers: Any = None) -> Request:
        """Build the request; `headers` are those of a part of the file."""
        built = self._client._builder.rebuild(self.item, {} if headers is None else {"headers": headers})  # noqa: SLF001 - as `map` does
        built.call.fan_out = self._fan_out
        policy: Retry | None = built.call.settings.retry
        if not self._requests:
            self.policy = policy
        self._requests.append(built)
        return built

    def attempts(self) -> tuple[Attempt, ...]:
        """Return the records of all attempts."""
        found: list[Attempt] = []
        for request in self._requests:
            for attempt in request.call.attempts:
                if attempt.why == "first" and found:
                    attempt.why = f"retry: {(found[-1].error or 'the body broke off').partition(':')[0]}"
                found.append(attempt)
        return tuple(found)

    def may_repeat(self, error: ProtocolError | RequestTimeout) -> bool:
        """Whether a body that broke off is requested anew (rule 5)."""
        policy, last = self.policy, self._requests[-1]
        answered = bool(last.call.attempts) and last.call.attempts[-1].status is not None
        if policy is None or error.final or not answered or not safe(last):
            return False
        return policy.max_attempts is None or len(self.attempts()) < policy.max_attempts


class Names:
    """The names of a job's files."""

    def __init__(self) -> None:
        self._seen = bytearray(
            _BITS // 8
        )  # a Bloom filter: a name that only seems taken gets a number that it didn't need
        self._numbered: set[int] = set()

    def claim(self, item: Item) -> None:
        """Take a name for a row, after the rows before it (rule 4)."""
        stem = file_stem(item)
        root, ending = _split(stem)
        wanted = [stem, root] if ending else [stem, f"{stem}.*"]
        taken = any(self._has(name) for name in wanted)
        if taken:
            self._numbered.add(item.index)
            return
        self._take(stem)
        if ending:
            self._take(f"{root}.*")

    def name(self, item: Item, content_type: str) -> str:
        """Return the name of a row's file."""
        stem = file_stem(item)
        root, ending = _split(stem)
        number = f"~{item.index}" if item.index in self._numbered else ""
        return f"{root}{number}{ending or ending_of(content_type)}"

    def _places(self, name: str) -> list[int]:
        digest = blake2b(unicodedata.normalize("NFKC", name).casefold().encode(), digest_size=16).digest()
        return [int.from_bytes(digest[at : at + 4], "big") % _BITS for at in (0, 4, 8, 12)]

    def _has(self, name: str) -> bool:
        return all(self._seen[place >> 3] & 1 << (place & 7) for place in self._places(name))

    def _take(self, name: str) -> None:
        for place in self._places(name):
            self._seen[place >> 3] |= 1 << (place & 7)


def file_stem(item: Item) -> str:
    """Return the name of a row's file without the ending that its type adds (rule 2)."""
    text = id_text(item.index if item.name is None else item.name)
    name = _safe(text)
    if name == text:
        return name
    mark = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    root, ending = _split(name)
    return f"{root}~{mark}{ending}"


def _safe(text: str) -> str:
    name = _UNSAFE.sub("_", unicodedata.normalize("NFC", text))
    if _DEVICE.fullmatch(unicodedata.normalize("NFKC", name)):
        name = "_" + name
    return name.encode()[:_LONGEST].decode(errors="ignore") or "_"


def _split(name: str) -> tuple[str, str]:
    """Split a name into what comes before a known ending, and the ending."""
    root, dot, ending = name.rpartition(".")
    if dot and root and mimetypes.guess_type(f"x.{ending}") != (None, None):
        return root, f".{ending}"
    return name, ""


def ending_of(content_type: str) -> str:
    """Return the ending for a Content-Type, or "" (rule 3)."""
    media = content_type.partition(";")[0].strip().lower()
    return mimetypes.guess_extension(media) or ""
