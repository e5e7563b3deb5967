"""Keep the stored responses of each URL: its variants, its parts, and the requests for it that are under way.

Rules:
1. A key has one entry of whole responses, one for each principal and each set of values that it varies by, and one
   entry of parts (206). Of too many, or too many bytes, the oldest are left out.
2. A new response replaces the one of the same principal that varies by the same values. Parts are joined with those
   that they belong to; what makes up the whole is stored as such.
3. `forget` removes all, and marks the requests under way as overtaken: what they bring is older than what made the
   entries invalid. A store that several processes share does the same for the requests of the others.
4. In such a store, a response that was made before the stored one does not replace it: its process was held up (RFC
   9111 section 4: the most recent one is used). One that came in the future was stored by a clock that was wrong.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from math import inf
from typing import TYPE_CHECKING, Any

from asyncapi.sansio.http import partial_content
from asyncapi.sansio.http.freshness import SKEW
from asyncapi.sansio.http.stored_response import Stored

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping, Sequence

    from asyncapi.sansio.http.stored_response import Record
    from asyncapi.stores.answers import Answers
    from asyncapi.stores.responses import Lasting

_MOST = 32  # variants of one URL, and parts
_WHOLE = 200
_BOUNDED = 1.0  # seconds: no store takes longer
_DATE = 1.0  # seconds: the precision of a Date


class Fetch:
    """A request under way.

    Attributes:
        overtaken: Whether a write to its URL has overtaken it.
        unheard: Whether no call waits for it.
    """

    __slots__ = ("overtaken", "unheard")

    def __init__(self, *, unheard: bool = False) -> None:
        self.overtaken: bool = False
        self.unheard: bool = unheard


class Variants:
    """The stored responses of a client, by key.

    Args:
        answers: Keeps the entries in memory.
        fetching: The requests under way, by key; the chains of one client share it.
        lasting: Keeps them where they outlive the process, in place of `answers`.

    Attributes:
        lasting: The same.
    """

    __slots__ = ("_answers", "_fetching", "get", "lasting")

    def __init__(
        self,
        answers: Answers[tuple[Record, ...]],
        fetching: dict[str, set[Fetch]],
        lasting: Lasting | None = None,
    ) -> None:
        self._answers: Answers[tuple[Record, ...]] | Lasting = answers if lasting is None else lasting
        self._fetching = fetching
        self.lasting: Lasting | None = lasting
        self.get = self._answers.get  # the variants of a key, or None: every hit passes here

    async def bring(self, key: str, limit: float = inf) -> None:
        """Fetch what is stored for a key, where the store is not at hand, within so many seconds."""
        if self.lasting is not None and self.lasting.far:
            await _within(limit, self.lasting.bring(key, _parts(key)))

    async def settle(self, limit: float = inf) -> None:
        """Wait until other processes see what was forgotten, for so many seconds."""
        if self.lasting is not None:
            await _within(limit, self.lasting.settle())

    def keep(self, key: str, stored: Stored | None, *, replaces: Stored | None = None) -> None:
        """Store a response in place of another; None only removes that."""
        there = self._answers.get(key) or ()
        if stored is not None and self.lasting is not None and any(_newer(variant, stored) for variant in there):
            return  # rule 4
        others = [
            variant
            for variant in there
            if variant != replaces and (stored is None or variant[:2] != (stored.identity, stored.varies))
        ]
        self._put(key, others if stored is None else [*others, tuple(stored)])

    def parts(self, key: str, identity: str, request: Mapping[str, str]) -> list[Stored]:
        """The parts that may be used for a request, the one that came for the same range first."""
        found = self._answers.get(_parts(key))
        return partial_content.choose_part(found, identity, request) if found else []

    def keep_part(self, key: str, part: Stored) -> None:
        """Store a part, joined with those that it belongs to (rule 2)."""
        others: list[Record] = []
        for record in self._answers.get(_parts(key)) or ():
            other = Stored._make(record)
            both = partial_content.joined(part, other) if record[0] == part.identity else None
            if both is not None and both.size <= self._answers.largest:
                part = both
            elif other[:2] != part[:2]:
                others.append(record)
        if part.status == _WHOLE:
            self.keep(key, part)
        else:
            others.append(tuple(part))
        self._put(_parts(key), others)

    def drop_parts(self, key: str) -> None:
        """Remove the parts of a key."""
        self._answers.drop(_parts(key))

    def forget(self, key: str) -> None:
        """Remove all of a key, and see that requests under way store nothing (rule 3)."""
        self._answers.drop(key)
        self._answers.drop(_parts(key))
        for fetch in self._fetching.get(key, ()):
            fetch.overtaken = True

    @contextmanager
    def under_way(self, key: str, fetch: Fetch) -> Iterator[None]:
        """Note that a request for this key is under way, so that `forget` can overtake it."""
        self._fetching.setdefault(key, set()).add(fetch)
        begun = self.lasting.begin(key) if self.lasting is not None else None
        try:
            yield
        finally:
            if self.lasting is not None:
                self.lasting.end(key, begun)
            self._fetching[key].discard(fetch)
            if not self._fetching[key]:
                del self._fetching[key]

    def _put(self, key: str, variants: Sequence[Record]) -> None:
        variants = tuple(variants[-_MOST:])
        sizes = [Stored._make(variant).size for variant in variants]
        while len(sizes) > 1 and sum(sizes) > self._answers.largest:  # rule 1
            del sizes[0]
        if sizes:
            self._answers.put(key, variants[-len(sizes) :], sum(sizes))
        else:
            self._answers.drop(key)


async def _within(limit: float, work: Coroutine[Any, Any, None]) -> None:
    """Wait for a store, which bounds its time itself, for no longer than the call can."""
    if limit > _BOUNDED:
        await work
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(max(limit, 0.0)):
            await work


def _newer(variant: Record, stored: Stored) -> bool:
    """Whether a variant that a response would replace was made after it (rule 4)."""
    if variant[:2] != stored[:2]:
        return False
    there = Stored._make(variant)
    if there.response_time > stored.response_time + SKEW:
        return False
    return there.response_time - there.initial_age > stored.response_time - stored.initial_age + _DATE


def _parts(key: str) -> str:
    """The key of parts, beside that of whole responses."""
    return f"part {key}"
