"""What mypy alone narrows by truth, read by it as strictly as it can: pyright asks for `is True`, or a look at `error`."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from asyncapi import AsyncAPIError, Client

if TYPE_CHECKING:
    from asyncapi.blocking import Client as BlockingClient


async def fan_out(api: Client, sync: BlockingClient) -> None:
    """The value is there after `if outcome.ok:`."""
    async with api.map(["/a"], model=int) as outcomes:
        async for outcome in outcomes:
            if outcome.ok:
                assert_type(outcome.value, int)
            else:
                assert_type(outcome.error, AsyncAPIError)
    for one in sync.map(["/a"], model=int):
        if not one.ok:
            raise one.error
        assert_type(one.value, int)
