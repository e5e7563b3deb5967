"""Say what a cache needs of a store that outlives it: `Lasting`, and `CacheStore`, which makes one for each client.

Rules:
1. `get`, `put` and `drop` never wait: what has to be fetched first is fetched by `bring`, what has to be written is
   written afterwards. A client reads its own writes at once, other processes a moment later.
2. A store that is ill never fails a call. It warns once and keeps responses in this process' memory meanwhile.
3. A response that was requested before another process invalidated its key is not stored: `begin` notes when.
4. What it keeps are tuples of records (`sansio/http/stored_response.py`), which differ in their first two fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from asyncapi.errors import ConfigError

if TYPE_CHECKING:
    from asyncapi.sansio.http.stored_response import Record

Claimed = Literal["mine", "held", "free"]

LEASE = 3.0  # seconds that a claim outlives its holder
RENEW = 1.0  # seconds between two renewals of it
UNSHARED = 10.0  # seconds for which nobody claims what has turned out not to be storable


_LEAST_BYTES = 64 * 1024


@dataclass(slots=True)
class StoreCounts:
    """What a store has done for one client.

    Attributes:
        evicted: Responses that this client removed to keep the bound.
        errors: Reads and writes that failed.
    """

    evicted: int = 0
    errors: int = 0


class Lasting(Protocol):
    """The stored responses of one client, in a store that outlives it.

    Attributes:
        counts: What it has done.
        far: Whether a key has to be brought before `get` can know it.
        turns: Whether one of several processes fetches what all of them miss, with single-flight.
    """

    counts: StoreCounts
    far: bool
    turns: bool

    @property
    def largest(self) -> int:
        """The most bytes of all records of a key."""
        ...

    def get(self, key: str) -> tuple[Record, ...] | None:
        """Return the records of a key, or None."""
        ...

    def put(self, key: str, records: tuple[Record, ...], size: int) -> None:
        """Replace the records of a key; `size` is about how many bytes they take."""
        ...

    def drop(self, key: str) -> None:
        """Remove a key, for all processes (rule 3)."""
        ...

    async def bring(self, *keys: str) -> None:
        """Fetch what `get` will be asked for, in bounded time."""
        ...

    def begin(self, key: str) -> object:
        """Note that a request for a key goes out; give the result to `end` when it is done (rule 3)."""
        ...

    def end(self, key: str, begun: object) -> None:
        """Note that such a request is done."""
        ...

    async def settle(self) -> None:
        """Wait until other processes see what was dropped, in bounded time."""
        ...

    async def claim(self, name: str) -> Claimed:
        """Ask to be the one process that fetches something: "free" where everybody may."""
        ...

    def release(self, name: str, *, shared: float) -> None:
        """Give a claim back, behind all that was put before; nobody may claim it for `shared` seconds."""
        ...

    def occupancy(self) -> dict[str, int]:
        """What it holds now: `entries`, and `bytes` where that is known."""
        ...

    async def aclose(self) -> None:
        """Write what is to be written, and close. May be called twice."""
        ...


@runtime_checkable
class CacheStore(Protocol):
    """What `Cache(store=)` takes: `SQLiteStore`, `RedisStore`."""

    def responses(self, room: int) -> Lasting:
        """Make the store of one client's responses.

        Args:
            room: Bytes of memory to use while the store is away.
        """
        ...


def bound_of(who: str, max_bytes: object) -> int:
    """Return the bound of a store.

    Raises:
        ConfigError: It is no number, or too small to hold anything.
    """
    if not isinstance(max_bytes, int) or max_bytes < _LEAST_BYTES:
        raise ConfigError(f"{who}(max_bytes={max_bytes!r}): give a number of bytes, {_LEAST_BYTES} or more")
    return max_bytes
