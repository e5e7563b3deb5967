"""The hand-written worker pool that every async contestant but `asyncapi_map` uses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator


async def workers(fetch: Callable[[str], Awaitable[Any]], urls: Iterator[str], concurrency: int) -> None:
    """`concurrency` tasks that share one iterator."""

    async def worker() -> None:
        for url in urls:
            await fetch(url)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(worker())
