"""The bulk job by hand: a file of URLs in, JSON lines out, with a pool of workers over bare aiohttp.

    python benchmarks/contestants/aiohttp_jsonl.py urls.txt out.jsonl --concurrency 100 [--uvloop] [--tuned]

What `asyncapi fetch` is measured against, as people write it: a queue-less pool, `await response.json()`, `json.dumps`.
`--tuned` is what an expert gets out of it: no cookie jar, no timer per request, no guess at the charset.
It has no retry, no journal, no resume, no progress, no limits: it is the least that does the job.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import aiohttp


async def fetch_all(source, target, concurrency, tuned):
    with open(source) as lines, open(target, "w") as out:
        rows = enumerate(line.strip() for line in lines)

        options = (
            {"cookie_jar": aiohttp.DummyCookieJar(), "timeout": aiohttp.ClientTimeout(total=None)} if tuned else {}
        )
        connector = aiohttp.TCPConnector(limit=concurrency)
        async with aiohttp.ClientSession(connector=connector, **options) as session:

            async def worker():
                for number, url in rows:
                    started = time.perf_counter()
                    try:
                        async with session.get(url) as response:
                            data = json.loads(await response.read()) if tuned else await response.json()
                            row = {"id": number, "url": url, "status": response.status, "data": data}
                    except aiohttp.ClientError as error:
                        row = {"id": number, "url": url, "error": str(error)}
                    row["elapsed_ms"] = (time.perf_counter() - started) * 1000
                    out.write(json.dumps(row) + "\n")

            await asyncio.gather(*(worker() for _ in range(concurrency)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--tuned", action="store_true")
    options = parser.parse_args()
    run = asyncio.run
    if options.uvloop:
        from uvloop import run
    run(fetch_all(options.source, options.target, options.concurrency, options.tuned))


if __name__ == "__main__":
    main()
