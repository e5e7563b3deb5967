"""niquests with its `speedups` extra; its quickstart says to read typed answers from `content`.

Over TLS it takes HTTP/2 by itself. It doesn't read SSL_CERT_FILE.
It replaces urllib3 by another package of the same import name, so it lives in a virtual environment of its own.
"""

from __future__ import annotations

import os

import niquests
from row import Row

from contestants.pool import workers

PACKAGES = ("niquests", "urllib3-future")


async def run(urls, concurrency, took):
    authority = os.environ.get("SSL_CERT_FILE") or True
    async with niquests.AsyncSession(pool_maxsize=concurrency) as session:

        async def fetch(url):
            response = await session.get(url, verify=authority)
            took(Row.model_validate_json(response.content))

        await workers(fetch, urls, concurrency)
