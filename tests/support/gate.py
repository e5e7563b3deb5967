"""A handler that responds only when it is let, and a way to let everything run that can."""

from __future__ import annotations

import asyncio


class Gate:
    """A handler that answers only when it is let; counts how many wait."""

    def __init__(self, handler):
        self.handler = handler
        self.waiting = 0
        self.most = 0
        self.cancelled = 0
        self.open = asyncio.Event()

    async def __call__(self, request):
        if int(request.url.query.get("page", 1)) == 1:
            return self.handler(request)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.waiting -= 1
        return self.handler(request)


async def settle():
    """Let everything that can run, run."""
    for _ in range(20):
        await asyncio.sleep(0)
