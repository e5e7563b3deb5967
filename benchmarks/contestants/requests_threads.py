"""requests in threads: a Session for each, as one Session is not documented to be safe across threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from contestants import requests_sequence

PACKAGES = requests_sequence.PACKAGES


def run(urls, concurrency, took):
    with ThreadPoolExecutor(concurrency) as threads:
        jobs = [threads.submit(requests_sequence.run, urls, 1, took) for _ in range(concurrency)]
        for job in jobs:
            job.result()
