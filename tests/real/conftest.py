"""The layers against real proxies: nginx and haproxy, started by each test on loopback, and a server behind them."""

import pytest

from upstream import serving


@pytest.fixture
async def upstream():
    """What the proxies pass requests on to."""
    async with serving() as made:
        yield made
