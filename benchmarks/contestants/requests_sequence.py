"""requests, one call after another over one Session: the script everybody starts with. `concurrency` is 1."""

from __future__ import annotations

import requests
from row import Row

PACKAGES = ("requests", "urllib3")


def run(urls, concurrency, took):
    with requests.Session() as session:
        for url in urls:
            took(Row.model_validate_json(session.get(url, timeout=30).content))
