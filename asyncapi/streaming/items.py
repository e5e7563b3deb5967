"""Iterate over the items of an open stream, and parse each as JSON."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from asyncapi.errors import AsyncAPIError
from asyncapi.messages import decoding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")


class Items(Generic[T]):
    """The items of an open stream, one by one: `async for` over it.

    Another loop over the same object resumes where the last one was left, with the next item.
    """

    __slots__ = ("_end", "_feed", "_last", "_over", "_read", "_ready", "convert")

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        feed: Callable[[bytes], Iterable[Any]],
        end: Callable[[], Iterable[Any]],
        convert: Callable[[Any], T],
        last: Callable[[Any], bool] | None = None,
    ) -> None:
        self._read = read
        self._feed = feed
        self._end = end
        self._last = last
        self._ready: deque[Any] = deque()
        self._over = False
        self.convert: Callable[[Any], T] = convert

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        if not self._ready:
            await self._fill()
        return self.convert(self._ready.popleft())

    async def some(self) -> list[Any]:
        """Return all buffered items, unconverted, waiting for at least one; [] at the end."""
        if not self._ready:
            try:
                await self._fill()
            except StopAsyncIteration:
                return []
        found, self._ready = list(self._ready), deque()
        return found

    async def _fill(self) -> None:
        """Read until there is an item.

        Raises:
            StopAsyncIteration: The stream has ended.
        """
        while not self._ready:
            if self._over:
                raise StopAsyncIteration
            piece = await self._read()
            self._over = not piece
            for item in self._feed(piece) if piece else self._end():
                if self._last is not None and self._last(item):
                    self._over = True
                    break
                self._ready.append(item)


def item_reader(model: Any, kind: str) -> Callable[[bytes], Any]:
    """Return a function that parses one item of JSON, and numbers items for its errors."""
    fast = None if model is None else decoding.reader(model)
    number = 0

    def parse(item: bytes) -> Any:
        nonlocal number
        number += 1
        try:
            if fast is None:
                return decoding.json(item, kind)
            try:
                return fast(item)
            except ValueError:  # pydantic's ValidationError is one
                return decoding.parse(model, item, kind)  # slower, but says what is wrong
        except AsyncAPIError as error:
            error.message = f"item {number}: {error.message}"
            raise

    return parse
