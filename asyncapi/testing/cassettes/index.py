"""Find the exchange that an attempt replays, without a look at all that were recorded.

Rules:
1. What fits to the letter goes first. Then comes what is alike by its loose key (`keys`). Only where there is neither,
   exchanges are compared one by one: those of the same method, host and path whose keys don't tell.
2. Of equal ones, one with the same headers goes first, then one with the same headers but for its credential, then the
   one that was recorded first.
3. What was replayed is replayed again only where `repeats` says so: then, the last of those that fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncapi.redact import MASK
from asyncapi.testing.cassettes import conditions
from asyncapi.testing.cassettes.keys import Asked, Keys, is_doubtful, of_call, of_exchange

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterator

    from asyncapi.testing.cassettes.exchange import Exchange
    from asyncapi.testing.cassettes.masking import Secrets
    from asyncapi.testing.matching import Condition
    from asyncapi.testing.mock_calls import MockCall


class Index:
    """The exchanges of a cassette, by what their requests have.

    Args:
        parts: The parts of a request that are compared.
        ignored: The names that are not.
        secrets: Masks what is known by its name, all alike.
        repeats: As of a `Cassette`.

    Attributes:
        exchanges: All of them, in their order.
    """

    def __init__(
        self, parts: Collection[str], ignored: Collection[str], secrets: Secrets, *, repeats: bool = False
    ) -> None:
        self._parts, self._ignored, self._repeats = parts, ignored, repeats
        self._keys = Keys(parts, ignored, secrets)
        self._letters: dict[Hashable, _Equal] = {}
        self._loose: dict[Hashable, _Equal] = {}
        self._places: dict[Hashable, _Line] = {}
        self._doubtful: dict[Hashable, _Line] = {}
        self._waiting: list[tuple[int, Exchange, Asked]] = []  # those that have no loose key yet
        self._conditions: dict[int, list[Condition]] = {}
        self.exchanges: list[Exchange] = []

    def add(self, exchange: Exchange) -> None:
        """Add an exchange after all others."""
        self.exchanges.append(exchange)
        number = len(self.exchanges)
        asked = of_exchange(exchange)
        masked = MASK in str(asked.url.with_query(None))
        place = None if masked else self._keys.place(asked)
        self._places.setdefault(place, _Line()).add(number, exchange)
        if is_doubtful(asked):
            self._doubtful.setdefault(place, _Line()).add(number, exchange)
        if asked.body is not None or asked.handshake:
            self._letters.setdefault(self._keys.letter(asked), _Equal()).add(number, exchange, asked.soft)
            self._waiting.append((number, exchange, asked))

    def asked(self, exchange: Exchange) -> list[Condition]:
        """Return what an exchange asks of an attempt."""
        found = self._conditions.get(id(exchange))
        if found is None:
            found = conditions.conditions_of(exchange, self._parts, self._ignored)
            self._conditions[id(exchange)] = found
        return found

    def find(self, call: MockCall) -> Exchange | None:
        """Return the exchange that an attempt replays, or None."""
        asked = of_call(call)
        letter = self._letters.get(self._keys.letter(asked))
        if letter is not None and (found := letter.next(asked.soft)) is not None:
            return found
        self._key_loosely()
        loose = self._loose.get(self._keys.loose(asked))
        if loose is not None:
            found = loose.next(asked.soft)
            if found is not None and self.fits(found, call):
                return found
        if self._repeats:
            last = letter or loose
            if last is not None and last.last is not None and self.fits(last.last, call):
                return last.last
        return self._compared(call, asked)

    def near(self, call: MockCall) -> list[Exchange]:
        """Return the exchanges of the same method, host and path, whether or not they were replayed."""
        place = self._keys.place(of_call(call))
        return [exchange for key in (place, None) for exchange in self._places.get(key, _Line()).all()]

    def fits(self, exchange: Exchange, call: MockCall) -> bool:
        """Whether an exchange fits an attempt."""
        return exchange.websocket == call.is_handshake and not any(
            each.difference(call) for each in self.asked(exchange)
        )

    def _key_loosely(self) -> None:
        """Make the loose keys, which take longer, when the first is needed."""
        for number, exchange, asked in self._waiting:
            self._loose.setdefault(self._keys.loose(asked), _Equal()).add(number, exchange, asked.soft)
        self._waiting.clear()

    def _compared(self, call: MockCall, asked: Asked) -> Exchange | None:
        """Compare exchanges one by one (rule 1)."""
        unknown = bool(asked.body) and not asked.kind
        lines = self._places if unknown else self._doubtful
        place = self._keys.place(asked)
        best: Exchange | None = None
        how: tuple[bool, bool, int, int] | None = None
        for key in (place, None):
            line = lines.get(key)
            for number, exchange in () if line is None else line.left(played=self._repeats):
                if not self.fits(exchange, call):
                    continue
                fits = (not exchange.played, *conditions.likeness(exchange, call), -number)
                if exchange.played:
                    fits = (*fits[:3], number)  # rule 3
                if how is None or fits > how:
                    best, how = exchange, fits
        return best


class _Line:
    """Exchanges in the order of their recording."""

    __slots__ = ("_at", "_each")

    def __init__(self) -> None:
        self._each: list[tuple[int, Exchange]] = []
        self._at = 0

    def add(self, number: int, exchange: Exchange) -> None:
        """Add one."""
        self._each.append((number, exchange))

    def head(self) -> tuple[int, Exchange] | None:
        """Return the first that was not replayed yet."""
        while self._at < len(self._each):
            if not self._each[self._at][1].played:
                return self._each[self._at]
            self._at += 1
        return None

    def left(self, *, played: bool) -> Iterator[tuple[int, Exchange]]:
        """Return those that were not replayed yet, or all."""
        self.head()
        for at in range(0 if played else self._at, len(self._each)):
            if played or not self._each[at][1].played:
                yield self._each[at]

    def all(self) -> Iterator[Exchange]:
        """Return all of them."""
        return (exchange for _, exchange in self._each)


class _Equal:
    """Exchanges with the same key, by the headers that needn't be the same (rule 2)."""

    __slots__ = ("_by_all", "_by_most", "last")

    def __init__(self) -> None:
        self._by_all: dict[tuple[str, ...], _Line] = {}
        self._by_most: dict[tuple[str, ...], _Line] = {}
        self.last: Exchange | None = None

    def add(self, number: int, exchange: Exchange, soft: tuple[str, ...]) -> None:
        """Add one."""
        self._by_all.setdefault(soft, _Line()).add(number, exchange)
        self._by_most.setdefault(soft[:-1], _Line()).add(number, exchange)
        self.last = exchange

    def next(self, soft: tuple[str, ...]) -> Exchange | None:
        """Return the one that goes first of those that were not replayed yet; None where there is none."""
        for line in (self._by_all.get(soft), self._by_most.get(soft[:-1])):
            if line is not None and (found := line.head()) is not None:
                return found[1]
        best: Exchange | None = None
        how = (-1, 0)
        for key, line in list(self._by_most.items()):
            found = line.head()
            if found is None:
                del self._by_most[key]
                continue
            fits = (sum(one == other for one, other in zip(key, soft, strict=False)), -found[0])
            if fits > how:
                best, how = found[1], fits
        return best
