"""A running fault server and a plain aiohttp session on it."""

from __future__ import annotations

import aiohttp
import pytest

from asyncapi.serve import FaultServer


@pytest.fixture
async def server():
    async with FaultServer() as running:
        yield running


@pytest.fixture
async def http(server):
    async with aiohttp.ClientSession(server.url) as session:
        yield session
